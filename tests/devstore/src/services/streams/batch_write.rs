//! One write of a batch append, from its turn to its answer (protocol §4.2).
//!
//! Never sends the answer; when that goes out is the session's to decide.

use std::sync::Arc;

use ditto_protocol::ids::stream_identifier;
use ditto_protocol::shared::{StreamIdentifier, Uuid as WireUuid};
use ditto_protocol::streams::BatchAppendResp;

use super::batch::CALL;
use super::batch_answer::{self, Failure};
use super::writer::{Write, store, write};
use crate::faults::FaultKind;
use crate::node::Node;
use crate::store::{Expected, Refused, Written};

/// A write that was done, and what is to be done with its answer.
pub(super) struct Done {
    pub(super) correlation: Option<WireUuid>,
    pub(super) answer: BatchAppendResp,
    pub(super) fault: Option<FaultKind>,
}

pub(super) async fn write_later(
    node: Arc<Node>,
    correlation: Option<WireUuid>,
    this: Write,
    fault: Option<FaultKind>,
) -> Done {
    let about = About::new(&this);
    let outcome = write(&node, CALL, this).await;
    about.done(correlation, outcome, fault)
}

pub(super) fn write_now(
    node: &Node,
    correlation: Option<WireUuid>,
    this: Write,
    fault: Option<FaultKind>,
) -> Done {
    let about = About::new(&this);
    let outcome = store(node, this);
    about.done(correlation, outcome, fault)
}

/// What an answer says of its write.
struct About {
    identifier: StreamIdentifier,
    stream: String,
    expected: Expected,
}

impl About {
    fn new(write: &Write) -> Self {
        Self {
            identifier: stream_identifier(&write.stream),
            stream: write.stream.clone(),
            expected: write.expected,
        }
    }

    fn done(
        self,
        correlation: Option<WireUuid>,
        outcome: Result<Written, Refused>,
        fault: Option<FaultKind>,
    ) -> Done {
        let identifier = Some(self.identifier);
        let expected = self.expected;
        let answer = match outcome {
            Ok(written) => batch_answer::succeeded(correlation.clone(), identifier, &written),
            Err(Refused::WrongExpectedVersion { current }) => {
                let failure = Failure::WrongExpectedVersion { expected, current };
                batch_answer::failed(correlation.clone(), identifier, failure)
            }
            Err(Refused::StreamDeleted) => batch_answer::failed(
                correlation.clone(),
                identifier,
                Failure::StreamDeleted(self.stream),
            ),
        };
        Done {
            correlation,
            answer,
            fault,
        }
    }
}
