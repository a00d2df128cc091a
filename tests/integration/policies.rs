//! What an operator may choose: conflicts, missing history, refusals, metadata, throttle, partial copies.

use std::sync::Arc;
use std::time::Duration;

use devstore::store::Expected;
use devstore::{Generation, Options};
use ditto::config::settings::{OnConflict, OnMissingHistory, SubscriptionSettings};
use ditto::pipeline::replicate::Outcome;
use ditto_core::port::{HeldReason, PipelineState, Report};

use crate::support::compare::events;
use crate::support::copying::BUDGET;
use crate::support::groups::{self, eager};
use crate::support::heard::Heard;
use crate::support::servers::cluster;
use crate::support::{Copying, Servers, event, seed, subscription, until, write, write_metadata};

/// Source and destination disagree about the first event of one stream, and agree about another stream.
async fn in_conflict() -> (Servers, SubscriptionSettings) {
    let servers = Servers::start().await;
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    seed(servers.destination.store(), "customer-1", 1);
    seed(servers.source.store(), "customer-1", 3);
    seed(servers.source.store(), "customer-2", 3);
    (servers, subscription("$ce-customer", "ditto"))
}

/// The first three events of one stream are no longer at the source.
async fn with_history_gone() -> (Servers, SubscriptionSettings) {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 5);
    write_metadata(servers.source.store(), "customer-1", r#"{"$tb":3}"#);
    seed(servers.source.store(), "customer-2", 3);
    // Last: a group reads ahead, and what it has read is delivered though it is gone since.
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    (servers, subscription("$ce-customer", "ditto"))
}

/// The only stream that is held once all is done is `customer-1`, for this reason, and so many of its events are parked.
async fn is_held(copying: &Copying, servers: &Servers, reason: HeldReason, parked: u64) {
    copying.until_done(servers).await;
    assert_eq!(copying.seen.held(), [("customer-1".to_owned(), reason)]);
    let label = format!("reason=\"{}\"", reason.as_str());
    assert_eq!(copying.seen.metric("ditto_streams_held", &label), 1);
    assert_eq!(
        copying.seen.metric("ditto_events_parked_total", &label),
        parked
    );
}

/// Events of a conflict that were acknowledged without a copy.
fn passed(copying: &Copying) -> u64 {
    copying
        .seen
        .metric("ditto_events_skipped_total", r#"reason="conflict""#)
}

fn revisions(servers: &Servers, stream: &str) -> Vec<u64> {
    events(servers.destination.store(), stream)
        .iter()
        .map(|event| event.revision)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_parks_that_stream_and_no_other() {
    let (servers, settings) = in_conflict().await;
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 5).await;
    is_held(&copying, &servers, HeldReason::Conflict, 3).await;
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 3);
    assert_eq!(revisions(&servers, "customer-1"), [0]);
    assert_eq!(revisions(&servers, "customer-2"), [0, 1, 2]);
    let parked = events(
        servers.source.store(),
        "$persistentsubscription-$ce-customer::ditto-parked",
    );
    let reason = String::from_utf8(parked[0].metadata().to_vec()).unwrap();
    assert!(reason.contains("ditto: "), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_may_be_skipped() {
    let (servers, mut settings) = in_conflict().await;
    settings.replication.on_conflict = OnConflict::Skip;
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 5).await;
    assert_eq!(passed(&copying), 3);
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 0);
    assert_eq!(revisions(&servers, "customer-1"), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subscription_has_policies_of_its_own() {
    let (servers, skips) = in_conflict().await;
    groups::create(&servers.source, "$ce-customer", "other", eager()).await;
    let mut stops = subscription("$ce-customer", "other");
    stops.replication.on_conflict = OnConflict::Stop;
    let mut skips = skips;
    skips.replication.on_conflict = OnConflict::Skip;
    let skipping = Copying::start(&servers, skips.clone());
    let outcome = Copying::start(&servers, stops).end().await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    groups::until_checkpoint(&servers.source, &skips, 5).await;
    assert_eq!(passed(&skipping), 3);
    assert_eq!(groups::seen(&servers.source, &skips).await.parked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_may_stop_the_subscription() {
    let (servers, mut settings) = in_conflict().await;
    settings.replication.on_conflict = OnConflict::Stop;
    let outcome = Copying::start(&servers, settings).end().await;
    assert!(
        matches!(&outcome, Outcome::Refused(text) if text.contains("customer-1")),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_history_parks_that_stream_and_no_other() {
    let (servers, settings) = with_history_gone().await;
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 7).await;
    is_held(&copying, &servers, HeldReason::MissingHistory, 2).await;
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 2);
    assert_eq!(revisions(&servers, "customer-1"), [0; 0]);
    assert_eq!(revisions(&servers, "customer-2"), [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_history_may_be_filled_with_placeholders() {
    let (servers, mut settings) = with_history_gone().await;
    settings.replication.on_missing_history = OnMissingHistory::Fill;
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 7).await;
    // The stream begins at the destination as it does at the source.
    assert_eq!(revisions(&servers, "customer-1"), [3, 4]);
    let placeholder = &servers.destination.store().appended("customer-1", 0, 1)[0];
    assert_eq!(
        (
            &*placeholder.event_type,
            placeholder.is_json,
            placeholder.data().len()
        ),
        ("ditto-missing", true, 0)
    );
    assert_eq!(
        servers
            .destination
            .store()
            .metadata("customer-1")
            .truncate_before,
        Some(3)
    );
    servers.until_equal().await;
    copying.until_done_without_loss(&servers).await;
    assert_eq!(copying.seen.total("ditto_placeholders_total"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_history_may_stop_the_subscription() {
    let (servers, mut settings) = with_history_gone().await;
    settings.replication.on_missing_history = OnMissingHistory::Stop;
    let outcome = Copying::start(&servers, settings).end().await;
    assert!(
        matches!(&outcome, Outcome::Refused(text) if text.contains("customer-1")),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_holds_its_stream_and_no_other() {
    // The newer server takes larger events than a message may hold.
    let servers = Servers::exactly(Options::default(), Options::default()).await;
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    let settings = subscription("$ce-customer", "ditto");
    let source = servers.source.store();
    seed(source, "customer-1", 2);
    write(source, "customer-1", "large", false, &"x".repeat(1_500_000));
    seed(source, "customer-1", 1);
    seed(source, "customer-2", 2);
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 5).await;
    is_held(&copying, &servers, HeldReason::Refused, 2).await;
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 2);
    assert_eq!(revisions(&servers, "customer-1"), [0, 1]);
    assert_eq!(revisions(&servers, "customer-2"), [0, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_events_are_not_merged_beyond_what_the_server_takes() {
    let servers = Servers::start().await;
    for _ in 0..6 {
        write(
            servers.source.store(),
            "customer-1",
            "large",
            false,
            &"x".repeat(900_000),
        );
    }
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    copying.until_done_without_loss(&servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_written_before_the_first_event_and_only_where_there_is_none() {
    let servers = Servers::start().await;
    write_metadata(
        servers.destination.store(),
        "customer-2",
        r#"{"$maxCount":9}"#,
    );
    seed(servers.source.store(), "customer-1", 2);
    seed(servers.source.store(), "customer-2", 2);
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.time_to_live = Some(Duration::from_secs(3600));
    // That metadata was left as it is, is told in the journal alone.
    let heard = Arc::new(Heard::default());
    let _copying = Copying::heard_by(
        &heard,
        cluster(&servers.source),
        cluster(&servers.destination),
        settings,
        BUDGET,
    );
    servers.until_equal().await;
    let destination = servers.destination.store();
    let written = events(destination, "$$customer-1");
    assert_eq!(
        (written.len(), &written[0].data()[..]),
        (1, &br#"{"$maxAge":3600}"#[..])
    );
    assert!(written[0].position < events(destination, "customer-1")[0].position);
    let kept = events(destination, "$$customer-2");
    assert_eq!(
        (kept.len(), &kept[0].data()[..]),
        (1, &br#"{"$maxCount":9}"#[..])
    );
    let left = |report: &Report| matches!(report, Report::MetadataKept { .. });
    assert_eq!(heard.count(left), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_sends_one_event_at_a_time() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 30);
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.throttle_interval = Duration::from_millis(5);
    let _copying = Copying::start(&servers, settings);
    servers.until_equal().await;
    assert_eq!(servers.destination.counters().appends, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_that_cannot_work_stops_with_the_reason() {
    let servers = Servers::start().await;
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.throttle_interval = Duration::from_secs(60);
    let copying = Copying::start(&servers, settings);
    let expected =
        "throttle_interval 60s needs a message timeout of at least 240s, the group has 60s";
    copying
        .until_state(
            "it is stopped",
            |state| matches!(state, PipelineState::Stopped(text) if text.contains(expected)),
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_copy_goes_behind_what_is_there_and_nothing_comes_twice() {
    let servers = Servers::start().await;
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.skip_version_check = true;
    let (source, destination) = (servers.source.store(), servers.destination.store());
    seed(destination, "customer-1", 2);
    seed(source, "customer-1", 5);
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 4).await;
    copying.stop().await;
    // Somebody else writes behind the copy, and the group begins again.
    destination
        .append("customer-1", Expected::Any, vec![event("customer-1", 99)])
        .unwrap();
    groups::foreign_client(&servers.source)
        .delete_persistent_subscription("$ce-customer", "ditto", &Default::default())
        .await
        .unwrap();
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    seed(source, "customer-1", 2);
    let _copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 6).await;
    let here: Vec<_> = events(source, "customer-1")
        .iter()
        .map(|event| event.id)
        .collect();
    let copied: Vec<_> = events(destination, "customer-1")
        .iter()
        .map(|event| event.id)
        .filter(|id| here.contains(id))
        .collect();
    assert_eq!(copied, here);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_stream_that_was_put_right_goes_on_after_a_restart() {
    let (servers, settings) = with_history_gone().await;
    let copying = Copying::start(&servers, settings.clone());
    groups::until_checkpoint(&servers.source, &settings, 7).await;
    copying.stop().await;
    // The operator brings the missing events from a backup.
    let missing = servers.source.store().appended("customer-1", 0, 3);
    let events = missing
        .iter()
        .map(|record| devstore::store::Proposed {
            id: record.id,
            event_type: record.event_type.clone(),
            is_json: record.is_json,
            data: record.data(),
            metadata: record.metadata(),
        })
        .collect();
    servers
        .destination
        .store()
        .append("customer-1", Expected::NoStream, events)
        .unwrap();
    let _copying = Copying::start(&servers, settings);
    groups::foreign_client(&servers.source)
        .replay_parked_messages("$ce-customer", "ditto", &Default::default())
        .await
        .unwrap();
    until("the replayed events are copied", || {
        match servers.destination.store().stream_info("customer-1").last {
            Some(4) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_larger_than_a_message_is_held_with_the_servers_words() {
    let newer = || Options::playing(Generation::V26_1_0);
    let servers = Servers::exactly(newer(), newer()).await;
    let settings = subscription("$ce-customer", "ditto");
    let source = servers.source.store();
    write(
        source,
        "customer-1",
        "large",
        false,
        &"x".repeat(16_776_000),
    );
    seed(source, "customer-2", 2);
    let copying = Copying::start(&servers, settings);
    is_held(&copying, &servers, HeldReason::Refused, 1).await;
    let (_, _, text) = &copying.seen.held_with_text()[0];
    let words = "the destination ended the call each time: Received message exceeds the maximum configured message size.";
    assert!(text.contains(words), "{text}");
    assert_eq!(revisions(&servers, "customer-2"), [0, 1]);
}
