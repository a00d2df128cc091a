//! A source and a destination that do as they are told. Hold no test.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::settings::{Replication, SubscriptionKey};
use crate::destination::{Appends, Destination};
use crate::pipeline::replicate::{Pipeline, core_settings};
use crate::report::Observer;
use crate::source::persistent::{Delivered, Joined, Parking, Persistent, Refusal};
use crate::source::{Arrival, Session, Source};
use ditto_core::event::{Event, Item, StreamName};
use ditto_core::port::{
    Answer, Append, AppendOutcome, CallEnd, CoreSettings, GroupSeen, JoinRefusal, LinkPage,
    LogPage, LogPosition, LookupRange, LookupResult, MetadataOutcome, ParkedPage, ReadFrom, Rights,
    SourcePage,
};

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

pub(super) struct PlayedSource {
    pub(super) script: SourceScript,
    pub(super) asked: Arc<Mutex<Vec<Asked>>>,
}

pub(super) struct PlayedSession {
    deliveries: Mutex<VecDeque<Delivered>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    left: Notify,
}

impl PlayedSource {
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
        let deliveries = (0..self.script.deliveries)
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
            left: Notify::new(),
        };
        Ok(Joined {
            session,
            seen: self.seen(),
            warnings: Vec::new(),
        })
    }

    async fn read_stream(&self, _: StreamName, from: ReadFrom, count: u32, _: usize) -> SourcePage {
        let ReadFrom::Revision(from) = from else {
            return SourcePage::NotFound;
        };
        let end = (from + u64::from(count)).min(self.script.gap + self.script.deliveries);
        let events: Vec<Event> = (from..end).map(event).collect();
        tokio::time::sleep(self.script.read_pace * u32::try_from(events.len()).unwrap()).await;
        SourcePage::Events {
            events,
            last: self.script.gap + self.script.deliveries - 1,
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
    type Id = Uuid;

    fn poll(&self, on: bool) {
        self.note(Asked::Poll(on));
    }

    fn done(&self, ids: Vec<Uuid>) {
        self.note(Asked::Ack(ids.len()));
    }

    fn leave(&self) {
        self.note(Asked::Leave);
        self.left.notify_one();
    }

    async fn next(&mut self, into: &mut VecDeque<Delivered>) -> Arrival {
        let deliveries = std::mem::take(&mut *self.deliveries.lock().unwrap());
        if deliveries.is_empty() {
            self.left.notified().await;
            return Arrival::Over { why: None };
        }
        into.extend(deliveries);
        Arrival::Deliveries
    }
}

impl Parking for PlayedSession {
    fn park(&self, ids: Vec<Uuid>, reason: String) {
        self.note(Asked::Park(ids.len(), reason));
    }
}

/// What a played destination does with appends and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    /// Writes everything.
    Well,
    /// Ends every call, and answers no read.
    Away,
    /// Takes appends and never says a word; reads are answered.
    Silent,
}

pub(super) struct PlayedDestination(pub(super) Answering);

pub(super) struct PlayedAppends {
    answering: Answering,
    sender: mpsc::UnboundedSender<Answer>,
    answers: mpsc::UnboundedReceiver<Answer>,
}

impl Destination for PlayedDestination {
    type Appends = PlayedAppends;

    fn appends(&self) -> PlayedAppends {
        let (sender, answers) = mpsc::unbounded_channel();
        PlayedAppends {
            answering: self.0,
            sender,
            answers,
        }
    }

    async fn lookup(&self, _: StreamName, _: LookupRange, _: usize) -> LookupResult {
        match self.0 {
            Answering::Away => LookupResult::Failed,
            Answering::Well | Answering::Silent => LookupResult::NotFound,
        }
    }

    async fn recognise(&self, _: StreamName, _: Event) -> LookupResult {
        LookupResult::Failed
    }

    async fn rights(&self, _: StreamName) -> Rights {
        Rights::Unknown
    }

    async fn write_metadata(
        &self,
        _: StreamName,
        _: Option<Duration>,
        _: Option<u64>,
    ) -> MetadataOutcome {
        MetadataOutcome::Written
    }

    async fn probe(&self) -> Result<(), String> {
        match self.0 {
            Answering::Away => Err("away".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Appends for PlayedAppends {
    fn send(&mut self, append: Append) {
        let answer = match self.answering {
            Answering::Well => Answer::Appended {
                append: append.id,
                outcome: AppendOutcome::Written(append.events.last().unwrap().revision),
            },
            Answering::Away => Answer::CallEnded {
                lane: 0,
                unanswered: vec![append.id],
                why: CallEnd {
                    silent: false,
                    why: "connection refused".to_owned(),
                    said: "connection refused".to_owned(),
                },
            },
            Answering::Silent => return,
        };
        self.sender.send(answer).unwrap();
    }

    async fn answers(&mut self, into: &mut Vec<Answer>) {
        into.extend(self.answers.recv().await);
    }
}

pub(super) fn event(revision: u64) -> Event {
    Event {
        id: Uuid::from_u128(u128::from(revision) + 1),
        stream: StreamName::from("customer-1"),
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
        let asked = Arc::new(Mutex::new(Vec::new()));
        let pipeline = Pipeline {
            key: SubscriptionKey {
                stream: StreamName::from("$ce-customer"),
                group: "ditto".into(),
            },
            settings,
            source: Arc::new(PlayedSource {
                script,
                asked: asked.clone(),
            }),
            destination: Arc::new(PlayedDestination(answering)),
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
