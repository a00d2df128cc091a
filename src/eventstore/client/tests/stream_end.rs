//! Where a stream ends, as a server answers an append of no events. Never asserts how long something took.

use ditto_protocol::shared::Empty;
use ditto_protocol::streams::AppendResp;
use ditto_protocol::streams::append_req::{Content, options::ExpectedStreamRevision};
use ditto_protocol::streams::append_resp::success::CurrentRevisionOption as Written;
use ditto_protocol::streams::append_resp::wrong_expected_version::CurrentRevisionOption as Current;
use ditto_protocol::streams::append_resp::{Result as Answer, Success, WrongExpectedVersion};
use tonic::{Code, Status};

use super::super::super::error::Class;
use super::super::{NEVER_REACHED, StreamEnd};
use super::calls::with_trailers;
use super::fake::Fake;
use super::{client, soon};

#[tokio::test]
async fn end_is_what_the_refusal_of_no_events_names() {
    let wrong = |current| {
        let wrong = WrongExpectedVersion {
            current_revision_option: current,
            ..Default::default()
        };
        Ok(AppendResp {
            result: Some(Answer::WrongExpectedVersion(wrong)),
        })
    };
    let written = Success {
        current_revision_option: Some(Written::CurrentRevision(3)),
        position_option: None,
    };
    let trailers = [("exception", "stream-deleted"), ("stream-name", "s")];
    let deleted = with_trailers(Code::FailedPrecondition, "is deleted", &trailers);
    let denied = [("exception", "access-denied")];
    let denied = with_trailers(Code::PermissionDenied, "Access Denied", &denied);
    for (answer, expected) in [
        (
            wrong(Some(Current::CurrentRevision(7))),
            Ok(StreamEnd::At(7)),
        ),
        (
            wrong(Some(Current::CurrentNoStream(Empty {}))),
            Ok(StreamEnd::NoEvent),
        ),
        (Err(deleted), Ok(StreamEnd::Tombstoned)),
        (Err(denied), Err(Class::Denied)),
        (wrong(None), Err(Class::Refused)),
        (
            wrong(Some(Current::CurrentRevision(u64::MAX))),
            Err(Class::Refused),
        ),
        (
            Ok(AppendResp {
                result: Some(Answer::Success(written)),
            }),
            Err(Class::Refused),
        ),
        (Ok(AppendResp { result: None }), Err(Class::Refused)),
        (
            Err(Status::unavailable("Server Is Not Ready")),
            Err(Class::NotReady),
        ),
    ] {
        let mut fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let text = format!("{answer:?}");
        let serve = async {
            let call = fake.appends.recv().await.expect("an append");
            let [only] = &call.messages[..] else {
                panic!("it writes nothing: {:?}", call.messages)
            };
            let Some(Content::Options(options)) = &only.content else {
                panic!("{only:?}")
            };
            let expected = ExpectedStreamRevision::Revision(NEVER_REACHED);
            assert_eq!(options.expected_stream_revision, Some(expected));
            call.answer.send(answer).expect("it waits");
        };
        let stream = "s".into();
        let (end, ()) = soon(async { tokio::join!(client.stream_end(&stream), serve) }).await;
        let end = end.map_err(|error| error.class().clone());
        assert_eq!(end, expected, "{text}");
    }
}
