//! Mirrors between development servers over real sockets: a whole database is copied from its log, a restart goes on, and a
//! source that is not the copied one is never copied from. Never asserts a duration.

use devstore::store::{Expected, Store};
use devstore::{Ending, Generation, Options, Server, Startup};
use ditto::config::settings::{MirrorSettings, OnMissingHistory, Replication};
use ditto::pipeline::replicate::Outcome;
use ditto_core::filter::{Rule, StreamFilter};
use ditto_core::port::PipelineState;
use ditto_core::port::state::{Deletions, OnMetadataConflict, StateRules};

use crate::support::copying::BUDGET;
use crate::support::servers::cluster;
use crate::support::{Copying, Servers, seed, until, write};

const CHECKPOINTS: &str = "$ditto-mirror-all";

/// As configured if nothing is said.
const STATES: StateRules = StateRules {
    deletions: Deletions::Soft,
    on_conflict: OnMetadataConflict::Keep,
};

fn mirror(filter: StreamFilter) -> MirrorSettings {
    mirror_that(OnMissingHistory::Fill, filter)
}

fn mirror_that(on_missing_history: OnMissingHistory, filter: StreamFilter) -> MirrorSettings {
    MirrorSettings {
        name: "all".into(),
        filter,
        read_from: None,
        states: Some(STATES),
        replication: Replication {
            on_missing_history,
            ..Replication::default()
        },
    }
}

/// Between these two, under the name "all".
fn start(source: &Server, destination: &Server, filter: StreamFilter) -> Copying {
    let (source, destination) = (cluster(source), cluster(destination));
    Copying::between(source, destination, mirror(filter), BUDGET)
}

fn asked() -> Outcome {
    Outcome::Stopped {
        clean: true,
        left: 0,
    }
}

fn everything() -> StreamFilter {
    StreamFilter::all()
}

/// Several categories, plain streams, and a link that a user wrote.
fn fill(store: &Store) {
    for number in 0..20 {
        seed(store, &format!("customer-{number}"), 5);
        seed(store, &format!("order-{number}"), 3);
    }
    seed(store, "plain", 40);
    write(store, "favourites", "$>", false, "2@customer-1");
    seed(store, "favourites", 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_database_is_mirrored_and_followed() {
    for generation in Generation::ALL {
        let servers =
            Servers::exactly(Options::playing(generation), Options::playing(generation)).await;
        fill(servers.source.store());
        let mirroring = start(&servers.source, &servers.destination, everything());
        servers.until_equal().await;
        fill(servers.source.store());
        servers.until_equal().await;
        assert_eq!(mirroring.stop().await, asked(), "{generation:?}");
        assert!(
            servers
                .destination
                .store()
                .stream_info(CHECKPOINTS)
                .last
                .is_some_and(|last| last > 0),
            "{generation:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_not_wanted_are_left_out() {
    let servers = Servers::start().await;
    fill(servers.source.store());
    let rules = |texts: &[&str]| -> Vec<Rule> {
        texts
            .iter()
            .map(|text| Rule::parse(text).unwrap())
            .collect()
    };
    let filter = StreamFilter::new(
        Some(rules(&["customer-*", "plain"])),
        rules(&["customer-1*"]),
    );
    let _mirroring = start(&servers.source, &servers.destination, filter);
    servers
        .until_copied(&[
            "customer-0".to_owned(),
            "customer-2".to_owned(),
            "plain".to_owned(),
        ])
        .await;
    for stream in ["customer-1", "customer-10", "order-0", "favourites"] {
        assert_eq!(
            servers.destination.store().stream_info(stream).last,
            None,
            "{stream}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_mirror_goes_on_from_its_checkpoint() {
    let servers = Servers::start().await;
    fill(servers.source.store());
    let first = start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    assert_eq!(first.stop().await, asked());
    seed(servers.source.store(), "plain", 5);
    let written = servers.destination.counters().appended_events;
    let second = start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    // As a process that is killed.
    drop(second);
    seed(servers.source.store(), "plain", 5);
    let _third = start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    let again = servers.destination.counters().appended_events - written;
    assert!(
        again < 30,
        "{again} events and checkpoints were written for 10 new ones"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_source_is_never_copied_from() {
    let servers = Servers::start().await;
    fill(servers.source.store());
    let first = start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    assert_eq!(first.stop().await, asked());
    let stranger = Server::start(support::servers::played(Options::default()))
        .await
        .unwrap();
    seed(stranger.store(), "customer-99", 3);
    let second = start(&stranger, &servers.destination, everything());
    let why = until("the mirror stops", || match second.seen.state() {
        PipelineState::Stopped(why) => Ok(why),
        state => Err(format!("it is {state:?}")),
    })
    .await;
    assert!(why.contains("is not the one that was copied"), "{why}");
    let there = servers.destination.store().stream_info("customer-99").last;
    assert_eq!(there, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_how_far_a_mirror_is() {
    let servers = Servers::start().await;
    fill(servers.source.store());
    let mirroring = start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    until("it has caught up, and nothing is open", || {
        let log = mirroring.seen.reading().and_then(|reading| reading.log);
        match log {
            Some(log) if log.caught_up && log.open == 0 && log.mark.is_some() => Ok(()),
            log => Err(format!("{log:?}")),
        }
    })
    .await;
    until("the status says so", || match mirroring.seen.view() {
        view if view.is_caught_up() == Some(true) && view.lag_bytes().is_some() => Ok(()),
        view => Err(format!("{view:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn destination_that_was_set_back_gets_again_what_it_lost() {
    let servers = Servers::start().await;
    fill(servers.source.store());
    let mirroring = start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    until_checkpoint(&servers).await;
    let there = servers.destination.store();
    let end = there.last_position();
    // Streams that nobody writes any more afterwards: no append would show what is missing.
    for number in 0..5 {
        seed(servers.source.store(), &format!("late-{number}"), 3);
    }
    servers.until_equal().await;
    servers.destination.end(Ending::Kill).await;
    there.cut(end + 1);
    assert!(servers.difference().is_err(), "nothing was lost");
    servers.destination.begin(Startup::default()).await.unwrap();
    servers.until_equal().await;
    drop(mirroring);
}

#[tokio::test(flavor = "multi_thread")]
async fn source_that_lost_what_was_copied_since_the_last_checkpoint_is_not_copied_on() {
    let servers = Servers::start().await;
    fill(servers.source.store());
    let mirroring = start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    until_checkpoint(&servers).await;
    let end = servers.source.store().last_position();
    seed(servers.source.store(), "late", 3);
    servers.until_equal().await;
    servers.source.end(Ending::Kill).await;
    servers.source.store().cut(end + 1);
    servers.source.begin(Startup::default()).await.unwrap();
    // What it writes instead.
    seed(servers.source.store(), "other", 3);
    let why = until("the mirror stops", || match mirroring.seen.state() {
        PipelineState::Stopped(why) => Ok(why),
        state => Err(format!("it is {state:?}")),
    })
    .await;
    assert!(
        why.contains("event 2 of stream late, which was copied, is no longer at"),
        "{why}"
    );
    assert_eq!(servers.destination.store().stream_info("other").last, None);
}

/// Lets a stream show only what is at this revision or after it.
fn truncate(store: &Store, stream: &str, before: u64) {
    let metadata = Store::json_event("$metadata", format!(r#"{{"$tb":{before}}}"#));
    store
        .append(&format!("$${stream}"), Expected::Any, vec![metadata])
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_held_stream_no_longer_shows_are_copied_from_the_log() {
    for generation in Generation::ALL {
        for deleted in [false, true] {
            let servers =
                Servers::exactly(Options::playing(generation), Options::playing(generation)).await;
            let source = servers.source.store();
            fill(source);
            seed(source, "gap", 3);
            truncate(source, "gap", 2);
            source.scavenge();
            let (from, to) = (cluster(&servers.source), cluster(&servers.destination));
            let holding = mirror_that(OnMissingHistory::Park, everything());
            let holding = Copying::between(from, to, holding, BUDGET);
            seed(source, "gap", 3);
            seed(source, "plain", 1);
            until("the stream is on record, and passed", || {
                let there = servers.destination.store();
                let is_held = there.stream_info("$ditto-held-all").last.is_some();
                let is_passed = there.stream_info("plain").last == source.stream_info("plain").last;
                (is_held && is_passed).then_some(()).ok_or("not yet")
            })
            .await;
            assert_eq!(holding.stop().await, asked());
            if deleted {
                source.delete("gap", Expected::Any).unwrap();
            } else {
                truncate(source, "gap", 5);
            }
            let _filling = start(&servers.source, &servers.destination, everything());
            until("all of it is there", || {
                let last = servers.destination.store().stream_info("gap").last;
                (last == Some(5)).then_some(()).ok_or(format!("{last:?}"))
            })
            .await;
            let types: Vec<String> = servers
                .destination
                .store()
                .appended("gap", 0, 10)
                .iter()
                .map(|record| record.event_type.to_string())
                .collect();
            assert_eq!(types[..2], ["ditto-missing", "ditto-missing"]);
            let ids = |store: &Store| -> Vec<_> {
                let records = store.appended("gap", 2, 10);
                records.iter().map(|record| record.id).collect()
            };
            assert_eq!(
                ids(servers.destination.store()),
                ids(source),
                "{generation:?}"
            );
        }
    }
}

/// Waits for a checkpoint that says that all of it is there.
async fn until_checkpoint(servers: &Servers) {
    let there = servers.destination.store();
    let before = there.stream_info(CHECKPOINTS).last;
    until("a checkpoint follows", || {
        match there.stream_info(CHECKPOINTS).last {
            last if last > before => Ok(()),
            last => Err(format!("{last:?}")),
        }
    })
    .await;
}
