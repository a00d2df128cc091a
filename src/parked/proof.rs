//! Proof that the event of each entry is at the destination: what a replay asks before it forgets a stream's entries.
//!
//! A stream that is at the destination up to its highest parked revision may hold a placeholder in the place of a lower one
//! (`on_missing_history = "fill"`). The appends here are recognised or refused, and never written (protocol §5.1.12).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use uuid::Uuid;

use super::{page, search};
use crate::config::settings::SubscriptionKey;
use crate::destination::Destination as _;
use crate::destination::event_store::EventStore;
use crate::eventstore::Error;
use crate::eventstore::client::{Client, ReadStream, StreamPage, events};
use crate::source::persistent::parked::{Traced, text};
use crate::source::pick::pick;
use crate::source::resolve::is_link;
use ditto_core::event::{Event, StreamName};
use ditto_core::placeholder_id;
use ditto_core::port::LookupResult;

/// Users' links that are looked for; the streams of more are not proven.
const MOST_LINKS: usize = 100_000;

/// Events and bytes of a page of a stream that is searched for links.
const PAGE: u64 = 500;
const PAGE_BYTES: usize = 256 * 1024;

/// The streams among these of which a parked event is not proven to be at the destination, each with the first reason.
///
/// # Errors
/// No answer, or no permission to read.
pub async fn unproven(
    (source, destination): (&Client, &Client),
    group: &SubscriptionKey,
    streams: &BTreeSet<StreamName>,
) -> Result<BTreeMap<StreamName, String>, Error> {
    let found = search(source, group).await?;
    let mut proof = Proof {
        source,
        destination,
        reasons: BTreeMap::new(),
    };
    let mut links: BTreeMap<StreamName, BTreeSet<String>> = BTreeMap::new();
    let mut count = 0_usize;
    let mut from = Some(0);
    while let Some(at) = from {
        let (entries, next) = page(source, group, at, &found).await?;
        let mut revisions: BTreeMap<StreamName, BTreeSet<u64>> = BTreeMap::new();
        for entry in entries
            .into_iter()
            .filter(|entry| streams.contains(&entry.stream()))
        {
            match entry.what {
                Traced::Target(stream, revision) => {
                    revisions.entry(stream).or_default().insert(revision);
                }
                Traced::Link(stream) if count < MOST_LINKS => {
                    count += 1;
                    links.entry(stream).or_default().insert(entry.text);
                }
                Traced::Link(stream) => proof.lacks(&stream, || {
                    "the queue holds too many links: replay fewer streams at once".to_owned()
                }),
                Traced::Never(_) | Traced::Lost(..) => {}
            }
        }
        for (stream, revisions) in revisions {
            proof.events(&stream, &revisions).await?;
        }
        from = next;
    }
    for (stream, texts) in links {
        proof.links(&stream, texts).await?;
    }
    Ok(proof.reasons)
}

struct Proof<'c> {
    source: &'c Client,
    destination: &'c Client,
    reasons: BTreeMap<StreamName, String>,
}

impl Proof<'_> {
    fn lacks(&mut self, stream: &StreamName, why: impl FnOnce() -> String) {
        if !self.reasons.contains_key(stream) {
            self.reasons.insert(stream.clone(), why());
        }
    }

    /// A stream's events of these revisions.
    async fn events(
        &mut self,
        stream: &StreamName,
        revisions: &BTreeSet<u64>,
    ) -> Result<(), Error> {
        let (here, there) = tokio::try_join!(
            pick(self.source, stream, revisions, |event| event.id),
            pick(self.destination, stream, revisions, |event| event.id),
        )?;
        for revision in revisions.iter().copied() {
            if self.reasons.contains_key(stream) {
                return Ok(());
            }
            let why = match (here.get(&revision), there.get(&revision)) {
                (Some(here), Some(there)) if here == there => None,
                (here, Some(there)) if *there == placeholder_id(stream, revision) => {
                    Some(filled(here.is_some()))
                }
                (Some(_), Some(_)) => Some("another event is there".to_owned()),
                (None, Some(_)) => None,
                (_, None) => self.ask(stream, revision).await?,
            };
            if let Some(why) = why {
                self.lacks(stream, || {
                    format!("revision {revision} is not proven to be at the destination: {why}")
                });
            }
        }
        Ok(())
    }

    /// Asks the destination about a revision that it does not show; `None`: the source's event is there.
    async fn ask(&self, stream: &StreamName, revision: u64) -> Result<Option<String>, Error> {
        let last = self.destination.last_revision(stream).await?;
        // Only below the tail nothing can be written.
        if revision == 0 || last.is_none_or(|last| revision > last) {
            return Ok(Some("it cannot be read there".to_owned()));
        }
        let store = EventStore::new(self.destination.clone());
        let mut here = pick(
            self.source,
            stream,
            &BTreeSet::from([revision]),
            Event::clone,
        )
        .await?;
        let here = here.remove(&revision);
        let is_here = here.is_some();
        if let Some(event) = here {
            match store.recognise(stream.clone(), event).await {
                LookupResult::Recognised => return Ok(None),
                LookupResult::Foreign => {}
                LookupResult::Denied => {
                    return Ok(Some(
                        "it cannot be read there, and the user has no permission to write the stream".to_owned(),
                    ));
                }
                _ => return Ok(Some("it cannot be read there".to_owned())),
            }
        }
        let placeholder = event(stream, revision, placeholder_id(stream, revision));
        Ok(Some(
            match store.recognise(stream.clone(), placeholder).await {
                LookupResult::Recognised => filled(is_here),
                _ => "it cannot be read there".to_owned(),
            },
        ))
    }

    /// A stream's own links with these texts.
    async fn links(
        &mut self,
        stream: &StreamName,
        mut texts: BTreeSet<String>,
    ) -> Result<(), Error> {
        let wanted = texts.clone();
        let mut from = Some(0);
        while let Some(start) = from {
            let read = ReadStream::forwards(stream.clone(), start, PAGE, PAGE_BYTES);
            let StreamPage::Found { records, first, .. } = self.source.read_stream(read).await?
            else {
                break;
            };
            let events = events(records);
            let found = events
                .iter()
                .filter(|event| is_link(event) && wanted.contains(&text(event)));
            let mut revisions = BTreeSet::new();
            for link in found {
                texts.remove(&text(link));
                revisions.insert(link.revision);
            }
            if !revisions.is_empty() {
                self.events(stream, &revisions).await?;
            }
            let next = events.last().map(|event| event.revision + 1).or(first);
            from = next.filter(|next| *next > start);
        }
        if let Some(text) = texts.first() {
            self.lacks(stream, || {
                format!("its link to {text} is no longer at the source")
            });
        }
        Ok(())
    }
}

fn filled(is_here: bool) -> String {
    let then = if is_here {
        "the event is at the source"
    } else {
        "the event is no longer at the source"
    };
    format!("a placeholder stands in its place; {then}")
}

fn event(stream: &StreamName, revision: u64, id: Uuid) -> Event {
    Event {
        id,
        stream: stream.clone(),
        revision,
        event_type: "ditto-missing".into(),
        is_json: true,
        data: Bytes::new(),
        metadata: Bytes::new(),
        created: 0,
    }
}
