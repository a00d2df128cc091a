//! Where a stream ends, whatever can be read of it: asked by an append of no events (protocol §15.2).
//!
//! Never writes: no stream is ever at the revision that the append expects.

use std::sync::Arc;

use ditto_core::event::StreamName;
use ditto_protocol::streams::append_resp::Result as Answer;
use ditto_protocol::streams::append_resp::wrong_expected_version::CurrentRevisionOption;

use super::super::error::{Class, Error};
use super::append::messages;
use super::{Client, Node, wire};
use ditto_core::port::Expected;

const ACTION: &str = "ask where a stream ends";

/// No stream is ever at this revision: an append that expects it is judged and refused (protocol §15.2).
pub const NEVER_REACHED: u64 = i64::MAX as u64 - 1;

/// Where a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// It never had an event.
    NoEvent,
    /// Its last event has this revision, be it deleted, truncated or scavenged.
    At(u64),
    /// It is tombstoned.
    Tombstoned,
}

impl Client {
    /// Asks the leader where a stream ends. It needs the right to write the stream.
    ///
    /// # Errors
    /// [`Class::Denied`] without that right; no answer.
    pub async fn stream_end(&self, stream: &StreamName) -> Result<StreamEnd, Error> {
        let asked = self
            .on_leader(ACTION, |node: Arc<Node>| async move {
                let expected = Expected::Exact(NEVER_REACHED);
                let messages = tokio_stream::iter(messages(stream, expected, &[]));
                let mut request = node.request(messages);
                request.set_timeout(self.settings().call_timeout);
                let answer = node.streams().append(request).await;
                answer.map_err(|status| Error::from_status(self.side(), ACTION, &status))
            })
            .await;
        let error = match asked {
            Ok(answer) => return self.end_of(answer.into_inner().result),
            Err(error) => error,
        };
        match error.class() {
            Class::Deleted => Ok(StreamEnd::Tombstoned),
            // The error names the stream, if it is one of the stream: asked in a batch, the answer can be understood
            // (protocol §9, last row).
            Class::NoStatus if !stream.as_str().is_ascii() => {
                match self
                    .append(stream, Expected::Exact(NEVER_REACHED), &[])
                    .await
                {
                    Err(told) if *told.class() == Class::Deleted => Ok(StreamEnd::Tombstoned),
                    _ => Err(error),
                }
            }
            _ => Err(error),
        }
    }

    fn end_of(&self, answer: Option<Answer>) -> Result<StreamEnd, Error> {
        let refused = |text: &str| Err(Error::new(self.side(), Class::Refused, ACTION, text));
        match answer {
            Some(Answer::WrongExpectedVersion(wrong)) => match wrong.current_revision_option {
                Some(CurrentRevisionOption::CurrentRevision(revision)) => {
                    match wire::number(revision) {
                        Some(revision) => Ok(StreamEnd::At(revision)),
                        None => refused("the server named a revision that no event has"),
                    }
                }
                Some(CurrentRevisionOption::CurrentNoStream(_)) => Ok(StreamEnd::NoEvent),
                None => refused("the server did not say where the stream ends"),
            },
            Some(Answer::Success(_)) => refused("the server took an append of no events"),
            None => refused("the server's answer is empty"),
        }
    }
}
