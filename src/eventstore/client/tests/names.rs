//! Names that are not ASCII, of which errors come as HTTP 500 without a gRPC status (protocol §9, last row).
//!
//! Never asserts how long something took.

use ditto_protocol::rpc::Status;
use ditto_protocol::streams::batch_append_resp::Result as Answer;
use ditto_protocol::streams::{BatchAppendReq, BatchAppendResp};

use super::super::super::error::Class;
use super::super::ReadStream;
use super::batch::written;
use super::fake::Fake;
use super::script::{missing, played};
use super::{client, event, soon};
use ditto_core::port::{AppendOutcome, Expected};

#[tokio::test]
async fn http_500_for_one_name_is_about_that_stream() {
    let mut fake = Fake::start();
    fake.fail_without_status(&["uma-größe"]);
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let script = [("ditto-probe", missing())];
    let read = client.read_stream(ReadStream::newest("uma-größe".into()));
    let error = played(&mut fake, &script, read)
        .await
        .expect_err("it cannot be read");
    assert_eq!(*error.class(), Class::Unreadable, "{error}");
    assert!(!error.is_transient());
    assert_eq!(
        fake.asked("features"),
        1,
        "the node is still the one to ask"
    );
    let probe = played(&mut fake, &script, client.probe()).await;
    assert_eq!((probe, fake.asked("features")), (Ok(()), 1));
}

#[tokio::test]
async fn http_500_for_every_name_is_about_the_server() {
    let mut fake = Fake::start();
    fake.fail_without_status(&["uma-größe", "ditto-probe"]);
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let read = client.read_stream(ReadStream::newest("uma-größe".into()));
    let error = played(&mut fake, &[], read).await.expect_err("no answer");
    assert_eq!(*error.class(), Class::NoStatus, "{error}");
    assert!(error.is_transient());
}

/// Answers one batch append, and shows it.
pub(crate) async fn answer_batch(
    fake: &mut Fake,
    answer: impl Fn(&BatchAppendReq) -> BatchAppendResp,
) -> BatchAppendReq {
    let mut call = fake.batches.recv().await.expect("a batch call");
    let request = call.requests.message().await.expect("no error");
    let request = request.expect("an append");
    call.answers.send(Ok(answer(&request))).expect("sent");
    request
}

/// The answer to a batch append of this kind of failure.
pub(crate) fn refused(request: &BatchAppendReq, code: i32, kind: &str) -> BatchAppendResp {
    BatchAppendResp {
        correlation_id: request.correlation_id.clone(),
        result: Some(Answer::Error(Status {
            code,
            message: "text".to_owned(),
            details: Some(prost_types::Any {
                type_url: format!(
                    "{}event_store.client.{kind}",
                    ditto_protocol::TYPE_URL_PREFIX
                ),
                value: Vec::new(),
            }),
        })),
        ..Default::default()
    }
}

#[tokio::test]
async fn appends_to_any_name_are_understood() {
    for (code, kind, expected) in [
        (0, "", AppendOutcome::Written(8)),
        (5, "StreamDeleted", AppendOutcome::Deleted),
        (6, "WrongExpectedVersion", AppendOutcome::WrongRevision),
        (7, "AccessDenied", AppendOutcome::Denied),
        (
            3,
            "MaximumAppendSizeExceeded",
            AppendOutcome::TooLarge { limit: None },
        ),
    ] {
        let mut fake = Fake::start();
        // A single append would end with HTTP 500.
        fake.fail_without_status(&["uma-größe"]);
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let (name, events) = ("uma-größe".into(), [event(8)]);
        let append = client.append_outcome(&name, Expected::Exact(7), &events);
        let serve = answer_batch(&mut fake, |request| match kind {
            "" => written(request, 8),
            kind => refused(request, code, kind),
        });
        let (outcome, request) = soon(async { tokio::join!(append, serve) }).await;
        assert_eq!(outcome, expected, "{kind}");
        assert_eq!(
            (request.proposed_messages.len(), request.is_final),
            (1, true)
        );
        assert_eq!(fake.asked("features"), 1, "the node is not left");
    }
}
