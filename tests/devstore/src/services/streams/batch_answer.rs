//! The answers to batch writes: codes, messages and packed details (protocol §4.2).
//!
//! Never leaves a result or a stream out that the request named: clients rely on both.

use bytes::Bytes;
use ditto_protocol::TYPE_URL_PREFIX;
use ditto_protocol::ids::stream_identifier;
use ditto_protocol::rpc;
use ditto_protocol::shared::wrong_expected_version::{
    CurrentStreamRevisionOption, ExpectedStreamPositionOption,
};
use ditto_protocol::shared::{
    AccessDenied, AllStreamPosition, BadRequest, MaximumAppendEventSizeExceeded,
    MaximumAppendSizeExceeded, StreamDeleted, StreamIdentifier, Timeout, Uuid as WireUuid,
    WrongExpectedVersion,
};
use ditto_protocol::streams::BatchAppendResp;
use ditto_protocol::streams::batch_append_resp::success::{CurrentRevisionOption, PositionOption};
use ditto_protocol::streams::batch_append_resp::{Result as Outcome, Success};
use prost::Message;
use prost_types::Any;
use tonic::Code;

use crate::limits::TooLarge;
use crate::store::{Expected, Written};

/// How a write failed.
#[derive(Debug)]
pub(super) enum Failure {
    WrongExpectedVersion {
        expected: Expected,
        current: Option<u64>,
    },
    StreamDeleted(String),
    Timeout,
    AccessDenied,
    NotReady,
    TooLarge(TooLarge),
    BadRequest(String),
}

pub(super) fn succeeded(
    correlation_id: Option<WireUuid>,
    stream_identifier: Option<StreamIdentifier>,
    written: &Written,
) -> BatchAppendResp {
    let success = Success {
        current_revision_option: Some(match written.last_revision {
            Some(revision) => CurrentRevisionOption::CurrentRevision(revision),
            None => CurrentRevisionOption::NoStream(()),
        }),
        position_option: Some(match written.position {
            Some(at) => PositionOption::Position(AllStreamPosition {
                commit_position: at,
                prepare_position: at,
            }),
            None => PositionOption::NoPosition(()),
        }),
    };
    answer(correlation_id, stream_identifier, Outcome::Success(success))
}

pub(super) fn failed(
    correlation_id: Option<WireUuid>,
    stream_identifier: Option<StreamIdentifier>,
    failure: Failure,
) -> BatchAppendResp {
    answer(
        correlation_id,
        stream_identifier,
        Outcome::Error(status(failure)),
    )
}

fn answer(
    correlation_id: Option<WireUuid>,
    stream_identifier: Option<StreamIdentifier>,
    outcome: Outcome,
) -> BatchAppendResp {
    BatchAppendResp {
        correlation_id,
        stream_identifier,
        result: Some(outcome),
        // The real server leaves it unset.
        expected_stream_position: None,
    }
}

fn status(failure: Failure) -> rpc::Status {
    let (code, name, details) = match failure {
        Failure::WrongExpectedVersion { expected, current } => (
            Code::AlreadyExists,
            "WrongExpectedVersion",
            wrong_expected(expected, current).encode_to_vec(),
        ),
        Failure::StreamDeleted(stream) => {
            let stream_identifier = Some(stream_identifier(&stream));
            (
                Code::NotFound,
                "StreamDeleted",
                StreamDeleted { stream_identifier }.encode_to_vec(),
            )
        }
        Failure::Timeout => (
            Code::DeadlineExceeded,
            "Timeout",
            Timeout {}.encode_to_vec(),
        ),
        Failure::AccessDenied => (
            Code::PermissionDenied,
            "AccessDenied",
            AccessDenied {}.encode_to_vec(),
        ),
        // Told as a success with an empty answer (protocol §14.2).
        Failure::NotReady => return not_ready(),
        Failure::TooLarge(TooLarge::Append { limit }) => {
            let max_append_size = saturated(limit);
            let details = MaximumAppendSizeExceeded { max_append_size };
            (
                Code::InvalidArgument,
                "MaximumAppendSizeExceeded",
                details.encode_to_vec(),
            )
        }
        Failure::TooLarge(TooLarge::Event { id, size, limit }) => {
            let details = MaximumAppendEventSizeExceeded {
                event_id: id.to_string(),
                proposed_event_size: saturated(size),
                max_append_event_size: saturated(limit),
            };
            (
                Code::InvalidArgument,
                "MaximumAppendEventSizeExceeded",
                details.encode_to_vec(),
            )
        }
        Failure::BadRequest(message) => (
            Code::InvalidArgument,
            "BadRequest",
            BadRequest { message }.encode_to_vec(),
        ),
    };
    rpc::Status {
        code: code.into(),
        message: name.to_owned(),
        details: Some(Any {
            type_url: format!("{TYPE_URL_PREFIX}event_store.client.{name}"),
            value: Bytes::from(details).into(),
        }),
    }
}

fn saturated(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn not_ready() -> rpc::Status {
    rpc::Status {
        code: Code::Ok.into(),
        message: "Server Is Not Ready".to_owned(),
        details: Some(Any {
            type_url: format!("{TYPE_URL_PREFIX}google.protobuf.Empty"),
            value: Vec::new(),
        }),
    }
}

fn wrong_expected(expected: Expected, current: Option<u64>) -> WrongExpectedVersion {
    WrongExpectedVersion {
        current_stream_revision_option: Some(match current {
            Some(last) => CurrentStreamRevisionOption::CurrentStreamRevision(last),
            None => CurrentStreamRevisionOption::CurrentNoStream(()),
        }),
        expected_stream_position_option: Some(match expected {
            Expected::Exact(revision) => {
                ExpectedStreamPositionOption::ExpectedStreamPosition(revision)
            }
            Expected::NoStream => ExpectedStreamPositionOption::ExpectedNoStream(()),
            Expected::Any => ExpectedStreamPositionOption::ExpectedAny(()),
            Expected::StreamExists => ExpectedStreamPositionOption::ExpectedStreamExists(()),
        }),
    }
}
