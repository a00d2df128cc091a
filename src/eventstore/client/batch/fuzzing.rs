//! What tests/fuzz calls of a batch call: one call whose answers somebody makes up.
//!
//! Only with the Cargo feature `fuzzing`. Never connects.

use std::time::Duration;

use ditto_protocol::ids::{IdForm, to_wire};
use ditto_protocol::shared::Uuid as WireUuid;
use ditto_protocol::streams::{BatchAppendReq, BatchAppendResp};
use prost::Message as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use uuid::Uuid;

use super::call::Call;
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected};

const LIMIT: Duration = Duration::from_secs(10);

/// A call and what was sent over it.
#[derive(Debug)]
pub struct PlayedCall {
    call: Call,
    sent: UnboundedReceiver<BatchAppendReq>,
    ids: Vec<Option<WireUuid>>,
}

impl Default for PlayedCall {
    fn default() -> Self {
        let (requests, sent) = unbounded_channel();
        Self {
            call: Call::new(requests),
            sent,
            ids: Vec::new(),
        }
    }
}

impl PlayedCall {
    /// Sends an append; its id is its number.
    pub fn send(&mut self) {
        let append = Append {
            id: AppendId(self.ids.len() as u64),
            stream: "s".into(),
            expected: Expected::NoStream,
            events: Vec::new(),
            alone: false,
        };
        self.call.send(append, LIMIT);
        let request = self.sent.try_recv().ok();
        self.ids
            .push(request.and_then(|request| request.correlation_id));
    }

    /// Appends without an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.call.in_flight()
    }

    /// Answers with these bytes, the id in it replaced by that of an append that was sent, or by a foreign one. Which
    /// append it is and the outcome, if the call takes it.
    pub fn answer(&mut self, number: usize, answer: &[u8]) -> Option<(AppendId, AppendOutcome)> {
        let mut answer = BatchAppendResp::decode(answer).ok()?;
        if let Some(id) = self.ids.get(number) {
            answer.correlation_id.clone_from(id);
        } else if number.is_multiple_of(2) {
            answer.correlation_id = Some(to_wire(Uuid::from_u64_pair(1, 0), IdForm::Text));
        }
        match self.call.answered(answer)? {
            Answer::Appended { append, outcome } => Some((append, outcome)),
            Answer::CallEnded { .. } => None,
        }
    }

    /// The appends without an answer.
    #[must_use]
    pub fn end(self) -> Vec<AppendId> {
        self.call.end()
    }
}
