//! A source that does as it is told, and a pipeline from it to a played destination. Holds no test.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::played_destination::{Answering, PlayedDestination};
use crate::config::settings::{Replication, SubscriptionKey};
use crate::pipeline::replicate::{Pipeline, core_settings};
use crate::report::Observer;
use crate::source::persistent::{Delivered, GroupSession, Joined, Persistent, Refusal};
use crate::source::{Arrival, Session, Source};
use ditto_core::event::{Event, Item, StreamName};
use ditto_core::port::{
    CoreSettings, GroupSeen, JoinRefusal, LinkPage, LogPage, LogPosition, ParkedPage, ReadFrom,
    SourcePage,
};

/// The stream of its events.
pub(super) const STREAM: &str = "customer-1";

/// What a played source does.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceScript {
    /// Joining is refused for this reason.
    pub(super) refuses: Option<JoinRefusal>,
    /// Number of the stream's last event.
    pub(super) last_number: Option<u64>,
    /// Delivered at once after joining: events of one stream, from revision and number 0.
    pub(super) deliveries: u64,
    /// Reading a stream takes this long for each event.
    pub(super) read_pace: Duration,
    /// What a stream holds before what is delivered.
    pub(super) gap: u64,
}

/// What was asked of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Poll(bool),
    Ack(usize),
    Park(usize, String),
    Leave,
}

#[derive(Clone)]
pub(super) struct PlayedSource {
    script: SourceScript,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Acknowledged or parked.
    done: Arc<Mutex<HashSet<Uuid>>>,
    /// Told to all sessions: they end.
    reset: Arc<Notify>,
}

pub(super) struct PlayedSession {
    deliveries: Mutex<VecDeque<Delivered>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    done: Arc<Mutex<HashSet<Uuid>>>,
    reset: Arc<Notify>,
    left: Notify,
}

impl PlayedSource {
    pub(super) fn new(script: SourceScript) -> Self {
        Self {
            script,
            asked: Arc::default(),
            done: Arc::default(),
            reset: Arc::default(),
        }
    }

    /// Ends the session that waits now.
    pub(super) fn reset(&self) {
        self.reset.notify_one();
    }

    fn seen(&self) -> GroupSeen {
        GroupSeen {
            message_timeout: Duration::from_secs(60),
            max_retry_count: 1000,
            checkpoint: None,
            start: Some(0),
            parked: 0,
            parked_readable: None,
            last_number: self.script.last_number,
        }
    }
}

impl Source for PlayedSource {
    type Session = PlayedSession;
    type Opening = u32;
    type Seen = GroupSeen;
    type Refusal = Refusal;

    async fn open(&self, _buffer_size: u32) -> Result<Joined<PlayedSession>, Refusal> {
        if let Some(why) = self.script.refuses {
            return Err(Refusal {
                why,
                text: "played".to_owned(),
            });
        }
        let done = self.done.lock().unwrap();
        let deliveries = (0..self.script.deliveries)
            .filter(|number| !done.contains(&event(self.script.gap + number).id))
            .map(|number| {
                let event = event(self.script.gap + number);
                Delivered {
                    ack: event.id,
                    number: Some(number),
                    item: Item::Event(event),
                }
            })
            .collect();
        let session = PlayedSession {
            deliveries: Mutex::new(deliveries),
            asked: self.asked.clone(),
            done: self.done.clone(),
            reset: self.reset.clone(),
            left: Notify::new(),
        };
        Ok(Joined {
            session,
            seen: self.seen(),
            warnings: Vec::new(),
        })
    }

    async fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        _: usize,
    ) -> SourcePage {
        let length = self.script.gap + self.script.deliveries;
        if stream.as_str() != STREAM {
            return SourcePage::NotFound;
        }
        let from = match from {
            ReadFrom::Revision(from) => from,
            ReadFrom::Tail => length - 1,
        };
        let events: Vec<Event> = (from..length.min(from + u64::from(count)))
            .map(event)
            .collect();
        tokio::time::sleep(self.script.read_pace * u32::try_from(events.len()).unwrap()).await;
        SourcePage::Events {
            events,
            last: length - 1,
        }
    }

    async fn probe(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Persistent for PlayedSource {
    async fn group(&self) -> Result<GroupSeen, Refusal> {
        Ok(self.seen())
    }

    async fn read_links(&self, _: u64, _: u32, _: usize) -> LinkPage {
        self.script
            .last_number
            .map_or(LinkPage::Deleted, |last| LinkPage::Items {
                items: Vec::new(),
                last,
            })
    }

    async fn first_link(&self, _: u64) -> LinkPage {
        LinkPage::Failed
    }

    async fn search_log(&self, _: Option<LogPosition>) -> LogPage {
        LogPage::Failed
    }

    async fn read_parked(&self, _: u64, _: u32) -> ParkedPage {
        ParkedPage::Entries(Vec::new())
    }
}

impl PlayedSession {
    fn note(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }
}

impl Session for PlayedSession {
    type Delivered = Delivered;

    fn poll(&self, on: bool) {
        self.note(Asked::Poll(on));
    }

    fn leave(&self) {
        self.note(Asked::Leave);
        self.left.notify_one();
    }

    async fn next(&mut self, into: &mut VecDeque<Delivered>) -> Arrival {
        let deliveries = std::mem::take(&mut *self.deliveries.lock().unwrap());
        if deliveries.is_empty() {
            let why = tokio::select! {
                () = self.left.notified() => None,
                () = self.reset.notified() => Some("reset".to_owned()),
            };
            return Arrival::Over { why };
        }
        into.extend(deliveries);
        Arrival::Deliveries
    }
}

impl GroupSession for PlayedSession {
    fn done(&self, ids: Vec<Uuid>) {
        self.note(Asked::Ack(ids.len()));
        self.done.lock().unwrap().extend(ids);
    }

    fn park(&self, ids: Vec<Uuid>, reason: String) {
        self.note(Asked::Park(ids.len(), reason));
        self.done.lock().unwrap().extend(ids);
    }
}

pub(super) fn event(revision: u64) -> Event {
    Event {
        id: Uuid::from_u128(u128::from(revision) + 1),
        stream: StreamName::from(STREAM),
        revision,
        event_type: "happened".into(),
        is_json: true,
        data: Bytes::from_static(b"{}"),
        metadata: Bytes::new(),
        created: 0,
    }
}

/// A pipeline between the two, and what ends it.
pub(super) struct Stage {
    pub(super) pipeline: Pipeline<PlayedSource, PlayedDestination>,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) stop: watch::Sender<Option<Instant>>,
    _budget: watch::Sender<usize>,
}

impl Stage {
    pub(super) fn new(script: SourceScript, answering: Answering) -> Self {
        Self::with(
            script,
            answering,
            core_settings(&Replication::default(), true),
        )
    }

    pub(super) fn with(script: SourceScript, answering: Answering, settings: CoreSettings) -> Self {
        let (stop, stopping) = watch::channel(None);
        let (budget, budgeted) = watch::channel(64 * 1024 * 1024);
        let source = PlayedSource::new(script);
        let asked = source.asked.clone();
        let pipeline = Pipeline {
            key: SubscriptionKey {
                stream: StreamName::from("$ce-customer"),
                group: "ditto".into(),
            },
            settings,
            source: Arc::new(source),
            destination: Arc::new(PlayedDestination::new(answering)),
            observer: Observer::default(),
            budget: budgeted,
            stop: stopping,
        };
        Self {
            pipeline,
            asked,
            stop,
            _budget: budget,
        }
    }
}
