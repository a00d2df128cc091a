//! What a source holds beside ordinary events: never copied by rule, or copied all the same.

use devstore::store::Expected;
use ditto::config::settings::SubscriptionSettings;
use ditto_core::event::SkipReason;
use ditto_core::port::HeldReason;

use crate::support::compare::events;
use crate::support::groups::{self, eager};
use crate::support::{Copying, Servers, seed, subscription, until, write, write_metadata};

/// Servers with an eager group on the category, and its settings.
async fn with_group(stream: &str) -> (Servers, SubscriptionSettings) {
    let servers = Servers::start().await;
    groups::create(&servers.source, stream, "ditto", eager()).await;
    (servers, subscription(stream, "ditto"))
}

fn skipped(copying: &Copying, wanted: SkipReason) -> u64 {
    let label = format!("reason=\"{}\"", wanted.as_str());
    copying.seen.metric("ditto_events_skipped_total", &label)
}

#[tokio::test(flavor = "multi_thread")]
async fn system_streams_are_acknowledged_and_not_copied() {
    let (servers, settings) = with_group("$mine").await;
    seed(servers.source.store(), "$mine", 4);
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 3).await;
    assert_eq!(skipped(&copying, SkipReason::SystemStream), 4);
    assert_eq!(servers.destination.counters().appended_events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_are_not_copied_and_what_was_copied_stays() {
    let (servers, settings) = with_group("$ce-customer").await;
    let source = servers.source.store();
    seed(source, "customer-soft", 3);
    seed(source, "customer-hard", 3);
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 5).await;
    source.delete("customer-soft", Expected::Any).unwrap();
    source.tombstone("customer-hard", Expected::Any).unwrap();
    seed(source, "customer-other", 1);
    groups::until_checkpoint(&servers.source, &settings, 8).await;
    assert_eq!(skipped(&copying, SkipReason::Deleted), 2);
    let destination = servers.destination.store();
    for (stream, count) in [
        ("customer-soft", 3),
        ("customer-hard", 3),
        ("customer-other", 1),
    ] {
        assert_eq!(events(destination, stream).len(), count, "{stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mark_of_a_tombstone_is_not_copied() {
    // Without links the group delivers the mark itself, at the highest of all revisions.
    let (servers, settings) = with_group("orders").await;
    let source = servers.source.store();
    seed(source, "orders", 3);
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 2).await;
    source.tombstone("orders", Expected::Any).unwrap();
    until("the mark is skipped", || {
        match skipped(&copying, SkipReason::Tombstone) {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    assert_eq!(events(servers.destination.store(), "orders").len(), 3);
    assert!(servers.destination.store().tombstone_of("orders").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_event_that_has_the_type_of_a_deletion_is_copied() {
    for subscribed in ["$ce-customer", "customer-1"] {
        let (servers, settings) = with_group(subscribed).await;
        let source = servers.source.store();
        for event_type in ["$streamDeleted", "$metadata", "$>", "ordinary"] {
            write(source, "customer-1", event_type, true, "{}");
        }
        let _copying = Copying::start(&servers, settings.clone());
        servers.until_equal().await;
        servers.until_written(4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_written_again_after_a_deletion_goes_on_at_its_revision() {
    let (servers, settings) = with_group("$ce-customer").await;
    let source = servers.source.store();
    seed(source, "customer-1", 3);
    let _copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 2).await;
    source.delete("customer-1", Expected::Any).unwrap();
    seed(source, "customer-1", 2);
    groups::until_checkpoint(&servers.source, &settings, 5).await;
    let copied: Vec<u64> = events(servers.destination.store(), "customer-1")
        .iter()
        .map(|event| event.revision)
        .collect();
    assert_eq!(copied, [0, 1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_whose_target_is_gone_are_acknowledged() {
    let (servers, settings) = with_group("$ce-customer").await;
    let source = servers.source.store();
    write_metadata(source, "customer-1", r#"{"$tb":3}"#);
    write_metadata(servers.destination.store(), "customer-1", r#"{"$tb":3}"#);
    seed(source, "customer-2", 1);
    seed(source, "customer-1", 3);
    seed(source, "customer-2", 1);
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 4).await;
    assert_eq!(skipped(&copying, SkipReason::Unresolved), 3);
    assert_eq!(copying.seen.total("ditto_events_unresolved_total"), 3);
    servers.until_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_own_link_is_copied_as_it_is() {
    let (servers, settings) = with_group("$ce-customer").await;
    let source = servers.source.store();
    seed(source, "other", 1);
    seed(source, "customer-1", 1);
    write(source, "customer-1", "$>", false, "0@other");
    seed(source, "customer-1", 1);
    let _copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 2).await;
    let copied = events(servers.destination.store(), "customer-1");
    assert_eq!(copied.len(), 3);
    assert_eq!(
        (&*copied[1].event_type, &copied[1].data()[..]),
        ("$>", &b"0@other"[..])
    );
    assert_eq!(events(servers.destination.store(), "other").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_the_category_does_not_link_come_with_the_streams_next_event() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    write(source, "customer-1", "empty", true, "");
    seed(source, "customer-1", 1);
    write(source, "customer-1", "no JSON", true, "{");
    write(source, "customer-1", "empty", true, "");
    write(source, "customer-1", "binary", false, "");
    write(source, "customer-1", "$streamDeleted", true, "{}");
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    assert!(copying.seen.total("ditto_repairs_total") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_head_moves_is_copied_from_where_it_begins_now() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    seed(source, "customer-1", 5);
    servers.until_equal().await;
    write_metadata(source, "customer-1", r#"{"$maxCount":4}"#);
    seed(source, "customer-1", 1);
    until("the new event is copied", || {
        match servers.destination.store().stream_info("customer-1").last {
            Some(5) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let copied: Vec<_> = events(servers.destination.store(), "customer-1");
    assert_eq!(copied.len(), 6);
    copying.until_done_without_loss(&servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_deleted_at_the_destination_is_held() {
    let (servers, settings) = with_group("$ce-customer").await;
    let destination = servers.destination.store();
    for stream in ["customer-soft", "customer-hard"] {
        seed(destination, stream, 1);
        seed(servers.source.store(), stream, 2);
    }
    destination.delete("customer-soft", Expected::Any).unwrap();
    destination
        .tombstone("customer-hard", Expected::Any)
        .unwrap();
    seed(servers.source.store(), "customer-other", 2);
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 5).await;
    copying.until_done(&servers).await;
    let held =
        ["customer-hard", "customer-soft"].map(|stream| (stream.to_owned(), HeldReason::Conflict));
    assert_eq!(copying.seen.held(), held);
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 4);
    assert_eq!(events(destination, "customer-other").len(), 2);
}
