//! The links of parked entries whose numbers lead nowhere, found by reading the whole of the subscription's stream.
//!
//! An entry that was parked again after the server's own replay has the number of an entry that the server forgot
//! (protocol §8.8). Believes a link only if the stream is readable from its first number on and all links to the same
//! event say the same. Never writes.

use std::collections::{BTreeMap, BTreeSet};

use super::parked::{Target, Traced, by_own_link, target};
use crate::eventstore::Error;
use crate::eventstore::client::{Client, ReadStream};
use crate::source::resolve::{by_link, is_link};
use ditto_core::event::{Event, StreamName};

const PAGE: u64 = 1_000;
const PAGE_BYTES: usize = 1024 * 1024;

/// What the links to some events say.
#[derive(Clone, Debug, Default)]
pub struct Found(BTreeMap<Target, Traced>);

impl Found {
    /// What is known of an entry, if it was lost and its link was found.
    #[must_use]
    pub fn instead_of(&self, traced: Traced) -> Traced {
        match traced {
            Traced::Lost(stream, revision) => {
                let target = (stream, revision);
                let found = self.0.get(&target).cloned();
                found.unwrap_or(Traced::Lost(target.0, target.1))
            }
            known => known,
        }
    }

    fn take(&mut self, link: &Event, wanted: &BTreeSet<Target>) {
        let Some(target) = target(link).filter(|target| is_link(link) && wanted.contains(target))
        else {
            return;
        };
        let says = by_own_link(target.clone(), by_link(link).as_ref());
        let known = self.0.entry(target.clone()).or_insert_with(|| says.clone());
        if *known != says {
            *known = Traced::Lost(target.0, target.1);
        }
    }
}

/// Reads the stream for links to these events.
///
/// # Errors
/// No answer, or no permission to read it.
pub async fn find(
    client: &Client,
    stream: &StreamName,
    wanted: BTreeSet<Target>,
) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut from = Some(0);
    while let Some(start) = from {
        let read = ReadStream::forwards(stream.clone(), start, PAGE, PAGE_BYTES);
        let events = client.read_stream(read).await?.into_events();
        if start == 0 && events.first().is_none_or(|event| event.revision > 0) {
            // The link may have been among those that are gone.
            return Ok(found);
        }
        events.iter().for_each(|event| found.take(event, &wanted));
        from = events.last().map(|event| event.revision + 1);
    }
    Ok(found)
}
