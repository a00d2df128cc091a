//! What one answer of a batch call says (protocol §4.2, "In-band error codes").
//!
//! Read by the type of its details, by its code where there is none, never by its text.

use ditto_protocol::rpc::Status;
use ditto_protocol::shared;
use ditto_protocol::streams::BatchAppendResp;
use ditto_protocol::streams::batch_append_resp::Result as Answer;
use ditto_protocol::streams::batch_append_resp::success::{CurrentRevisionOption, PositionOption};
use prost::Message;

use super::super::wire;
use ditto_core::port::{AppendOutcome, LogPosition};

/// The outcome that an answer stands for.
pub(super) fn outcome(answer: BatchAppendResp) -> AppendOutcome {
    match answer.result {
        Some(Answer::Success(success)) => match success.current_revision_option {
            Some(CurrentRevisionOption::CurrentRevision(revision)) => {
                AppendOutcome::Written(revision)
            }
            _ => AppendOutcome::Refused(
                "the server calls it a success without a revision".to_owned(),
            ),
        },
        Some(Answer::Error(status)) => refusal(status),
        None => AppendOutcome::NoAnswer,
    }
}

/// Where the server's log holds the last event of an append that succeeded; `None`: the answer does not say.
pub(super) fn position(answer: &BatchAppendResp) -> Option<LogPosition> {
    match &answer.result {
        Some(Answer::Success(success)) => match &success.position_option {
            Some(PositionOption::Position(position)) => Some(LogPosition {
                commit: wire::number(position.commit_position)?,
                prepare: wire::number(position.prepare_position)?,
            }),
            _ => None,
        },
        _ => None,
    }
}

fn refusal(status: Status) -> AppendOutcome {
    // "Server Is Not Ready" comes as an error of code 0.
    if status.code == 0 {
        return AppendOutcome::NotReady;
    }
    let details = status.details.unwrap_or_default();
    match details.type_url.rsplit('/').next().unwrap_or_default() {
        "event_store.client.WrongExpectedVersion" => AppendOutcome::WrongRevision,
        "event_store.client.StreamDeleted" => AppendOutcome::Deleted,
        "event_store.client.AccessDenied" => AppendOutcome::Denied,
        "event_store.client.MaximumAppendSizeExceeded" => AppendOutcome::TooLarge {
            limit: shared::MaximumAppendSizeExceeded::decode(&details.value[..])
                .ok()
                .and_then(|exceeded| usize::try_from(exceeded.max_append_size).ok())
                .filter(|limit| *limit > 0),
        },
        "event_store.client.MaximumAppendEventSizeExceeded" => {
            AppendOutcome::TooLarge { limit: None }
        }
        "event_store.client.Timeout" | "event_store.client.Unknown" => AppendOutcome::NoAnswer,
        "event_store.client.BadRequest" => {
            let text = shared::BadRequest::decode(&details.value[..])
                .map(|bad| bad.message)
                .unwrap_or_default();
            AppendOutcome::Refused(if text.is_empty() {
                status.message
            } else {
                text
            })
        }
        "event_store.client.InvalidTransaction" => AppendOutcome::Refused(status.message),
        _ => by_code(status.code, status.message),
    }
}

fn by_code(code: i32, message: String) -> AppendOutcome {
    match tonic::Code::from(code) {
        tonic::Code::AlreadyExists => AppendOutcome::WrongRevision,
        tonic::Code::NotFound => AppendOutcome::Deleted,
        tonic::Code::PermissionDenied | tonic::Code::Unauthenticated => AppendOutcome::Denied,
        tonic::Code::Unavailable => AppendOutcome::NotReady,
        tonic::Code::InvalidArgument
        | tonic::Code::FailedPrecondition
        | tonic::Code::OutOfRange => AppendOutcome::Refused(message),
        tonic::Code::ResourceExhausted => AppendOutcome::TooLarge { limit: None },
        _ => AppendOutcome::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ditto_protocol::streams::batch_append_resp::Success;

    fn error(code: i32, message: &str, kind: &str, value: Vec<u8>) -> Answer {
        let details = (!kind.is_empty()).then(|| prost_types::Any {
            type_url: format!("{}{kind}", ditto_protocol::TYPE_URL_PREFIX),
            value,
        });
        Answer::Error(Status {
            code,
            message: message.to_owned(),
            details,
        })
    }

    fn check(result: Answer, expected: AppendOutcome) {
        let answer = BatchAppendResp {
            result: Some(result),
            ..Default::default()
        };
        assert_eq!(outcome(answer.clone()), expected, "{answer:?}");
    }

    #[test]
    fn a_success_carries_its_revision() {
        for revision in [0, 41] {
            let option = Some(CurrentRevisionOption::CurrentRevision(revision));
            let success = Success {
                current_revision_option: option,
                position_option: None,
            };
            check(Answer::Success(success), AppendOutcome::Written(revision));
        }
        let text = "the server calls it a success without a revision".to_owned();
        check(
            Answer::Success(Success::default()),
            AppendOutcome::Refused(text),
        );
    }

    #[test]
    fn a_failure_is_read_by_its_type_and_then_by_its_code() {
        let refused = |text: &str| AppendOutcome::Refused(text.to_owned());
        for (code, kind, expected) in [
            (0, "google.protobuf.Empty", AppendOutcome::NotReady),
            (
                6,
                "event_store.client.WrongExpectedVersion",
                AppendOutcome::WrongRevision,
            ),
            (6, "", AppendOutcome::WrongRevision),
            (
                5,
                "event_store.client.StreamDeleted",
                AppendOutcome::Deleted,
            ),
            (7, "event_store.client.AccessDenied", AppendOutcome::Denied),
            (
                3,
                "event_store.client.MaximumAppendSizeExceeded",
                AppendOutcome::TooLarge { limit: None },
            ),
            (3, "event_store.client.BadRequest", refused("text")),
            (9, "event_store.client.InvalidTransaction", refused("text")),
            (4, "event_store.client.Timeout", AppendOutcome::NoAnswer),
            (2, "event_store.client.Unknown", AppendOutcome::NoAnswer),
            (13, "google.protobuf.Empty", AppendOutcome::NoAnswer),
            (14, "", AppendOutcome::NotReady),
        ] {
            check(error(code, "text", kind, vec![]), expected);
        }
        let exceeded = shared::MaximumAppendSizeExceeded {
            max_append_size: 1_048_576,
        }
        .encode_to_vec();
        check(
            error(
                3,
                "text",
                "event_store.client.MaximumAppendSizeExceeded",
                exceeded,
            ),
            AppendOutcome::TooLarge {
                limit: Some(1_048_576),
            },
        );
        let bad = shared::BadRequest {
            message: "no type".to_owned(),
        }
        .encode_to_vec();
        check(
            error(3, "text", "event_store.client.BadRequest", bad),
            refused("no type"),
        );
        check(
            error(3, "text", "event_store.client.BadRequest", vec![255]),
            refused("text"),
        );
        assert_eq!(outcome(BatchAppendResp::default()), AppendOutcome::NoAnswer);
    }
}
