//! Names that are not ASCII: which answers a server cannot send (protocol §9). Never asks for groups.

use devstore::Options;
use devstore::store::Expected;
use ditto_protocol::ids::stream_identifier;
use ditto_protocol::streams::append_resp;
use ditto_protocol::streams::delete_req::options::ExpectedStreamRevision;
use ditto_protocol::streams::{DeleteReq, ReadReq, delete_req};
use tonic::Status;

use crate::support::{Batch, Client, append, next, read, server, within, write};

fn has_no_status(status: &Status) -> bool {
    status.message().contains("500") && status.metadata().get("exception").is_none()
}

fn delete(stream: &str, revision: u64) -> DeleteReq {
    DeleteReq {
        options: Some(delete_req::Options {
            stream_identifier: Some(stream_identifier(stream)),
            expected_stream_revision: Some(ExpectedStreamRevision::Revision(revision)),
        }),
    }
}

/// Why nothing can be read. A client may see that only when it waits for the first event.
async fn refusal(client: &mut Client, request: ReadReq) -> Status {
    match within(client.read(request)).await {
        Ok(answers) => within(answers.into_inner().message()).await.unwrap_err(),
        Err(status) => status,
    }
}

#[tokio::test]
async fn errors_that_name_other_than_ascii_have_no_status() {
    let (server, mut client) = server(Options::default()).await;
    for (name, has_status) in [("size", true), ("größe", false)] {
        write(&server, name, 0..1);
        let wrong = within(client.delete(delete(name, 7))).await.unwrap_err();
        server.store().tombstone(name, Expected::Any).unwrap();
        let deleted = within(client.delete(delete(name, 0))).await.unwrap_err();
        let appended = append(&mut client, name, 9).await.unwrap_err();
        let found = refusal(&mut client, read(name, Some(1))).await;
        let followed = refusal(&mut client, read(name, None)).await;
        for status in [wrong, deleted, appended, found, followed] {
            assert_eq!(has_no_status(&status), !has_status, "{name} {status:?}");
        }
        let mut batch = Batch::open(&mut client).await.unwrap();
        batch.write(name, 1).await;
        assert_eq!(batch.answer().await, "1 5 StreamDeleted", "{name}");
    }
}

#[tokio::test]
async fn answers_without_trailers_take_any_name() {
    let (_server, mut client) = server(Options::default()).await;
    let mut missing = within(client.read(read("größe", Some(1))))
        .await
        .unwrap()
        .into_inner();
    assert!(next(&mut missing).await.starts_with("StreamNotFound"));
    let answer = append(&mut client, "größe", 1).await.unwrap();
    assert!(matches!(
        answer.result,
        Some(append_resp::Result::Success(_))
    ));
}
