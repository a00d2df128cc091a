//! Single appends, and what their failures mean. Never asserts how long something took.

use ditto_protocol::shared::Empty;
use ditto_protocol::streams::AppendResp;
use ditto_protocol::streams::append_req;
use ditto_protocol::streams::append_resp::{self, WrongExpectedVersion, wrong_expected_version};
use tonic::{Code, Status};

use super::super::super::error::{Class, Error};
use super::super::outcome_of;
use super::calls::with_trailers;
use super::fake::Fake;
use super::{client, event, soon};
use ditto_core::port::{AppendOutcome, Expected};

async fn append(
    answer: Result<AppendResp, Status>,
) -> (Result<u64, AppendOutcome>, Vec<append_req::Content>) {
    let mut fake = Fake::start();
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let serve = async {
        let call = fake.appends.recv().await.expect("an append");
        call.answer.send(answer).expect("sent");
        call.messages
            .into_iter()
            .map(|message| message.content.expect("content"))
            .collect()
    };
    let events = [event(0), event(1)];
    let stream = "$$s".into();
    let appending = client.append(&stream, Expected::Exact(4), &events);
    let (result, messages) = soon(async { tokio::join!(appending, serve) }).await;
    (result.map_err(|error| outcome_of(&error)), messages)
}

#[tokio::test]
async fn a_single_append_is_sent_and_answered() {
    let success = append_resp::Success {
        current_revision_option: Some(
            append_resp::success::CurrentRevisionOption::CurrentRevision(6),
        ),
        position_option: None,
    };
    let (result, messages) = append(Ok(AppendResp {
        result: Some(append_resp::Result::Success(success)),
    }))
    .await;
    assert_eq!(result, Ok(6));
    let [
        append_req::Content::Options(options),
        append_req::Content::ProposedMessage(message),
        _,
    ] = &messages[..]
    else {
        panic!("{messages:?}")
    };
    assert_eq!(
        options
            .stream_identifier
            .as_ref()
            .expect("stream")
            .stream_name,
        "$$s".as_bytes()
    );
    assert_eq!(message.metadata["content-type"], "application/json");
}

#[tokio::test]
async fn a_single_append_may_fail_in_many_ways() {
    let wrong = append_resp::Result::WrongExpectedVersion(WrongExpectedVersion {
        current_revision_option: Some(
            wrong_expected_version::CurrentRevisionOption::CurrentNoStream(Empty {}),
        ),
        ..Default::default()
    });
    let text = "Maximum Append Size of 1048576 Exceeded.";
    let exception = |code, name| Err(with_trailers(code, text, &[("exception", name)]));
    for (answer, outcome) in [
        (
            Ok(AppendResp {
                result: Some(wrong),
            }),
            AppendOutcome::WrongRevision,
        ),
        (
            exception(Code::InvalidArgument, "maximum-append-size-exceeded"),
            AppendOutcome::TooLarge { limit: None },
        ),
        (
            Err(with_trailers(
                Code::InvalidArgument,
                text,
                &[
                    ("exception", "maximum-append-size-exceeded"),
                    ("maximum-append-size", "1048576"),
                ],
            )),
            AppendOutcome::TooLarge {
                limit: Some(1_048_576),
            },
        ),
        (
            Err(Status::resource_exhausted("x")),
            AppendOutcome::TooLarge { limit: None },
        ),
        (
            exception(Code::PermissionDenied, "access-denied"),
            AppendOutcome::Denied,
        ),
        (
            exception(Code::FailedPrecondition, "stream-deleted"),
            AppendOutcome::Deleted,
        ),
        (
            exception(Code::InvalidArgument, "missing-required-metadata-property"),
            AppendOutcome::Refused(text.to_owned()),
        ),
        (
            Err(Status::unknown("Exception was thrown by handler.")),
            AppendOutcome::Refused("Exception was thrown by handler.".to_owned()),
        ),
        (
            Err(Status::unavailable("Server Is Not Ready")),
            AppendOutcome::NotReady,
        ),
        (
            Err(Status::unknown("No leader info available in response")),
            AppendOutcome::NotReady,
        ),
        (
            Err(Status::aborted(
                "Operation timed out: Commit phase timeout.",
            )),
            AppendOutcome::NoAnswer,
        ),
        (Err(Status::deadline_exceeded("x")), AppendOutcome::NoAnswer),
    ] {
        assert_eq!(append(answer.clone()).await.0, Err(outcome), "{answer:?}");
    }
}

#[tokio::test]
async fn group_errors_are_told_apart() {
    let error = |code, name| {
        let status = with_trailers(code, "text", &[("exception", name)]);
        Error::from_status(super::Side::Source, "join the group", &status)
    };
    for (code, name, class) in [
        (
            Code::NotFound,
            "persistent-subscription-does-not-exist",
            Class::GroupNotFound,
        ),
        (
            Code::AlreadyExists,
            "persistent-subscription-exists",
            Class::GroupExists,
        ),
        (
            Code::FailedPrecondition,
            "maximum-subscribers-reached",
            Class::GroupTaken,
        ),
        (
            Code::Cancelled,
            "persistent-subscription-dropped",
            Class::Dropped,
        ),
        (
            Code::Internal,
            "persistent-subscription-failed",
            Class::Refused,
        ),
        (Code::NotFound, "not-leader", Class::NotLeader(None)),
        (
            Code::FailedPrecondition,
            "wrong-expected-version",
            Class::WrongRevision,
        ),
        (Code::Internal, "something-new", Class::Transient),
        (
            Code::Unauthenticated,
            "something-new",
            Class::Unauthenticated,
        ),
    ] {
        let error = error(code, name);
        assert_eq!(*error.class(), class, "{name}");
        assert!(
            error
                .to_string()
                .starts_with("source: failed to join the group: "),
            "{error}"
        );
    }
}
