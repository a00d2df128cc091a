//! A destination in memory that answers as it is told. Holds no test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::destination::{Appends, Destination};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{
    Answer, Append, AppendOutcome, CallEnd, Expected, LookupRange, LookupResult, MetadataOutcome,
    Rights,
};

/// What a played destination does with appends and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    /// Answers everything.
    Well,
    /// Ends every call, and answers no read.
    Away,
    /// Takes appends and never says a word; reads are answered.
    Silent,
}

/// `$maxAge` and `$tb`.
type Metadata = (Option<Duration>, Option<u64>);

pub(super) struct PlayedDestination {
    answering: Answering,
    streams: Arc<Mutex<HashMap<StreamName, Vec<Event>>>>,
    metadata: Mutex<HashMap<StreamName, Metadata>>,
}

pub(super) struct PlayedAppends {
    answering: Answering,
    streams: Arc<Mutex<HashMap<StreamName, Vec<Event>>>>,
    sender: mpsc::UnboundedSender<Answer>,
    answers: mpsc::UnboundedReceiver<Answer>,
}

impl PlayedDestination {
    pub(super) fn new(answering: Answering) -> Self {
        Self {
            answering,
            streams: Arc::default(),
            metadata: Mutex::default(),
        }
    }

    fn is_away(&self) -> bool {
        self.answering == Answering::Away
    }

    fn events(&self, stream: &StreamName) -> Vec<Event> {
        let streams = self.streams.lock().unwrap();
        streams.get(stream).cloned().unwrap_or_default()
    }
}

impl Destination for PlayedDestination {
    type Appends = PlayedAppends;

    fn appends(&self) -> PlayedAppends {
        let (sender, answers) = mpsc::unbounded_channel();
        PlayedAppends {
            answering: self.answering,
            streams: self.streams.clone(),
            sender,
            answers,
        }
    }

    async fn lookup(&self, stream: StreamName, range: LookupRange, _: usize) -> LookupResult {
        let mut events = self.events(&stream);
        let Some(last) = events.len().checked_sub(1) else {
            return match range {
                _ if self.is_away() => LookupResult::Failed,
                LookupRange::Metadata => LookupResult::NotDeleted,
                _ => LookupResult::NotFound,
            };
        };
        let (from, to) = match range {
            LookupRange::Metadata => return LookupResult::NotDeleted,
            LookupRange::Forwards { from, count } => (from, from + u64::from(count)),
            LookupRange::Backwards { from, count } => {
                let to = from.unwrap_or(last as u64) + 1;
                (to.saturating_sub(count.into()), to)
            }
        };
        events.retain(|event| (from..to).contains(&event.revision));
        LookupResult::Tail {
            last: last as u64,
            events,
            truncate_before: None,
            copied: None,
        }
    }

    async fn recognise(&self, stream: StreamName, event: Event) -> LookupResult {
        match self.events(&stream).get(at(event.revision)) {
            _ if self.is_away() => LookupResult::Failed,
            Some(there) if there.id == event.id => LookupResult::Recognised,
            _ => LookupResult::Foreign,
        }
    }

    async fn rights(&self, _: StreamName) -> Rights {
        match self.answering {
            Answering::Well => Rights::Allowed,
            Answering::Away | Answering::Silent => Rights::Unknown,
        }
    }

    async fn write_metadata(
        &self,
        stream: StreamName,
        max_age: Option<Duration>,
        truncate_before: Option<u64>,
    ) -> MetadataOutcome {
        let wanted = (max_age, truncate_before);
        let mut metadata = self.metadata.lock().unwrap();
        if *metadata.entry(stream).or_insert(wanted) == wanted {
            MetadataOutcome::Written
        } else {
            MetadataOutcome::Exists
        }
    }

    async fn probe(&self) -> Result<(), String> {
        if self.is_away() {
            return Err("away".to_owned());
        }
        Ok(())
    }
}

impl Appends for PlayedAppends {
    fn send(&mut self, append: Append) {
        let answer = match self.answering {
            Answering::Well => Answer::Appended {
                append: append.id,
                outcome: self.written(append),
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

impl PlayedAppends {
    /// Stored at the tail, recognised before it, else wrong.
    fn written(&self, append: Append) -> AppendOutcome {
        let mut streams = self.streams.lock().unwrap();
        let stream = streams.entry(append.stream).or_default();
        let first = match append.expected {
            Expected::NoStream => 0,
            Expected::Exact(revision) => at(revision + 1),
        };
        let end = first + append.events.len();
        if first == stream.len() {
            stream.extend(append.events);
        } else if !stream.get(first..end).is_some_and(|there| {
            let mut pairs = there.iter().zip(&append.events);
            pairs.all(|(there, event)| there.id == event.id)
        }) {
            return AppendOutcome::WrongRevision;
        }
        AppendOutcome::Written(end as u64 - 1)
    }
}

fn at(revision: u64) -> usize {
    usize::try_from(revision).unwrap()
}
