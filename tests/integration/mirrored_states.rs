//! Metadata and deletions of mirrored streams between development servers over real sockets: they follow, a deleted stream
//! stays deleted until the source revives it, and what somebody else wrote is left or replaced. Never asserts a duration.

use devstore::store::{Expected, Store, StreamRead};
use devstore::{Generation, Options};
use ditto::config::settings::{MirrorSettings, OnMissingHistory, Replication};
use ditto_core::filter::StreamFilter;
use ditto_core::port::state::{Deletions, OnMetadataConflict, StateRules};

use crate::support::copying::BUDGET;
use crate::support::servers::cluster;
use crate::support::{Copying, Servers, seed, until, write, write_metadata};

const DELETED: &str = r#"{"$tb":9223372036854775807}"#;
const STATES: StateRules = StateRules {
    deletions: Deletions::Soft,
    on_conflict: OnMetadataConflict::Keep,
};

fn mirror(states: StateRules) -> MirrorSettings {
    MirrorSettings {
        name: "all".into(),
        filter: StreamFilter::all(),
        read_from: None,
        states: Some(states),
        replication: Replication {
            on_missing_history: OnMissingHistory::Fill,
            ..Replication::default()
        },
    }
}

fn start(servers: &Servers, states: StateRules) -> Copying {
    let (source, destination) = (cluster(&servers.source), cluster(&servers.destination));
    Copying::between(source, destination, mirror(states), BUDGET)
}

/// The data of a stream's metadata.
fn metadata(store: &Store, stream: &str) -> Option<String> {
    match store.read_backward(&format!("$${stream}"), None, 1) {
        StreamRead::Page(page) => {
            let newest = page.events.first()?;
            Some(String::from_utf8(newest.data().to_vec()).unwrap())
        }
        _ => None,
    }
}

/// What is readable of a stream.
fn shown(store: &Store, stream: &str) -> Option<Vec<u64>> {
    match store.read_forward(stream, 0, 100) {
        StreamRead::Page(page) => Some(page.events.iter().map(|event| event.revision).collect()),
        _ => None,
    }
}

#[track_caller]
fn assert_all_five_shown(store: &Store, streams: [&str; 2]) {
    for stream in streams {
        assert_eq!(shown(store, stream), Some(vec![0, 1, 2, 3, 4]), "{stream}");
    }
}

/// Waits until the destination shows the stream and its metadata as the source does.
async fn until_same(servers: &Servers, stream: &str) {
    let of = |store: &Store| (metadata(store, stream), shown(store, stream));
    until(&format!("{stream} is the same"), || {
        let (here, there) = (of(servers.source.store()), of(servers.destination.store()));
        if here == there {
            Ok(())
        } else {
            Err(format!(
                "{here:?} at the source, {there:?} at the destination"
            ))
        }
    })
    .await;
}

/// Where the last record stands that a mirror reads.
fn last_of_users(store: &Store) -> u64 {
    let is_read = |stream: &str| !stream.strip_prefix("$$").unwrap_or(stream).starts_with('$');
    let (mut last, mut from) = (0, 0);
    loop {
        let page = store.read_all_forward(from, 1_000).unwrap();
        let read = page.events.iter().filter(|record| is_read(&record.stream));
        last = read
            .map(|record| record.position)
            .next_back()
            .unwrap_or(last);
        if page.at_end {
            return last;
        }
        from = page.next;
    }
}

/// Waits until everything that the source's log holds now is done.
async fn until_done(mirroring: &Copying, servers: &Servers) {
    let end = last_of_users(servers.source.store());
    until("the mirror has done everything", || {
        let log = mirroring.seen.reading().and_then(|reading| reading.log);
        match log {
            Some(log) if log.open == 0 && log.mark.is_some_and(|mark| mark.commit >= end) => Ok(()),
            log => Err(format!("{log:?}")),
        }
    })
    .await;
}

async fn playing(generation: Generation) -> Servers {
    Servers::exactly(Options::playing(generation), Options::playing(generation)).await
}

fn soft_delete(store: &Store, stream: &str) {
    store.delete(stream, Expected::Any).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_copied_and_followed() {
    for generation in Generation::ALL {
        let servers = playing(generation).await;
        let source = servers.source.store();
        seed(source, "aged", 3);
        write_metadata(source, "aged", r#"{"$maxCount":2, "mine": 1.50}"#);
        write_metadata(source, "before", r#"{"$maxCount":7}"#);
        seed(source, "plain", 2);
        let mirroring = start(&servers, STATES);
        for stream in ["aged", "before", "plain"] {
            until_same(&servers, stream).await;
        }
        write_metadata(source, "aged", r#"{"$maxCount":5}"#);
        write_metadata(source, "plain", r#"{"$tb":1}"#);
        seed(source, "before", 1);
        // No metadata at all to the server: it says nothing.
        write(
            source,
            "$$plain-2",
            "$metadata",
            false,
            r#"{"$maxCount":1}"#,
        );
        seed(source, "plain-2", 2);
        for stream in ["aged", "before", "plain", "plain-2"] {
            until_same(&servers, stream).await;
        }
        until_done(&mirroring, &servers).await;
        assert_eq!(
            mirroring.seen.total("ditto_metadata_written_total"),
            5,
            "{generation:?}"
        );
        assert_eq!(mirroring.seen.total("ditto_metadata_conflicts_total"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_stream_stays_deleted_until_the_source_revives_it() {
    for generation in Generation::ALL {
        let servers = playing(generation).await;
        let (source, there) = (servers.source.store(), servers.destination.store());
        seed(source, "before", 3);
        soft_delete(source, "before");
        write_metadata(source, "never", DELETED);
        seed(source, "live", 3);
        let mirroring = start(&servers, STATES);
        until_done(&mirroring, &servers).await;
        assert_eq!(shown(there, "before"), None, "{generation:?}");
        assert_eq!(metadata(there, "before").as_deref(), Some(DELETED));
        assert_eq!(metadata(there, "never").as_deref(), Some(DELETED));
        soft_delete(source, "live");
        until_same(&servers, "live").await;
        until_done(&mirroring, &servers).await;
        assert_eq!(shown(there, "live"), None);
        for stream in ["before", "live", "never"] {
            seed(source, stream, 2);
        }
        for stream in ["before", "live", "never"] {
            until_same(&servers, stream).await;
        }
        until_done(&mirroring, &servers).await;
        assert_eq!(shown(there, "live"), Some(vec![3, 4]));
        assert_eq!(shown(there, "never"), Some(vec![0, 1]));
        assert_eq!(mirroring.seen.metric("ditto_deletions_total", "soft"), 3);
        assert_eq!(mirroring.seen.total("ditto_metadata_conflicts_total"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_was_deleted_and_revived_before_the_start_is_whole() {
    let servers = Servers::start().await;
    let (source, there) = (servers.source.store(), servers.destination.store());
    for stream in ["s-1", "s-2"] {
        seed(source, stream, 3);
        soft_delete(source, stream);
        seed(source, stream, 2);
    }
    soft_delete(source, "s-2");
    let mirroring = start(&servers, STATES);
    until_same(&servers, "s-1").await;
    until_same(&servers, "s-2").await;
    until_done(&mirroring, &servers).await;
    assert_eq!(shown(there, "s-1"), Some(vec![3, 4]));
    assert_eq!(there.stream_info("s-2").last, Some(4));
    assert_eq!(shown(there, "s-2"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_are_copied_by_choice() {
    for (deletions, copied) in [(Deletions::All, true), (Deletions::Soft, false)] {
        let servers = Servers::start().await;
        let (source, there) = (servers.source.store(), servers.destination.store());
        for stream in ["before", "live", "soft", "größe"] {
            seed(source, stream, 3);
        }
        soft_delete(source, "soft");
        source.tombstone("before", Expected::Exact(2)).unwrap();
        let states = StateRules {
            deletions,
            ..STATES
        };
        let mirroring = start(&servers, states);
        until_done(&mirroring, &servers).await;
        for stream in ["live", "soft", "größe"] {
            source.tombstone(stream, Expected::Exact(2)).unwrap();
        }
        until_done(&mirroring, &servers).await;
        for stream in ["before", "live", "soft", "größe"] {
            assert_eq!(there.tombstone_of(stream).is_some(), copied, "{stream}");
            let last = there.stream_info(stream).last;
            assert!(copied || last == Some(2), "{stream}: {last:?}");
        }
        let (done, passed) = if copied { (4, 0) } else { (0, 4) };
        let count = |name| mirroring.seen.metric(name, "tombstone");
        assert_eq!(count("ditto_deletions_total"), done);
        assert_eq!(count("ditto_deletions_passed_total"), passed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_another_writer_is_kept_or_replaced() {
    for (on_conflict, replaced) in [
        (OnMetadataConflict::Keep, false),
        (OnMetadataConflict::Overwrite, true),
    ] {
        let servers = Servers::start().await;
        let (source, there) = (servers.source.store(), servers.destination.store());
        let states = StateRules {
            on_conflict,
            ..STATES
        };
        let mirroring = start(&servers, states);
        seed(source, "s", 3);
        seed(source, "t", 3);
        write_metadata(source, "t", r#"{"$maxCount":9}"#);
        until_same(&servers, "s").await;
        until_same(&servers, "t").await;
        let (own, ours) = (r#"{"$maxAge":77}"#, r#"{"$maxCount":5}"#);
        for stream in ["s", "t"] {
            write_metadata(there, stream, own);
            write_metadata(source, stream, ours);
        }
        until_done(&mirroring, &servers).await;
        let expected = if replaced { ours } else { own };
        for stream in ["s", "t"] {
            assert_eq!(
                metadata(there, stream).as_deref(),
                Some(expected),
                "{stream}"
            );
        }
        assert_eq!(mirroring.seen.total("ditto_metadata_conflicts_total"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_that_another_writer_fills_is_neither_deleted_nor_changed() {
    let servers = Servers::start().await;
    let (source, there) = (servers.source.store(), servers.destination.store());
    for stream in ["deleted", "changed"] {
        seed(there, stream, 5);
        seed(source, stream, 3);
    }
    soft_delete(source, "deleted");
    write_metadata(source, "changed", r#"{"$maxCount":1}"#);
    let mirroring = start(&servers, STATES);
    until_done(&mirroring, &servers).await;
    assert_all_five_shown(there, ["deleted", "changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_of_a_stream_without_events_is_not_for_another_writers_stream() {
    let servers = Servers::start().await;
    let (source, there) = (servers.source.store(), servers.destination.store());
    for stream in ["deleted", "changed"] {
        seed(there, stream, 5);
    }
    write_metadata(source, "deleted", DELETED);
    write_metadata(source, "changed", r#"{"$maxCount":1}"#);
    let mirroring = start(&servers, STATES);
    until_done(&mirroring, &servers).await;
    assert_all_five_shown(there, ["deleted", "changed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_mirror_goes_on_with_what_it_had_not_done() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    let streams: Vec<String> = (0..40).map(|number| format!("s-{number}")).collect();
    for (number, stream) in streams.iter().enumerate() {
        seed(source, stream, 4);
        match number % 4 {
            0 => soft_delete(source, stream),
            1 => write_metadata(source, stream, r#"{"$maxCount":2}"#),
            2 => {
                soft_delete(source, stream);
                seed(source, stream, 2);
            }
            _ => {}
        }
    }
    for round in 0..4 {
        let mirroring = start(&servers, STATES);
        until("something is written", || {
            let written = mirroring.seen.total("ditto_metadata_written_total")
                + mirroring.seen.total("ditto_deletions_total")
                + mirroring.seen.copied();
            if written > 0 || round > 0 {
                Ok(())
            } else {
                Err("nothing")
            }
        })
        .await;
        // As a process that is killed.
        drop(mirroring);
    }
    let mirroring = start(&servers, STATES);
    for stream in &streams {
        until_same(&servers, stream).await;
    }
    until_done(&mirroring, &servers).await;
    assert_eq!(mirroring.seen.total("ditto_metadata_conflicts_total"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn placeholders_of_truncated_history_are_hidden_and_metadata_goes_on() {
    let servers = Servers::start().await;
    let (source, there) = (servers.source.store(), servers.destination.store());
    for stream in ["cut", "counted"] {
        seed(source, stream, 6);
    }
    write_metadata(source, "cut", r#"{"$tb":4}"#);
    write_metadata(source, "counted", r#"{"$maxCount":2}"#);
    source.scavenge();
    let mirroring = start(&servers, STATES);
    until_done(&mirroring, &servers).await;
    for stream in ["cut", "counted"] {
        let last = [4, 5].to_vec();
        until("the placeholders are hidden", || {
            match shown(there, stream) {
                Some(shown) if shown == last => Ok(()),
                other => Err(format!("{stream}: {other:?}")),
            }
        })
        .await;
    }
    write_metadata(source, "cut", r#"{"$maxCount":9}"#);
    until_done(&mirroring, &servers).await;
    assert_eq!(
        shown(there, "cut"),
        Some(vec![4, 5]),
        "the source has no more"
    );
    let told = metadata(there, "cut").unwrap();
    assert!(told.contains(r#""$maxCount":9"#), "{told}");
    assert_eq!(mirroring.seen.total("ditto_metadata_conflicts_total"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mirrors_in_opposite_directions_bring_no_change_back() {
    let servers = Servers::start().await;
    let (here, there) = (servers.source.store(), servers.destination.store());
    seed(here, "a", 3);
    seed(there, "b", 3);
    let forth = start(&servers, STATES);
    let mirror = MirrorSettings {
        name: "back".into(),
        ..mirror(STATES)
    };
    let (from, to) = (cluster(&servers.destination), cluster(&servers.source));
    let back = Copying::between(from, to, mirror, BUDGET);
    for stream in ["a", "b"] {
        until_same(&servers, stream).await;
    }
    write_metadata(here, "a", r#"{"$maxCount":5}"#);
    write_metadata(there, "b", r#"{"$maxCount":6}"#);
    seed(here, "c", 2);
    soft_delete(here, "c");
    until_same(&servers, "a").await;
    until("the other way, too", || {
        let (one, other) = (metadata(here, "b"), metadata(there, "c"));
        let is_there = one.as_deref() == Some(r#"{"$maxCount":6}"#);
        if is_there && other.as_deref() == Some(DELETED) {
            Ok(())
        } else {
            Err(format!("{one:?} {other:?}"))
        }
    })
    .await;
    until_done(&forth, &servers).await;
    let written = |copying: &Copying| {
        copying.seen.total("ditto_metadata_written_total")
            + copying.seen.total("ditto_deletions_total")
    };
    assert_eq!((written(&forth), written(&back)), (2, 1));
    for copying in [&forth, &back] {
        assert_eq!(copying.seen.total("ditto_metadata_conflicts_total"), 0);
    }
    // Each stream's metadata has one event on either side, whoever wrote it.
    for (store, stream) in [(here, "a"), (there, "a"), (here, "b"), (there, "b")] {
        let last = store.stream_info(&format!("$${stream}")).last;
        assert_eq!(last, Some(0), "{stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_by_a_dry_run() {
    let servers = Servers::start().await;
    let (source, there) = (servers.source.store(), servers.destination.store());
    seed(source, "s", 3);
    soft_delete(source, "s");
    seed(source, "t", 3);
    write_metadata(source, "t", r#"{"$maxCount":1}"#);
    seed(there, "other", 1);
    soft_delete(there, "other");
    seed(source, "other", 1);
    write_metadata(source, "other", r#"{"$maxCount":1}"#);
    let before = there.record_count();
    let mirror = MirrorSettings {
        replication: Replication {
            read_only: true,
            ..Replication::default()
        },
        ..mirror(STATES)
    };
    let (from, to) = (cluster(&servers.source), cluster(&servers.destination));
    let mirroring = Copying::between(from, to, mirror, BUDGET);
    until_done(&mirroring, &servers).await;
    assert_eq!(there.record_count(), before);
    assert_eq!(mirroring.seen.metric("ditto_deletions_total", "soft"), 1);
}
