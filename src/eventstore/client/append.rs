//! The write of one append by itself (protocol §4.1), and what its failure means for that append.
//!
//! Never expects "any": it is not idempotent across a restart (protocol §5.1.3).

use std::sync::Arc;

use ditto_protocol::shared::Empty;
use ditto_protocol::streams::append_req::options::ExpectedStreamRevision;
use ditto_protocol::streams::append_req::{Content, Options, ProposedMessage};
use ditto_protocol::streams::append_resp::success::CurrentRevisionOption;
use ditto_protocol::streams::append_resp::{
    Result as Answer, WrongExpectedVersion, wrong_expected_version as wrong,
};
use ditto_protocol::streams::{AppendReq, AppendResp};

use super::super::error::{Class, Error};
use super::{Client, Node, wire};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{Append, AppendId, AppendOutcome, CallEnd, Expected};

const ACTION: &str = "append to a stream";

/// What an error of a single append means for that append.
#[must_use]
pub fn outcome_of(error: &Error) -> AppendOutcome {
    match error.class() {
        Class::WrongRevision => AppendOutcome::WrongRevision,
        Class::TooLarge => AppendOutcome::TooLarge {
            limit: error.append_limit(),
        },
        Class::Denied | Class::Unauthenticated => AppendOutcome::Denied,
        Class::Deleted => AppendOutcome::Deleted,
        Class::NotReady | Class::NotLeader(_) | Class::Configuration => AppendOutcome::NotReady,
        Class::Refused | Class::Unsupported => AppendOutcome::Refused(error.detail().to_owned()),
        _ => AppendOutcome::NoAnswer,
    }
}

impl From<Error> for CallEnd {
    fn from(error: Error) -> Self {
        Self {
            silent: *error.class() == Class::Timeout,
            why: error.with_hint(),
            said: error.detail().to_owned(),
        }
    }
}

impl Client {
    /// As [`Client::append`]; a failure is told as what it means for the append.
    pub async fn append_outcome(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: &[Event],
    ) -> AppendOutcome {
        let answer = self.append(stream, expected, events).await;
        answer.map_or_else(|error| outcome_of(&error), AppendOutcome::Written)
    }

    /// Writes one append by a call of its own, and returns the revision of its last event. For metadata, and for what
    /// must not share a call with others. If the stream's name is not ASCII, the call is a batch call of this one append:
    /// errors of a single one could not be understood (protocol §9, last row).
    ///
    /// # Errors
    /// Everything but success: [`outcome_of`] says what it means for the append.
    pub async fn append(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: &[Event],
    ) -> Result<u64, Error> {
        if !stream.as_str().is_ascii() {
            return self.append_by_batch(stream, expected, events).await;
        }
        let answer = self
            .on_leader(ACTION, |node: Arc<Node>| async move {
                let messages = tokio_stream::iter(messages(stream, expected, events));
                let mut request = node.request(messages);
                request.set_timeout(self.settings().call_timeout);
                let answer = node.streams().append(request).await;
                answer.map_err(|status| Error::from_status(self.side(), ACTION, &status))
            })
            .await?;
        self.revision(answer.into_inner())
    }

    async fn append_by_batch(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: &[Event],
    ) -> Result<u64, Error> {
        let append = Append {
            id: AppendId(0),
            stream: stream.clone(),
            expected,
            events: events.to_vec(),
            alone: true,
        };
        let append = &append;
        self.on_leader(ACTION, |node: Arc<Node>| async move {
            let outcome = self.append_over_batch(&node, append).await?;
            self.written(outcome)
        })
        .await
    }

    fn written(&self, outcome: AppendOutcome) -> Result<u64, Error> {
        let failed = |class, text: &str| Err(Error::new(self.side(), class, ACTION, text));
        match outcome {
            AppendOutcome::Written(revision) | AppendOutcome::Present(revision) => Ok(revision),
            AppendOutcome::WrongRevision => failed(
                Class::WrongRevision,
                "the stream is not at the expected revision",
            ),
            AppendOutcome::TooLarge { limit } => Err(Error::too_large(
                self.side(),
                ACTION,
                "the append is larger than the server accepts",
                limit,
            )),
            AppendOutcome::Denied => failed(Class::Denied, "Access Denied"),
            AppendOutcome::Deleted => failed(Class::Deleted, "the stream is deleted"),
            AppendOutcome::Refused(text) => failed(Class::Refused, &text),
            AppendOutcome::NotReady => failed(Class::NotReady, "the server is not ready"),
            AppendOutcome::NoAnswer => failed(Class::Transient, "the server does not know"),
        }
    }

    pub(super) fn revision(&self, answer: AppendResp) -> Result<u64, Error> {
        let refused = |text: &str| Error::new(self.side(), Class::Refused, ACTION, text);
        match answer.result {
            Some(Answer::Success(success)) => match success.current_revision_option {
                Some(CurrentRevisionOption::CurrentRevision(revision)) => Ok(revision),
                _ => Err(refused("the server calls it a success without a revision")),
            },
            Some(Answer::WrongExpectedVersion(wrong)) => Err(Error::new(
                self.side(),
                Class::WrongRevision,
                ACTION,
                wrong_text(&wrong),
            )),
            None => Err(refused("the server's answer is empty")),
        }
    }
}

pub(super) fn messages(
    stream: &StreamName,
    expected: Expected,
    events: &[Event],
) -> Vec<AppendReq> {
    let expected = match expected {
        Expected::NoStream => ExpectedStreamRevision::NoStream(Empty {}),
        Expected::Exact(revision) => ExpectedStreamRevision::Revision(revision),
    };
    let options = Content::Options(Options {
        stream_identifier: Some(wire::identifier(stream)),
        expected_stream_revision: Some(expected),
    });
    let proposed = events.iter().map(|event| {
        Content::ProposedMessage(ProposedMessage {
            id: Some(wire::id(event)),
            metadata: wire::metadata(event),
            custom_metadata: event.metadata.clone(),
            data: event.data.clone(),
        })
    });
    std::iter::once(options)
        .chain(proposed)
        .map(|content| AppendReq {
            content: Some(content),
        })
        .collect()
}

fn wrong_text(answer: &WrongExpectedVersion) -> String {
    match answer.current_revision_option {
        Some(wrong::CurrentRevisionOption::CurrentRevision(revision)) => {
            format!("the stream is at revision {revision}")
        }
        _ => "the stream holds no event".to_owned(),
    }
}
