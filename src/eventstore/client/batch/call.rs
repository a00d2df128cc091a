//! One batch call from its first append to its end: what was sent over it and is not answered yet.
//!
//! An append whose events were stored before it was sent is told apart by its position: the server answers one that it
//! recognises with the position of the stored event (protocol §5.1.6). Events that another writer stores between the
//! last answer and the sending cannot be told apart.
//!
//! Never forgets an append: it leaves by its answer or with the call's end.

use std::collections::BTreeMap;
use std::time::Duration;

use ditto_protocol::ids::{IdForm, from_wire, to_wire};
use ditto_protocol::streams::batch_append_req::options::{DeadlineOption, ExpectedStreamPosition};
use ditto_protocol::streams::batch_append_req::{Options, ProposedMessage};
use ditto_protocol::streams::{BatchAppendReq, BatchAppendResp};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use uuid::Uuid;

use super::super::super::error::Error;
use super::super::landmark::Landmark;
use super::super::wire;
use super::answer;
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected, LogPosition};

/// An append may be overtaken by others' answers, but not for longer than this many times the allowed silence: a server
/// drops what it does not understand without a word (protocol §4.2).
const OVERDUE: u32 = 3;

#[derive(Debug)]
pub(super) struct Call {
    requests: UnboundedSender<BatchAppendReq>,
    /// Upper half of this call's correlation ids; the lower half counts.
    mark: u64,
    sent: u64,
    in_flight: BTreeMap<u64, InFlight>,
    /// The highest position in the server's log that an answer of this call named. Another call may be to a server whose
    /// log was set back, so it knows none of this.
    highest: Option<Landmark>,
    /// The last answer, or the append that ended an idle time.
    heard: Instant,
}

#[derive(Debug)]
struct InFlight {
    id: AppendId,
    since: Instant,
    /// Id of its last event.
    last: Option<Uuid>,
    /// The highest position known when it was sent.
    after: Option<LogPosition>,
}

impl Call {
    pub(super) fn new(requests: UnboundedSender<BatchAppendReq>) -> Self {
        let (mark, _) = Uuid::new_v4().as_u64_pair();
        Self {
            requests,
            mark,
            sent: 0,
            in_flight: BTreeMap::new(),
            highest: None,
            heard: Instant::now(),
        }
    }

    pub(super) fn send(&mut self, append: Append, limit: Duration) {
        let number = self.sent;
        self.sent += 1;
        let now = Instant::now();
        if self.in_flight.is_empty() {
            self.heard = now;
        }
        self.in_flight.insert(
            number,
            InFlight {
                id: append.id,
                since: now,
                last: append.events.last().map(|event| event.id),
                after: self.highest.map(|highest| highest.position),
            },
        );
        let correlation = Uuid::from_u64_pair(self.mark, number);
        // If nobody takes it, the call has ended: its end is about to be seen, and then lists this append too.
        drop(self.requests.send(request(correlation, &append, limit)));
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The append that an answer is for, and how it ended; `None` for one that nobody waits for.
    pub(super) fn answered(&mut self, answer: BatchAppendResp) -> Option<Answer<Error>> {
        let id = from_wire(answer.correlation_id.as_ref()).ok()?;
        let (mark, number) = id.as_u64_pair();
        if mark != self.mark {
            return None;
        }
        let append = self.in_flight.remove(&number)?;
        self.heard = Instant::now();
        let position = answer::position(&answer);
        if let (Some(position), Some(id)) = (position, append.last) {
            self.highest = self.highest.max(Some(Landmark { position, id }));
        }
        let outcome = match answer::outcome(answer) {
            AppendOutcome::Written(last) if position.is_some() && position <= append.after => {
                AppendOutcome::Present(last)
            }
            outcome => outcome,
        };
        Some(Answer::Appended {
            append: append.id,
            outcome,
        })
    }

    /// The highest position that an answer named, and whose it is.
    pub(super) fn highest(&self) -> Option<Landmark> {
        self.highest
    }

    /// When to give the call up unless something is answered; `None` while nothing is in flight.
    pub(super) fn deadline(&self, silence: Duration) -> Option<Instant> {
        let (_, oldest) = self.in_flight.first_key_value()?;
        Some((self.heard + silence).min(oldest.since + silence * OVERDUE))
    }

    /// The appends without an answer, in the order of sending.
    pub(super) fn end(self) -> Vec<AppendId> {
        self.in_flight
            .into_values()
            .map(|append| append.id)
            .collect()
    }
}

/// The one message that an append is.
pub(super) fn request(correlation: Uuid, append: &Append, limit: Duration) -> BatchAppendReq {
    let expected = match append.expected {
        Expected::NoStream => ExpectedStreamPosition::NoStream(()),
        Expected::Exact(revision) => ExpectedStreamPosition::StreamPosition(revision),
    };
    let limit = prost_types::Duration {
        seconds: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(limit.subsec_nanos()).unwrap_or(0),
    };
    let proposed = append.events.iter().map(|event| ProposedMessage {
        id: Some(wire::id(event)),
        metadata: wire::metadata(event),
        custom_metadata: event.metadata.clone(),
        data: event.data.clone(),
    });
    BatchAppendReq {
        correlation_id: Some(to_wire(correlation, IdForm::Structured)),
        options: Some(Options {
            stream_identifier: Some(wire::identifier(&append.stream)),
            expected_stream_position: Some(expected),
            deadline_option: Some(DeadlineOption::Deadline(limit)),
        }),
        proposed_messages: proposed.collect(),
        is_final: true,
    }
}
