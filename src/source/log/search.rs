//! A part of the leader's log, searched for the events of one stream.
//!
//! A finite filtered read answers nothing until it finds a match (protocol §3.4), so it is a subscription that is read up to a
//! bound: its checkpoints tell how far it came. The record at its beginning is read before it and once more after its first
//! message, since a scavenge may take it (protocol §15.6). Never believes a node that does not lead, nor a log that was not
//! judged. Never waits longer than a part may take.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::eventstore::client::{
    Client, LogMessage, LogNode, LogRecord, LogSubscription, SubscribeLog,
};
use crate::eventstore::{Class, Error};
use ditto_core::event::{Event, StreamName};
use ditto_core::filter::{Rule, StreamFilter};
use ditto_core::port::LogPosition;
use ditto_core::port::log::{Epoch, SearchPage};

use super::database::is_same_log;

const ACTION: &str = "search the log";

/// A part takes so long, if it is not full before: the next one goes on where it came to.
const PART: Duration = Duration::from_secs(10);

/// Events of a part.
const MOST_EVENTS: usize = 500;

/// What is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The stream whose events are wanted.
    pub stream: StreamName,
    /// Where to begin, inclusive; `None`: at the log's beginning.
    pub at: Option<LogPosition>,
    /// Events below this revision are not wanted.
    pub from: u64,
    /// Nothing is wanted after the first event of this revision or a higher one.
    pub to: Option<u64>,
    /// The part ends when this many bytes of events were found.
    pub max_bytes: usize,
}

/// What was found so far.
struct Part<'a> {
    search: &'a Search,
    found: Vec<(LogPosition, Event)>,
    bytes: usize,
    /// Everything before this position was looked through.
    reached: Option<LogPosition>,
    is_full: bool,
}

impl Part<'_> {
    fn take(&mut self, record: LogRecord) {
        let LogRecord { event, position } = record;
        self.reached = self.reached.max(Some(position));
        if event.stream != self.search.stream || event.revision < self.search.from {
            return;
        }
        self.bytes += event.size();
        let is_last = self.search.to.is_some_and(|to| event.revision >= to);
        self.found.push((position, event));
        self.is_full =
            is_last || self.bytes >= self.search.max_bytes || self.found.len() >= MOST_EVENTS;
    }

    fn page(self) -> SearchPage {
        SearchPage::Searched {
            found: self.found,
            next: self.reached,
        }
    }

    /// The log ends.
    fn last_page(self) -> SearchPage {
        SearchPage::Searched {
            found: self.found,
            next: None,
        }
    }
}

/// Searches one part. `epochs`: those of the log that is copied; `None`: they may not be read.
pub(super) async fn part(
    client: &Client,
    search: &Search,
    epochs: Option<&[Epoch]>,
) -> Result<SearchPage, Error> {
    let deadline = Instant::now() + PART;
    let mut part = Part {
        search,
        found: Vec::new(),
        bytes: 0,
        reached: None,
        is_full: false,
    };
    let place = match search.at {
        None => None,
        Some(at) => match client.record_at(at).await {
            Ok(Some(record)) => Some(record),
            Ok(None) => return Ok(part.last_page()),
            Err(error) if *error.class() == Class::InvalidPosition => {
                return Ok(SearchPage::NoPosition);
            }
            Err(error) => return Err(error),
        },
    };
    let node = client.leading_log_node().await?;
    let mut reader = Reader::open(client, node, search, place.clone(), epochs).await?;
    if let Some(place) = place {
        part.take(place);
    }
    let has_ended = reader.read(&mut part, deadline).await?;
    reader.still_leads().await?;
    Ok(if has_ended {
        part.last_page()
    } else {
        part.page()
    })
}

/// The subscription that a part is read by.
struct Reader<'a> {
    client: &'a Client,
    node: LogNode,
    subscription: LogSubscription,
    /// The record that it begins after; `None`: it begins at the log's beginning, or that record was read once more.
    place: Option<LogRecord>,
}

impl<'a> Reader<'a> {
    async fn open(
        client: &'a Client,
        node: LogNode,
        search: &Search,
        place: Option<LogRecord>,
        epochs: Option<&[Epoch]>,
    ) -> Result<Self, Error> {
        let subscribe = SubscribeLog {
            after: place.as_ref().map(|record| record.position),
            streams: regex(&search.stream),
        };
        let subscription = client.subscribe_log(&node, &subscribe).await?;
        if let Some(known) = epochs
            && !is_same_log(known, &subscription.epochs().await?)
        {
            return Err(failed(
                client,
                "the node has another log than the leader had",
            ));
        }
        Ok(Self {
            client,
            node,
            subscription,
            place,
        })
    }

    /// Reads until the part is full or its time is over. True if the log ends.
    async fn read(&mut self, part: &mut Part<'_>, deadline: Instant) -> Result<bool, Error> {
        while !part.is_full {
            let Ok(message) = timeout_at(deadline, self.subscription.next()).await else {
                return self.out_of_time(part);
            };
            let message = message?;
            self.prove_place().await?;
            match message {
                Some(LogMessage::Record(record)) => part.take(record),
                Some(LogMessage::LookedThrough(place)) => {
                    part.reached = part.reached.max(Some(place));
                }
                Some(LogMessage::CaughtUp) => return Ok(true),
                Some(LogMessage::FellBehind) => {}
                None => return self.out_of_time(part),
            }
        }
        Ok(false)
    }

    fn out_of_time(&self, part: &Part<'_>) -> Result<bool, Error> {
        if part.reached > part.search.at {
            return Ok(false);
        }
        let text = format!("the server looked through nothing within {PART:?}");
        Err(Error::new(self.client.side(), Class::Timeout, ACTION, text))
    }

    /// What the subscription brings is believed if the record before it is still there.
    async fn prove_place(&mut self) -> Result<(), Error> {
        let Some(place) = self.place.take() else {
            return Ok(());
        };
        match self.client.record_at(place.position).await? {
            Some(record) if record == place => Ok(()),
            _ => Err(failed(
                self.client,
                "the record that it began after was scavenged meanwhile",
            )),
        }
    }

    /// A node that no longer leads may lack what is asked for, or have what was cut off.
    async fn still_leads(&self) -> Result<(), Error> {
        self.client.log_end().await?;
        if self.client.leader().await? == *self.node.endpoint() {
            Ok(())
        } else {
            Err(failed(self.client, "another node leads by now"))
        }
    }
}

fn failed(client: &Client, text: &str) -> Error {
    Error::new(client.side(), Class::Transient, ACTION, text)
}

/// Matches this stream's name, and that of its metadata stream.
fn regex(stream: &StreamName) -> String {
    let rule = Rule::Name(stream.as_str().into());
    StreamFilter::new(Some(vec![rule]), Vec::new()).regex()
}
