//! `ditto parked` and `ditto verify --repair` as commands: beside a running daemon, and killed in the middle.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use devstore::{Fault, FaultKind};
use eventstore::{
    NakAction, PersistentSubscriptionOptions, PersistentSubscriptionSettings, StreamPosition,
    SystemConsumerStrategy,
};
use serde_json::Value;

use super::support::{Ditto, Servers, command, foreign_client, seed, until};

/// A configuration in a folder of its own.
pub(super) struct Configured {
    folder: tempfile::TempDir,
}

impl Configured {
    pub(super) fn new(servers: &Servers) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ditto.toml");
        std::fs::write(&file, servers.configuration(&["g"])).expect("written");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let (words, options) = arguments.split_at(arguments.len().min(2));
        command()
            .args(words)
            .arg("--config")
            .arg(self.path("ditto.toml"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program")
    }

    /// Exit code, stdout, stderr.
    pub(super) fn ask(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.start(arguments).wait_with_output().expect("an end");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    pub(super) fn listed(&self) -> Vec<Value> {
        let (code, lines, said) = self.ask(&["parked", "list", "--json"]);
        assert_eq!(code, Some(0), "{said}");
        lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

/// Another program is done with so many events of the group `g`; it parks those of some streams for this reason.
pub(super) async fn consume(
    servers: &Servers,
    count: u64,
    reason: &str,
    park: impl Fn(&str) -> bool,
) {
    let client = foreign_client(&servers.source);
    let settings = PersistentSubscriptionSettings {
        resolve_link_tos: true,
        start_from: StreamPosition::Start,
        checkpoint_after: Duration::from_secs(1),
        checkpoint_lower_bound: 1,
        checkpoint_upper_bound: 1,
        max_subscriber_count: 1,
        consumer_strategy_name: SystemConsumerStrategy::DispatchToSingle,
        ..PersistentSubscriptionSettings::default()
    };
    let options = PersistentSubscriptionOptions::default().settings(settings);
    client
        .create_persistent_subscription("$ce-customer", "g", &options)
        .await
        .expect("a group");
    let mut consumer = client
        .subscribe_to_persistent_subscription("$ce-customer", "g", &Default::default())
        .await
        .expect("a subscription");
    for _ in 0..count {
        let delivered = consumer.next().await.expect("an event");
        let is_parked = delivered
            .event
            .as_ref()
            .is_some_and(|event| park(&event.stream_id));
        let answered = if is_parked {
            consumer.nack(delivered, NakAction::Park, reason).await
        } else {
            consumer.ack(delivered).await
        };
        answered.expect("an answer");
    }
    let store = servers.source.store();
    let checkpoints = "$persistentsubscription-$ce-customer::g-checkpoint";
    until("the checkpoint", || {
        let last = store.stream_info(checkpoints).last?;
        let data = store.event(checkpoints, last)?.data().clone();
        (data == format!("\"{}\"", count - 1).as_bytes()).then_some(())
    })
    .await;
}

/// The ids of a stream at the destination, in order.
pub(super) fn copied(servers: &Servers, stream: &str) -> usize {
    servers.destination.store().appended(stream, 0, 1_000).len()
}

pub(super) fn is_same(servers: &Servers, stream: &str) -> bool {
    let ids = |store: &devstore::store::Store| -> Vec<_> {
        let events = store.appended(stream, 0, 1_000);
        events.iter().map(|event| event.id).collect()
    };
    ids(servers.source.store()) == ids(servers.destination.store())
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_events_are_listed_shown_exported_and_replayed_beside_the_daemon() {
    let servers = Servers::start().await;
    for stream in ["customer-1", "customer-2"] {
        seed(servers.source.store(), stream, 5);
    }
    consume(&servers, 10, "ditto: refused: too large", |stream| {
        stream == "customer-1"
    })
    .await;
    let _daemon = {
        let ditto = Ditto::start(&servers.configuration(&["g"]));
        ditto.until_notified("READY=1", 1).await;
        ditto
    };
    let commands = Configured::new(&servers);
    let listed = commands.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    let one = &listed[0];
    assert_eq!(
        (&one["stream"], &one["by"]),
        (&"customer-1".into(), &"ditto".into())
    );
    assert_eq!(
        (&one["parked"], &one["first"], &one["last"]),
        (&5.into(), &0.into(), &4.into())
    );
    assert_eq!(one["reason"], "refused: too large");
    let (_, table, _) = commands.ask(&["parked", "list"]);
    assert!(
        table.contains("customer-1") && table.contains("refused: too large"),
        "{table}"
    );

    let (code, shown, _) = commands.ask(&["parked", "show", "customer-1"]);
    assert_eq!((code, shown.lines().count()), (Some(0), 5), "{shown}");
    assert_eq!(commands.ask(&["parked", "show", "customer-2"]).0, Some(1));

    let file = commands.path("events.jsonl");
    let name = file.to_str().expect("UTF-8");
    assert_eq!(commands.ask(&["parked", "export", name]).0, Some(0));
    let exported = std::fs::read_to_string(&file).expect("a file");
    let last: Value = serde_json::from_str(exported.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (exported.lines().count(), &last["revision"]),
        (5, &4.into())
    );
    assert_eq!(last["event"]["data"]["number"], 4);
    let (code, _, said) = commands.ask(&["parked", "export", name]);
    assert_eq!(code, Some(1), "{said}");

    let (code, said, wrong) = commands.ask(&["parked", "replay", "customer-1", "customer-9"]);
    assert_eq!(code, Some(1), "{said}{wrong}");
    assert!(
        said.contains("customer-1 is at the destination up to revision 4"),
        "{said}"
    );
    assert!(wrong.contains("customer-9 has no parked events"), "{wrong}");
    assert!(is_same(&servers, "customer-1"));
    assert_eq!(commands.listed(), Vec::<Value>::new());
    let (code, said, _) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!((code, said.trim()), (Some(0), "nothing is parked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_forgotten_up_to_what_is_not_done_and_a_discard_is_asked_for() {
    let servers = Servers::start().await;
    for _ in 0..2 {
        seed(servers.source.store(), "customer-1", 2);
        seed(servers.source.store(), "customer-2", 2);
    }
    // Another program's reason: whoever parked it, it is replayed.
    consume(&servers, 8, "by hand", |_| true).await;
    let commands = Configured::new(&servers);
    assert_eq!(commands.listed()[0]["by"], "server");
    let (code, _, said) = commands.ask(&["parked", "replay", "customer-2"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("entries from 0 (of customer-1) on stay listed"),
        "{said}"
    );
    assert!(is_same(&servers, "customer-2"));
    assert_eq!(commands.listed().len(), 2);

    let (code, _, said) = commands.ask(&["parked", "discard", "customer-1"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(said.contains("give --yes"), "{said}");
    assert_eq!(commands.listed().len(), 2);
    let (code, _, said) = commands.ask(&["parked", "discard", "customer-1", "customer-2", "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("customer-1 #0 to #3: 4 parked events are discarded"),
        "{said}"
    );
    assert_eq!(commands.listed(), Vec::<Value>::new());
    assert_eq!(copied(&servers, "customer-1"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_brought_stays_parked_with_the_reason() {
    let servers = Servers::start().await;
    for stream in ["customer-1", "customer-2"] {
        seed(servers.source.store(), stream, 3);
    }
    seed(servers.destination.store(), "customer-1", 1);
    consume(&servers, 6, "ditto: conflict: x", |_| true).await;
    let commands = Configured::new(&servers);
    let (code, _, said) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("customer-1 is not copied: ditto: conflict: revision 0 is event"),
        "{said}"
    );
    assert!(is_same(&servers, "customer-2"));
    assert_eq!(copied(&servers, "customer-1"), 1);
    assert_eq!(commands.listed()[0]["stream"], "customer-1");
}

/// Three events in each.
fn seed_200_streams(servers: &Servers) -> BTreeSet<String> {
    let streams = (0..200).map(|number| format!("customer-{number}"));
    streams
        .inspect(|stream| seed(servers.source.store(), stream, 3))
        .collect()
}

/// Kills it once some streams are there, and runs it again beside a daemon.
async fn killed_and_run_again(servers: &Servers, arguments: &[&str], streams: &BTreeSet<String>) {
    let _daemon = Ditto::start(&servers.configuration(&["g"]));
    let commands = Configured::new(servers);
    let slow = Fault::new(FaultKind::SlowAppend { ms: 200 });
    servers.destination.faults().add(slow);
    let mut first = commands.start(arguments);
    until("some streams", || {
        let there = streams.iter().filter(|stream| copied(servers, stream) > 0);
        (there.count() >= 3).then_some(())
    })
    .await;
    first.kill().expect("a kill");
    let end = first.wait().expect("an end");
    assert_eq!(end.code(), None, "it was not done yet");
    let (code, said, wrong) = commands.ask(arguments);
    assert_eq!(code, Some(0), "{said}{wrong}");
    for stream in streams {
        assert!(is_same(servers, stream), "{stream}");
    }
    let (code, table, wrong) = commands.ask(&["verify", "--json"]);
    assert_eq!(code, Some(0), "{table}{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_was_killed_in_the_middle_is_completed_by_the_next() {
    let servers = Servers::start().await;
    let streams = seed_200_streams(&servers);
    consume(&servers, 600, "ditto: refused: x", |_| true).await;
    killed_and_run_again(&servers, &["parked", "replay", "--all"], &streams).await;
    assert_eq!(Configured::new(&servers).listed(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_is_shown_first_and_one_that_was_killed_is_completed_by_the_next() {
    let servers = Servers::start().await;
    let streams = seed_200_streams(&servers);
    consume(&servers, 600, "", |_| false).await;
    let commands = Configured::new(&servers);
    let (code, _, said) = commands.ask(&["verify", "--repair"]);
    assert_eq!(code, Some(1), "{said}");
    for text in [
        "would append customer-0 #0 to #2",
        "and 180 streams more",
        "nothing is repaired: there is no terminal to ask on; give --yes",
    ] {
        assert!(said.contains(text), "{text} in {said}");
    }
    assert_eq!(servers.destination.counters().appended_events, 0);
    killed_and_run_again(&servers, &["verify", "--repair", "--yes"], &streams).await;
    assert_eq!(servers.destination.counters().appended_events, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_brings_what_no_projection_links_and_leaves_what_differs() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    seed(servers.source.store(), "customer-2", 3);
    seed(servers.destination.store(), "customer-2", 1);
    let empty = devstore::store::Proposed {
        data: bytes::Bytes::new(),
        ..devstore::store::Store::json_event("empty", "")
    };
    let store = servers.source.store();
    store
        .append("customer-1", devstore::store::Expected::Any, vec![empty])
        .expect("an append");
    consume(&servers, 6, "", |_| false).await;
    let commands = Configured::new(&servers);
    let (code, table, said) = commands.ask(&["verify", "--repair", "--yes"]);
    assert_eq!(code, Some(1), "{table}{said}");
    assert!(is_same(&servers, "customer-1"));
    assert_eq!(copied(&servers, "customer-1"), 4);
    assert_eq!(copied(&servers, "customer-2"), 1, "never overwritten");
    assert!(
        said.contains("customer-2 is not repaired: ditto: conflict"),
        "{said}"
    );
}
