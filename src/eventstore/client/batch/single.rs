//! One append over a batch call of its own, whose answers are understood whatever the stream is called.
//!
//! A single call ends with HTTP 500 when its error would name a stream that is not ASCII; a batch call names it in a
//! message (protocol §9, last row). Never waits longer than the limit of any call.

use std::sync::Arc;

use ditto_protocol::ids::from_wire;
use tokio::sync::mpsc::unbounded_channel;
use tokio_stream::wrappers::UnboundedReceiverStream;
use uuid::Uuid;

use super::super::super::error::{Class, Error};
use super::super::{Client, Node};
use super::{answer, call};
use ditto_core::port::{Append, AppendOutcome};

const ACTION: &str = "append to a stream";

impl Client {
    /// Sends one append to this node over a batch call, and waits for its answer.
    ///
    /// # Errors
    /// The call failed, or ended without an answer.
    pub(in super::super) async fn append_over_batch(
        &self,
        node: &Arc<Node>,
        append: &Append,
    ) -> Result<AppendOutcome, Error> {
        let failed = |status: tonic::Status| Error::from_status(self.side(), ACTION, &status);
        let correlation = Uuid::new_v4();
        // Kept until the answer is there: what closes its half early may be left without one (protocol §4.2).
        let (requests, coming) = unbounded_channel();
        let limit = self.settings().call_timeout;
        drop(requests.send(call::request(correlation, append, limit)));
        let request = node.request(UnboundedReceiverStream::new(coming));
        let opened = node.streams().batch_append(request).await.map_err(failed)?;
        let mut answers = opened.into_inner();
        while let Some(answer) = answers.message().await.map_err(failed)? {
            if from_wire(answer.correlation_id.as_ref()).is_ok_and(|id| id == correlation) {
                return Ok(answer::outcome(answer));
            }
        }
        drop(requests);
        let text = "the server ended the call without an answer";
        Err(Error::new(self.side(), Class::Transient, ACTION, text))
    }
}
