//! Streams and groups whose names are not ASCII: servers cannot send an error that would name them.
//!
//! Never asserts a duration.

use devstore::store::Expected;
use ditto::eventstore::Side;
use ditto::source::Source;
use ditto::source::persistent::Subscription;
use ditto_core::port::{HeldReason, PipelineState, ReadFrom, SourcePage};

use crate::support::compare::events;
use crate::support::servers::client;
use crate::support::{Copying, Servers, seed, subscription};

const CATEGORY: &str = "$ce-größe";

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_any_name_is_created_and_has_a_standby() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "größe-1", 20);
    let settings = subscription(CATEGORY, "übernahme");
    let first = Copying::start(&servers, settings.clone());
    servers.until_equal().await;
    let second = Copying::start(&servers, settings);
    second
        .until_state("it stands by", |state| *state == PipelineState::Standby)
        .await;
    drop(first);
    second.until_running().await;
    seed(servers.source.store(), "größe-1", 20);
    servers.until_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_any_name_that_is_missing_is_reported() {
    let servers = Servers::start().await;
    let mut settings = subscription(CATEGORY, "übernahme");
    settings.create = false;
    let copying = Copying::start(&servers, settings);
    copying
        .until_state("it is stopped", |state| {
            matches!(state, PipelineState::Stopped(_))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_at_the_destination_holds_a_stream_of_any_name() {
    let servers = Servers::start().await;
    for stream in ["größe-1", "größe-2"] {
        seed(servers.source.store(), stream, 5);
    }
    servers
        .destination
        .store()
        .tombstone("größe-1", Expected::Any)
        .unwrap();
    let copying = Copying::start(&servers, subscription(CATEGORY, "übernahme"));
    copying.until_done(&servers).await;
    let held = [("größe-1".to_owned(), HeldReason::Conflict)];
    assert_eq!(copying.seen.held(), held);
    assert_eq!(events(servers.destination.store(), "größe-2").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_at_the_source_refuses_a_stream_of_any_name() {
    let servers = Servers::start().await;
    let store = servers.source.store();
    for stream in ["größe-1", "größe-2"] {
        seed(store, stream, 5);
    }
    store.tombstone("größe-1", Expected::Any).unwrap();
    let source = Subscription::new(
        client(Side::Source, &servers.source),
        subscription(CATEGORY, "übernahme"),
    );
    let read = |stream: &'static str| {
        source.read_stream(stream.into(), ReadFrom::Revision(0), 10, usize::MAX)
    };
    let (gone, there) = (read("größe-1").await, read("größe-2").await);
    assert!(
        matches!(&gone, SourcePage::Refused(text) if text.contains("has a tombstone")),
        "{gone:?}"
    );
    assert!(
        matches!(there, SourcePage::Events { last: 4, .. }),
        "{there:?}"
    );
}
