//! Category streams that were truncated before ditto saw their links: the streams are found in the log, or nothing is
//! said to be well.

use std::path::Path;
use std::sync::Arc;

use devstore::{Options, User};
use ditto::config::cluster::{ClusterKeys, PasswordSource};
use ditto::config::settings::SubscriptionSettings;
use ditto::eventstore::Side;
use ditto::eventstore::client::Client;
use ditto::verify::End;
use ditto_core::port::{PipelineState, Report};

use crate::support::copying::BUDGET;
use crate::support::heard::Heard;
use crate::support::servers::{cluster, cluster_as};
use crate::support::verifying::{self, job};
use crate::support::{Copying, Servers, seed, subscription, until, write_metadata};

/// Seven events in three streams: links 0 to 6.
fn three_streams(servers: &Servers) {
    for (stream, events) in [
        ("customer-a-1", 3),
        ("customer-a-2", 2),
        ("customer-a-3", 2),
    ] {
        seed(servers.source.store(), stream, events);
    }
}

fn truncate(servers: &Servers, metadata: &str) {
    write_metadata(servers.source.store(), "$ce-customer", metadata);
}

fn category() -> SubscriptionSettings {
    subscription("$ce-customer", "ditto")
}

/// A copy, and what it tells: which numbers are unseen is in the state only as long as they are searched for, and in the journal.
fn heard(servers: &Servers, settings: SubscriptionSettings) -> (Copying, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let (source, destination) = (cluster(&servers.source), cluster(&servers.destination));
    let copying = Copying::heard_by(&heard, source, destination, settings, BUDGET);
    (copying, heard)
}

fn unseen(heard: &Heard, first: u64, last: u64) -> bool {
    heard.count(
        |report| matches!(report, Report::Unseen { from, to } if (*from, *to) == (first, last)),
    ) == 1
}

async fn is_copied_though_unseen(metadata: &str, last: u64) {
    let servers = Servers::start().await;
    three_streams(&servers);
    truncate(&servers, metadata);
    let (copying, heard) = heard(&servers, category());
    servers.until_equal().await;
    assert!(unseen(&heard, 0, last), "{metadata}");
    copying.until_running().await;
    seed(servers.source.store(), "customer-a-4", 1);
    servers.until_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_before_a_truncation_are_copied_from_the_log() {
    is_copied_though_unseen(r#"{"$tb":4}"#, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_a_maximum_count_are_copied_from_the_log() {
    is_copied_though_unseen(r#"{"$maxCount":1}"#, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_without_any_readable_link_is_copied() {
    is_copied_though_unseen(r#"{"$tb":7}"#, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_truncated_while_ditto_was_away_are_found() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-a-0", 2);
    let copying = Copying::start(&servers, category());
    servers.until_equal().await;
    copying.stop().await;
    three_streams(&servers);
    truncate(&servers, r#"{"$tb":8}"#);
    // Without that the group would deliver them from memory.
    servers.source.stop().await;
    servers.source.start_again().await.unwrap();
    let (_copying, heard) = heard(&servers, category());
    servers.until_equal().await;
    let to_the_last = |report: &Report| matches!(report, Report::Unseen { to: 7, .. });
    assert_eq!(heard.count(to_the_last), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_truncated_type_are_found_one_by_one() {
    let servers = Servers::start().await;
    three_streams(&servers);
    let event_type = crate::support::event("customer-a-1", 1).event_type;
    let stream = format!("$et-{event_type}");
    write_metadata(servers.source.store(), &stream, r#"{"$tb":3}"#);
    let mut settings = subscription(&stream, "ditto");
    settings.replication.skip_version_check = true;
    let (copying, heard) = heard(&servers, settings);
    until("the type's events are copied", || {
        match servers.destination.counters().appended_events {
            4 => Ok(()),
            events => Err(events),
        }
    })
    .await;
    assert!(unseen(&heard, 0, 2));
    copying.until_running().await;
}

fn reader(servers: &Servers, file: &Path) -> ditto::config::cluster::ClusterSettings {
    let keys = ClusterKeys {
        user: Some("reader".to_owned()),
        password: Some(PasswordSource::File(file.to_owned())),
        ..ClusterKeys::default()
    };
    cluster_as(&servers.source, keys)
}

/// A source whose user may read the category, and not the log.
async fn without_right_to_the_log() -> Servers {
    let reader = User {
        name: "reader".to_owned(),
        password: "x".to_owned(),
        groups: vec!["$ops".to_owned()],
    };
    let users = Options {
        users: Some(vec![User::admin(), reader]),
        ..Options::default()
    };
    let servers = Servers::with(users, Options::default()).await;
    three_streams(&servers);
    truncate(&servers, r#"{"$tb":4,"$acl":{"$r":"$all"}}"#);
    servers
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_to_the_log_nothing_is_acknowledged() {
    let servers = without_right_to_the_log().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "x").unwrap();
    for _ in 0..2 {
        let copying = Copying::between(
            reader(&servers, &file),
            cluster(&servers.destination),
            category(),
            BUDGET,
        );
        copying
            .until_state("it is stopped", |state| {
                matches!(state, PipelineState::Stopped(text)
                    if text.contains("numbers 0 to 3") && text.contains("accept_unseen_below = 4"))
            })
            .await;
        copying.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_accepts_gets_the_other_events() {
    let servers = without_right_to_the_log().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "x").unwrap();
    let mut settings = category();
    settings.accept_unseen_below = 4;
    // That the loss was accepted is told in the journal alone.
    let heard = Arc::new(Heard::default());
    let copying = Copying::heard_by(
        &heard,
        reader(&servers, &file),
        cluster(&servers.destination),
        settings,
        BUDGET,
    );
    copying.until_running().await;
    until("what can be read is copied", || {
        match servers.destination.counters().appended_events {
            4.. => Ok(()),
            events => Err(events),
        }
    })
    .await;
    let accepted = Report::UnseenAccepted { from: 0, to: 3 };
    assert_eq!(heard.count(|report| *report == accepted), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_compares_streams_whose_links_are_gone() {
    let servers = Servers::start().await;
    three_streams(&servers);
    truncate(&servers, r#"{"$tb":5}"#);
    let (end, point, reported) = verifying::run(&job(&servers, &category(), |_| {})).await;
    assert_eq!((end, point.tally.compared), (End::Complete, 3));
    let not_seen = |note: &String| note.contains("can no longer be read");
    assert!(!reported.notes.iter().any(not_seen), "{:?}", reported.notes);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_says_which_numbers_it_could_not_see() {
    let servers = without_right_to_the_log().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "x").unwrap();
    let source = Client::connect(Side::Source, reader(&servers, &file));
    let job = job(&servers, &category(), |job| job.source = source);
    let (end, point, reported) = verifying::run(&job).await;
    assert_eq!((end, point.tally.refused), (End::Complete, 1));
    let names_them = |note: &String| note.contains("numbers 0 to 3 can no longer be read");
    assert!(
        reported.notes.iter().any(names_them),
        "{:?}",
        reported.notes
    );
}
