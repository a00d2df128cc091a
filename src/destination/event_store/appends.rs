//! A pipeline's appends: many at once over a few long calls.
//!
//! Never repeats an append by itself; the pipeline says what is sent again.

use futures_util::FutureExt;

use crate::destination::{Answer, Append, Appends};
use crate::eventstore::Class;
use crate::eventstore::client::{
    AppendOutcome as Answered, BatchAppend, BatchAppender, BatchEvent, BatchOptions, Client,
    Expected as Expectation,
};
use ditto_core::port::{AppendId, AppendOutcome, Expected};

/// A call's window is 768 KiB at the server (protocol §10): over a long line one call is not enough. Each is opened
/// when the first stream needs it.
const CALLS: usize = 4;

/// Answers taken at once, so that deliveries get their turn.
const MOST_ANSWERS: usize = 1_024;

/// The calls of one pipeline.
#[derive(Debug)]
pub struct EventStoreAppends {
    batch: BatchAppender,
}

impl EventStoreAppends {
    pub(super) fn new(client: &Client) -> Self {
        let options = BatchOptions {
            lanes: CALLS,
            ..BatchOptions::default()
        };
        Self {
            batch: BatchAppender::new(client, options),
        }
    }
}

impl Appends for EventStoreAppends {
    fn send(&mut self, append: Append) {
        self.batch.submit(BatchAppend {
            tag: append.id.0,
            stream: append.stream,
            expected: match append.expected {
                Expected::NoStream => Expectation::NoStream,
                Expected::Exact(revision) => Expectation::Exact(revision),
            },
            events: append.events,
            alone: append.alone,
        });
    }

    async fn answers(&mut self, into: &mut Vec<Answer>) {
        into.push(answer(self.batch.next().await));
        while into.len() < MOST_ANSWERS {
            match self.batch.next().now_or_never() {
                Some(event) => into.push(answer(event)),
                None => break,
            }
        }
    }
}

fn answer(event: BatchEvent) -> Answer {
    match event {
        BatchEvent::Answered { tag, outcome } => Answer::Appended {
            append: AppendId(tag),
            outcome: self::outcome(outcome),
        },
        BatchEvent::CallEnded {
            lane,
            unanswered,
            why,
        } => Answer::CallEnded {
            lane: u32::try_from(lane).unwrap_or(u32::MAX),
            unanswered: unanswered.into_iter().map(AppendId).collect(),
            silent: *why.class() == Class::Timeout,
            why: why.with_hint(),
            said: why.detail().to_owned(),
        },
    }
}

fn outcome(answered: Answered) -> AppendOutcome {
    match answered {
        Answered::Written(last) => AppendOutcome::Written(last),
        Answered::WrongRevision => AppendOutcome::WrongRevision,
        Answered::TooLarge { limit } => AppendOutcome::TooLarge { limit },
        Answered::Denied => AppendOutcome::Denied,
        Answered::Deleted => AppendOutcome::Deleted,
        Answered::Refused(text) => AppendOutcome::Refused(text),
        Answered::NotReady => AppendOutcome::NotReady,
        Answered::NoAnswer => AppendOutcome::NoAnswer,
    }
}
