//! What pages of a node mean: which of them say that a stream is gone, and which say nothing of it.
//!
//! Never needs a real server.

use tonic::Status;

use super::stream;
use crate::eventstore::client::tests::calls::read_event;
use crate::eventstore::client::tests::fake::Fake;
use crate::eventstore::client::tests::script::{Line, found, metadata, missing, played};
use crate::eventstore::client::tests::{client, event};
use crate::source::persistent::links::links;
use ditto_core::port::{LinkPage, ReadFrom, SourcePage};

const DELETED: &str = r#"{"$tb":9223372036854775807}"#;

/// A page that ended early, by its bytes: one event of 6 bytes, and nothing about the end of the stream.
fn cut() -> Vec<Result<ditto_protocol::streams::ReadResp, Status>> {
    vec![Ok(read_event(Some(&event(3)), None))]
}

/// What a page of each kind is, with these answers of one node.
async fn pages(script: &[Line], unnameable: &[&str]) -> (SourcePage, LinkPage) {
    let mut fake = Fake::start();
    fake.fail_without_status(unnameable);
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let name = "s".into();
    played(&mut fake, script, async {
        let from = ReadFrom::Revision(3);
        (
            stream(&client, "s".into(), from, 10, 1).await,
            links(&client, &name, 3, 10, 1).await,
        )
    })
    .await
}

#[tokio::test]
async fn only_metadata_makes_a_missing_stream_deleted() {
    for (of_metadata, source, link) in [
        (missing(), SourcePage::NotFound, LinkPage::NotFound),
        (
            metadata(DELETED),
            SourcePage::SoftDeleted,
            LinkPage::Deleted,
        ),
        (
            vec![Err(Status::unavailable("not ready"))],
            SourcePage::Failed,
            LinkPage::Failed,
        ),
    ] {
        let script = [("s", missing()), ("$$s", of_metadata)];
        assert_eq!(pages(&script, &[]).await, (source, link));
    }
}

#[tokio::test]
async fn pages_without_a_last_number_are_failures() {
    assert_eq!(
        pages(&[("s", cut())], &[]).await,
        (SourcePage::Failed, LinkPage::Failed)
    );
    let script = [("s", found(&event(3), 9))];
    let (of_stream, of_links) = pages(&script, &[]).await;
    assert!(matches!(of_stream, SourcePage::Events { last: 9, .. }));
    assert!(matches!(of_links, LinkPage::Items { last: 9, .. }));
}

#[tokio::test]
async fn http_500_for_one_stream_refuses_that_stream() {
    let script = [("ditto-probe", missing())];
    let (of_stream, of_links) = pages(&script, &["s"]).await;
    let SourcePage::Refused(text) = of_stream else {
        panic!("{of_stream:?}")
    };
    assert!(text.contains("has a tombstone"), "{text}");
    assert_eq!(of_links, LinkPage::Failed);
}
