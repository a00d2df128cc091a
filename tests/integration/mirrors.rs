//! Mirrors between development servers over real sockets: a whole database is copied from its log, a restart goes on, and a
//! source that is not the copied one is never copied from. Never asserts a duration.

use std::sync::Arc;
use std::time::Duration;

use devstore::store::Store;
use devstore::{Generation, Options, Server};
use ditto::config::settings::{Replication, SubscriptionKey};
use ditto::destination::event_store::EventStore;
use ditto::eventstore::Side;
use ditto::pipeline::replicate::{self, Outcome, Pipeline, core_settings};
use ditto::source::log::Database;
use ditto_core::LogSettings;
use ditto_core::event::StreamName;
use ditto_core::filter::{Rule, StreamFilter};
use ditto_core::port::PipelineState;
use ditto_core::port::log::Holder;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::servers::client;
use crate::support::shown::Shown;
use crate::support::{Servers, seed, until, write};

const CHECKPOINTS: &str = "$ditto-mirror-all";

/// A mirror under way.
struct Mirroring {
    task: JoinHandle<Outcome>,
    stop: watch::Sender<Option<Instant>>,
    _budget: watch::Sender<usize>,
    seen: Shown,
}

impl Mirroring {
    fn start(source: &Server, destination: &Server, filter: StreamFilter) -> Self {
        let key = SubscriptionKey {
            stream: StreamName::from("$all"),
            group: "all".into(),
        };
        let (stop, stopping) = watch::channel(None);
        let (budget, budgeted) = watch::channel(64 << 20);
        let seen = Shown::new(&key);
        let instance = Uuid::new_v4();
        let database = Database::new(client(Side::Source, source), &filter, None);
        let log = LogSettings {
            filter,
            holder: Holder {
                name: format!("test/{instance}"),
                instance,
            },
        };
        let pipeline = Pipeline {
            key,
            settings: core_settings(&Replication::default(), true),
            source: Arc::new(database),
            destination: Arc::new(EventStore::new(client(Side::Destination, destination))),
            observer: seen.observer.clone(),
            budget: budgeted,
            stop: stopping,
        };
        Self {
            task: tokio::spawn(replicate::mirror("all".into(), log, pipeline)),
            stop,
            _budget: budget,
            seen,
        }
    }

    async fn stop(mut self) -> Outcome {
        self.stop
            .send_replace(Some(Instant::now() + Duration::from_secs(10)));
        (&mut self.task).await.unwrap()
    }

    async fn until_stopped(&self) -> String {
        until("the mirror stops", || match self.seen.state() {
            PipelineState::Stopped(why) => Ok(why),
            state => Err(format!("it is {state:?}")),
        })
        .await
    }
}

/// As a process that is killed.
impl Drop for Mirroring {
    fn drop(&mut self) {
        self.task.abort();
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
        let mirroring = Mirroring::start(&servers.source, &servers.destination, everything());
        servers.until_equal().await;
        fill(servers.source.store());
        servers.until_equal().await;
        let asked = Outcome::Stopped {
            clean: true,
            left: 0,
        };
        assert_eq!(mirroring.stop().await, asked, "{generation:?}");
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
    let _mirroring = Mirroring::start(&servers.source, &servers.destination, filter);
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
    let first = Mirroring::start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    let asked = Outcome::Stopped {
        clean: true,
        left: 0,
    };
    assert_eq!(first.stop().await, asked);
    seed(servers.source.store(), "plain", 5);
    let written = servers.destination.counters().appended_events;
    let second = Mirroring::start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    // As a process that is killed.
    drop(second);
    seed(servers.source.store(), "plain", 5);
    let _third = Mirroring::start(&servers.source, &servers.destination, everything());
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
    let first = Mirroring::start(&servers.source, &servers.destination, everything());
    servers.until_equal().await;
    first.stop().await;
    let stranger = Server::start(support::servers::played(Options::default()))
        .await
        .unwrap();
    seed(stranger.store(), "customer-99", 3);
    let second = Mirroring::start(&stranger, &servers.destination, everything());
    let why = second.until_stopped().await;
    assert!(why.contains("is not the one that was copied"), "{why}");
    let there = servers.destination.store().stream_info("customer-99").last;
    assert_eq!(there, None);
}
