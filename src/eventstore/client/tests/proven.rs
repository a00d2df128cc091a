//! Deletions are told from nodes that are behind. Never asserts how long something took.

use tonic::{Code, Status};

use super::super::super::error::Class;
use super::super::{ProvenPage, ReadStream};
use super::calls::{read_event, with_trailers};
use super::fake::Fake;
use super::script::{found, metadata, missing, not_leader, play, played};
use super::{client, event, soon};

const DELETED: &str = r#"{"$tb":9223372036854775807}"#;

fn newest() -> ReadStream {
    ReadStream::newest("s".into())
}

fn tombstoned() -> Status {
    let trailers = [("exception", "stream-deleted")];
    with_trailers(Code::FailedPrecondition, "is deleted", &trailers)
}

#[tokio::test]
async fn not_found_is_deleted_only_by_the_metadata() {
    for (of_metadata, expected) in [
        (metadata(DELETED), "soft-deleted"),
        (metadata(r#"{"$tb":7}"#), "not found"),
        (missing(), "not found"),
        (vec![Err(tombstoned())], "tombstoned"),
    ] {
        let mut fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let script = [("s", missing()), ("$$s", of_metadata)];
        let page = played(&mut fake, &script, client.read_proven(newest())).await;
        let told = match page.expect("all is answered") {
            ProvenPage::SoftDeleted(by) => {
                assert_eq!(by.data, DELETED);
                "soft-deleted"
            }
            ProvenPage::NotFound => "not found",
            ProvenPage::Tombstoned => "tombstoned",
            ProvenPage::Found { .. } => "found",
        };
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn two_nodes_never_prove_a_deletion_together() {
    let (mut behind, mut leader) = (Fake::start(), Fake::start());
    let client = client(&format!("esdb://{}?tls=false", behind.endpoint));
    let says_who_leads = vec![Err(not_leader(&leader.endpoint))];
    let first = [("s", missing()), ("$$s", says_who_leads)];
    let second = [("$$s", metadata(DELETED))];
    let page = soon(async {
        tokio::select! {
            biased;
            page = client.read_proven(newest()) => page,
            () = play(&mut behind, &first) => unreachable!(),
            () = play(&mut leader, &second) => unreachable!(),
        }
    })
    .await;
    let error = page.expect_err("only the first node was asked for the stream");
    assert!(
        matches!(error.class(), Class::NotLeader(Some(_))),
        "{error}"
    );
}

#[tokio::test]
async fn a_page_without_a_last_number_is_a_failure() {
    let mut fake = Fake::start();
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let script = [("s", vec![Ok(read_event(Some(&event(3)), None))])];
    let page = played(&mut fake, &script, client.read_proven(newest())).await;
    let error = page.expect_err("where the stream ends is not known");
    assert!(error.is_transient(), "{error}");

    let script = [("s", found(&event(3), 3))];
    let page = played(&mut fake, &script, client.read_proven(newest())).await;
    assert!(
        matches!(page, Ok(ProvenPage::Found { last: 3, .. })),
        "{page:?}"
    );
}
