//! The deletion of a stream for good (protocol §4.3, §15.5).
//!
//! Over a connection of its own, so that a call that is dropped leaves nothing under way. Never repeats itself.

use std::sync::Arc;

use ditto_core::event::StreamName;
use ditto_core::port::{Expected, LogPosition};
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::TombstoneReq;
use ditto_protocol::streams::tombstone_req::Options;
use ditto_protocol::streams::tombstone_req::options::ExpectedStreamRevision;
use ditto_protocol::streams::tombstone_resp::PositionOption;

use super::super::error::{Class, Error};
use super::landmark::Landmark;
use super::{Client, Node, StreamEnd, wire};

const ACTION: &str = "delete a stream for good";

impl Client {
    /// Deletes a stream for good, which ends with the revision that is expected.
    ///
    /// # Errors
    /// It does not end there, there is no right to delete it, it is deleted for good already, or no answer.
    pub async fn tombstone(&self, stream: &StreamName, expected: Expected) -> Result<(), Error> {
        let openings = self.openings();
        let asked = self
            .on_leader(ACTION, |node: Arc<Node>| async move {
                let mut request = node.request(request(stream, expected));
                request.set_timeout(self.settings().call_timeout);
                let answer = node.streams_apart()?.tombstone(request).await;
                answer.map_err(|status| Error::from_status(self.side(), ACTION, &status))
            })
            .await;
        let answer = match asked {
            // The error names the stream, if it is one of the stream (protocol §9, last row).
            Err(error) if *error.class() == Class::NoStatus && !stream.as_str().is_ascii() => {
                return Err(self.why_not(stream, expected, error).await);
            }
            asked => asked?,
        };
        if let Some(PositionOption::Position(at)) = answer.into_inner().position_option {
            let position = LogPosition {
                commit: at.commit_position,
                prepare: at.prepare_position,
            };
            // Its id is the server's choice. What cannot be read tells nothing of a log that is set back later.
            if let Ok(Some(record)) = self.record_at(position).await {
                let landmark = Landmark {
                    position: record.position,
                    id: record.event.id,
                };
                self.landmarks.note(Some(landmark), openings);
            }
        }
        Ok(())
    }

    /// What an error that cannot be understood means for the stream, as it ends now.
    async fn why_not(&self, stream: &StreamName, expected: Expected, error: Error) -> Error {
        let is_there = match self.stream_end(stream).await {
            Ok(StreamEnd::Tombstoned) => {
                return error.becomes(Class::Deleted, "the stream is deleted".to_owned());
            }
            Ok(StreamEnd::NoEvent) => expected == Expected::NoStream,
            Ok(StreamEnd::At(last)) => expected == Expected::Exact(last),
            Err(_) => return error,
        };
        if is_there {
            error
        } else {
            let text = "the stream is not at the expected revision";
            error.becomes(Class::WrongRevision, text.to_owned())
        }
    }
}

fn request(stream: &StreamName, expected: Expected) -> TombstoneReq {
    let expected = match expected {
        Expected::NoStream => ExpectedStreamRevision::NoStream(Empty {}),
        Expected::Exact(revision) => ExpectedStreamRevision::Revision(revision),
    };
    TombstoneReq {
        options: Some(Options {
            stream_identifier: Some(wire::identifier(stream)),
            expected_stream_revision: Some(expected),
        }),
    }
}
