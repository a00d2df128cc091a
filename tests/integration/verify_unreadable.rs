//! Comparing streams of which nothing, or not the beginning, can be read at the destination: whose they are.

use devstore::store::{Proposed, Store};
use devstore::{Options, User};
use ditto::config::cluster::{ClusterKeys, PasswordSource};
use ditto::eventstore::Side;
use ditto::eventstore::client::Client;
use ditto::verify::{Class, End, What};
use ditto_values::secret::Secret;

use crate::support::servers::cluster_as;
use crate::support::verifying::{self, job};
use crate::support::{Servers, event, subscription, write_metadata};
use crate::verify::append;

fn events(stream: &str, count: u64) -> Vec<Proposed> {
    (0..count).map(|number| event(stream, number)).collect()
}

fn last(store: &Store, stream: &str) -> Option<u64> {
    store.stream_info(stream).last
}

/// What is told of one stream, and the servers: `copied` of the source's events and then `foreign` ones are at the
/// destination, truncated up to this revision.
async fn reported(
    here: u64,
    (copied, foreign): (u64, u64),
    truncated: u64,
    read_only: bool,
) -> (Vec<(Class, What, u64, u64)>, Vec<String>) {
    let servers = Servers::start().await;
    let stream = "customer-1";
    let all = events(stream, here);
    append(servers.source.store(), stream, all.clone());
    let destination = servers.destination.store();
    let copies = (0..copied).zip(all).map(|(_, event)| event);
    append(destination, stream, copies.collect());
    append(destination, stream, events(stream, foreign));
    write_metadata(destination, stream, &format!(r#"{{"$tb":{truncated}}}"#));
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.read_only = read_only;
    let before = last(destination, stream);
    let (end, point, seen) = verifying::run(&job(&servers, &settings, |_| {})).await;
    assert_eq!(end, End::Complete);
    assert_eq!(last(destination, stream), before, "a question never writes");
    let kept = point.findings.iter().filter(|one| one.is_told()).count();
    assert_eq!(kept, point.findings.len());
    let rows = seen.findings.iter();
    let rows = rows.map(|one| (one.class, one.what, one.revision, one.events));
    let texts = seen.findings.iter().map(ToString::to_string);
    (rows.collect(), texts.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_foreign_stream_is_told_as_different() {
    use Class::{Behind, Different};
    use What::{AsClassed, Extra, Unreadable};
    for (here, expected) in [
        // It ends beyond the source's end, so it is no copy of it.
        (5, [(Different, Extra, 5, 5), (Different, Unreadable, 0, 5)]),
        // The destination refuses the source's event of its last revision.
        (10, [(Different, Unreadable, 0, 10); 2]),
        (
            12,
            [(Different, Unreadable, 0, 10), (Behind, AsClassed, 10, 2)],
        ),
    ] {
        let (mut rows, texts) = reported(here, (0, 10), 10, false).await;
        rows.sort_by_key(|row| (row.0 as u8, row.1 as u8));
        let mut expected = expected.to_vec();
        expected.sort_by_key(|row| (row.0 as u8, row.1 as u8));
        expected.dedup();
        assert_eq!(rows, expected, "{texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn truncated_copy_is_told_as_truncated_by_another_writer() {
    for (truncated, cut) in [(10, 10), (4, 4)] {
        let (rows, texts) = reported(10, (10, 0), truncated, false).await;
        let expected = (Class::AgedAtDestination, What::Truncated, 0, cut);
        assert_eq!(rows, [expected]);
        assert!(
            texts[0].contains("truncated by another writer"),
            "{texts:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_behind_truncated_foreign_events_are_told() {
    let servers = Servers::start().await;
    let all = events("customer-1", 12);
    append(servers.source.store(), "customer-1", all.clone());
    let destination = servers.destination.store();
    append(destination, "customer-1", events("customer-1", 10));
    append(destination, "customer-1", all[10..].to_vec());
    write_metadata(destination, "customer-1", r#"{"$tb":10}"#);
    let settings = subscription("$ce-customer", "ditto");
    let (_, seen) = verifying::complete(&job(&servers, &settings, |_| {})).await;
    let text = seen.findings[0].to_string();
    assert_eq!(seen.findings[0].what, What::Truncated);
    assert!(
        text.contains("does not know the source's revision 9"),
        "{text}"
    );
    assert_eq!(last(destination, "customer-1"), Some(11));
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_stream_without_proof_is_unverified() {
    // A single event: the append that asks could write it. Or verify is not to send any.
    for (count, read_only, why) in [(1, false, "revision 0"), (10, true, "read_only")] {
        let (rows, texts) = reported(count, (count, 0), count, read_only).await;
        assert_eq!(rows, [(Class::Unverified, What::AsClassed, 0, count)]);
        assert!(texts[0].contains(why), "{texts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn user_who_may_not_write_is_told_to_get_permission() {
    let reader = User {
        name: "reader".to_owned(),
        password: "x".to_owned(),
        groups: Vec::new(),
    };
    let users = Options {
        users: Some(vec![User::admin(), reader]),
        ..Options::default()
    };
    let servers = Servers::with(Options::default(), users).await;
    let all = events("customer-1", 10);
    append(servers.source.store(), "customer-1", all.clone());
    append(servers.destination.store(), "customer-1", all);
    let metadata = r#"{"$tb":10,"$acl":{"$w":"$admins"}}"#;
    write_metadata(servers.destination.store(), "customer-1", metadata);
    let keys = ClusterKeys {
        user: Some("reader".to_owned()),
        password: Some(PasswordSource::Text(Secret::new("x"))),
        ..ClusterKeys::default()
    };
    let as_reader = cluster_as(&servers.destination, keys);
    let settings = subscription("$ce-customer", "ditto");
    let job = job(&servers, &settings, |job| {
        job.destination = Client::connect(Side::Destination, as_reader);
    });
    let (end, point, seen) = verifying::run(&job).await;
    assert_eq!((end, point.tally.has_gaps()), (End::Complete, true));
    assert_eq!(point.tally.events.of(Class::Unverified), 10);
    let text = seen.findings[0].to_string();
    assert!(
        text.contains("grant the user the permission to write it"),
        "{text}"
    );
}
