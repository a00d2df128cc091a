//! A source that hands over events that somebody chose: the last of each stream that a repair or a replay is to bring.
//!
//! To a pipeline it is a subscription like any other, so that its own rules decide about each event. Never touches a
//! group: what is acknowledged and parked here is only noted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::watch;
use uuid::Uuid;

use super::handoff::{Handoff, HandoffSession};
use super::{Delivered, Joined, Persistent, Refusal};
use crate::eventstore::client::Client;
use crate::source::{Source, history};
use ditto_core::event::{Event, Item, StreamName};
use ditto_core::port::{
    GroupSeen, LinkPage, LogPage, LogPosition, ParkedPage, ReadFrom, SourcePage,
};

/// Nothing is taken back, however long an event waits.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Chosen events read at once.
const READS: usize = 16;

const EVENT_BYTES: usize = 1024 * 1024;

/// An event that is to be at the destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// The event's own stream, not that of a link.
    pub stream: StreamName,
    /// The event's revision in that stream.
    pub revision: u64,
}

/// What became of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not decided yet.
    Open,
    /// The destination has it.
    There,
    /// It was not brought, for this reason.
    Refused(String),
}

/// A source that delivers selected events alone, without a group: what `ditto parked` and `ditto verify` bring again.
#[derive(Debug)]
pub struct Selected {
    client: Client,
    work: Arc<Work>,
}

#[derive(Debug)]
struct Work {
    choices: Vec<Choice>,
    fates: Mutex<Vec<Outcome>>,
    open: watch::Sender<usize>,
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, Vec<Outcome>> {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, at: usize, outcome: Outcome) {
        let is_first = {
            let mut fates = self.lock();
            match fates.get_mut(at) {
                Some(known @ Outcome::Open) => {
                    *known = outcome;
                    true
                }
                _ => false,
            }
        };
        if is_first {
            self.open.send_modify(|open| *open = open.saturating_sub(1));
        }
    }
}

impl Selected {
    /// Hands over these, read from the Event Store that `client` talks to.
    #[must_use]
    pub fn new(client: Client, choices: Vec<Choice>) -> Self {
        let (open, _) = watch::channel(choices.len());
        let fates = Mutex::new(vec![Outcome::Open; choices.len()]);
        Self {
            client,
            work: Arc::new(Work {
                choices,
                fates,
                open,
            }),
        }
    }

    /// How many are not decided yet, as it changes.
    #[must_use]
    pub fn open(&self) -> watch::Receiver<usize> {
        self.work.open.subscribe()
    }

    /// What became of each, in the order in which they were chosen.
    #[must_use]
    pub fn fates(&self) -> Vec<Outcome> {
        self.work.lock().clone()
    }
}

fn seen() -> GroupSeen {
    GroupSeen {
        message_timeout: MESSAGE_TIMEOUT,
        max_retry_count: 0,
        checkpoint: None,
        start: None,
        parked: 0,
        parked_readable: None,
        last_number: None,
    }
}

impl Source for Selected {
    type Session = HandoffSession;
    type Opening = u32;
    type Seen = GroupSeen;
    type Refusal = Refusal;

    async fn open(&self, buffer_size: u32) -> Result<Joined<HandoffSession>, Refusal> {
        let handoff = Arc::new(Handoff::default());
        let reader = Reader {
            client: self.client.clone(),
            work: self.work.clone(),
            handoff: handoff.clone(),
            buffer_size: buffer_size as usize,
        };
        let reader = tokio::spawn(async move {
            let why = reader.read().await;
            reader.handoff.close(why);
        });
        Ok(Joined {
            session: HandoffSession::new(handoff, reader),
            seen: seen(),
            warnings: Vec::new(),
        })
    }

    async fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> SourcePage {
        history::stream(&self.client, stream, from, count, max_bytes).await
    }

    async fn probe(&self) -> Result<(), String> {
        let probed = self.client.probe().await;
        probed.map_err(|error| error.with_hint())
    }

    fn trouble(&self) -> Option<String> {
        self.client.trouble()
    }
}

impl Persistent for Selected {
    async fn group(&self) -> Result<GroupSeen, Refusal> {
        Ok(seen())
    }

    async fn read_links(&self, _from: u64, _count: u32, _max_bytes: usize) -> LinkPage {
        LinkPage::Deleted
    }

    async fn first_link(&self, _from: u64) -> LinkPage {
        LinkPage::Deleted
    }

    async fn search_log(&self, _after: Option<LogPosition>) -> LogPage {
        LogPage::Unsearchable("what was chosen is all there is".to_owned())
    }

    async fn read_parked(&self, _from: u64, _count: u32) -> ParkedPage {
        ParkedPage::Entries(Vec::new())
    }
}

/// The task behind a session.
struct Reader {
    client: Client,
    work: Arc<Work>,
    handoff: Arc<Handoff>,
    buffer_size: usize,
}

impl Reader {
    /// Until told to leave, or an event cannot be read.
    async fn read(&self) -> Option<String> {
        let open: Vec<usize> = self.undecided();
        let mut events = stream::iter(open)
            .map(|at| async move { (at, self.event(at).await) })
            .buffered(READS);
        // Handed over and not decided.
        let mut waiting: usize = 0;
        let mut exhausted = false;
        loop {
            let (requests, view) = self.handoff.take_orders();
            for id in requests.acks {
                waiting = waiting.saturating_sub(1);
                self.work.decide(index(id), Outcome::There);
            }
            for (ids, reason) in requests.parks {
                for id in ids {
                    waiting = waiting.saturating_sub(1);
                    self.work
                        .decide(index(id), Outcome::Refused(reason.clone()));
                }
            }
            if requests.leave {
                return None;
            }
            if exhausted || !view.room || waiting >= self.buffer_size {
                self.handoff.something_for_reader().await;
                continue;
            }
            match events.next().await {
                None => exhausted = true,
                Some((at, Ok(Some(event)))) => {
                    waiting += 1;
                    self.handoff.put(Delivered {
                        ack: Uuid::from_u128(at as u128),
                        number: None,
                        item: Item::Event(event),
                    });
                }
                Some((at, Ok(None))) => {
                    let text = "it is no longer at the source".to_owned();
                    self.work.decide(at, Outcome::Refused(text));
                }
                Some((_, Err(why))) => return Some(why),
            }
        }
    }

    fn undecided(&self) -> Vec<usize> {
        let fates = self.work.lock();
        let all = fates.iter().enumerate();
        all.filter(|(_, outcome)| **outcome == Outcome::Open)
            .map(|(at, _)| at)
            .collect()
    }

    async fn event(&self, at: usize) -> Result<Option<Event>, String> {
        let Some(Choice { stream, revision }) = self.work.choices.get(at).cloned() else {
            return Ok(None);
        };
        let from = ReadFrom::Revision(revision);
        match history::stream(&self.client, stream.clone(), from, 1, EVENT_BYTES).await {
            SourcePage::Events { events, .. } => {
                Ok(events.into_iter().find(|event| event.revision == revision))
            }
            SourcePage::SoftDeleted | SourcePage::Tombstoned => Ok(None),
            // The stream was seen there when its event was chosen.
            SourcePage::NotFound => Err(format!(
                "stream \"{stream}\" was not found at the source: the node that answered might lag behind"
            )),
            SourcePage::Denied => {
                let text = format!("no permission to read {stream} at the source");
                self.work.decide(at, Outcome::Refused(text.clone()));
                Ok(None)
            }
            // It lasts, and is this stream's alone.
            SourcePage::Refused(text) => {
                let text = format!("it cannot be read at the source: {text}");
                self.work.decide(at, Outcome::Refused(text));
                Ok(None)
            }
            SourcePage::Failed => Err(format!("{stream} could not be read at the source")),
        }
    }
}

fn index(ack: Uuid) -> usize {
    usize::try_from(ack.as_u128()).unwrap_or(usize::MAX)
}
