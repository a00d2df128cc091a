//! The log as mirrors read it, from development servers of both generations: subscriptions, single records, epochs, ends of
//! streams, and nodes that lag. Never asserts a duration.

use devstore::store::{Expected, Store};
use devstore::{Generation, Options, Server};
use ditto::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};
use ditto::eventstore::client::{
    Client, LogMessage, LogNode, LogSubscription, NodeRole, StreamEnd, SubscribeLog,
};
use ditto::eventstore::{Class, Side};
use ditto_core::port::LogPosition;
use ditto_protocol::gossip::member_info::VNodeState;
use uuid::Uuid;

use super::soon;

/// Everything but system streams, with metadata streams (protocol §15.6).
const USERS: &str = r"\A(?:\$\$)?[^$]";

pub(super) async fn started(options: Options) -> (Server, Client) {
    let server = Server::start(options).await.unwrap();
    let string = server
        .connection_string()
        .replace("esdb:", "esdb+discover:");
    let string = ConnectionString::parse(&format!("{string}&defaultDeadline=5000")).unwrap();
    let settings = ClusterSettings::new(string, ClusterKeys::default()).unwrap();
    (server, Client::connect(Side::Source, settings))
}

pub(super) fn nodes(generation: Generation, nodes: usize) -> Options {
    Options {
        nodes,
        time_scale: 50.0,
        ..Options::playing(generation)
    }
}

pub(super) fn write(store: &Store, stream: &str, events: u64) {
    let events = (0..events).map(|_| Store::json_event("happened", "{}"));
    store
        .append(stream, Expected::Any, events.collect())
        .unwrap();
}

/// The position of a record that is there, as the server gives it.
pub(super) fn place(store: &Store, stream: &str, revision: u64) -> LogPosition {
    let found = store.appended(stream, revision, 1);
    let commit = found[0].position;
    LogPosition {
        commit,
        prepare: commit,
    }
}

async fn subscribe(
    client: &Client,
    node: &LogNode,
    after: Option<LogPosition>,
    streams: &str,
) -> LogSubscription {
    let subscribe = SubscribeLog {
        after,
        streams: streams.to_owned(),
    };
    soon(client.subscribe_log(node, &subscribe)).await.unwrap()
}

/// What comes until the subscription has caught up: records in a few words, and the last place that was looked at.
async fn history(subscription: &mut LogSubscription) -> (Vec<String>, Option<LogPosition>) {
    let (mut records, mut looked) = (Vec::new(), None);
    loop {
        match soon(subscription.next()).await.unwrap().unwrap() {
            LogMessage::Record(record) => records.push(told(&record.event)),
            LogMessage::LookedThrough(place) => looked = Some(place),
            LogMessage::CaughtUp => return (records, looked),
            LogMessage::FellBehind => {}
        }
    }
}

fn told(event: &ditto_core::event::Event) -> String {
    format!("{}@{}", event.revision, event.stream)
}

#[tokio::test]
async fn subscription_brings_what_matches_after_its_position() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 1)).await;
        let store = server.store();
        write(store, "a-1", 3);
        write(store, "b-1", 2);
        let metadata = vec![Store::json_event("$metadata", r#"{"$tb":2}"#)];
        store.append("$$a-1", Expected::Any, metadata).unwrap();
        let node = soon(client.log_node(None, &[])).await.unwrap();
        let all = ["0@a-1", "1@a-1", "2@a-1", "0@b-1", "1@b-1", "0@$$a-1"];
        let mut whole = subscribe(&client, &node, None, USERS).await;
        assert_eq!(history(&mut whole).await.0, all);
        for (after, streams, expected) in [
            (place(store, "a-1", 2), USERS, &all[3..]),
            // A record that the filter leaves out.
            (
                place(store, "$ce-a", 0),
                r"\A(?:\$\$)?(?:a\-)",
                &["1@a-1", "2@a-1", "0@$$a-1"][..],
            ),
            (place(store, "$$a-1", 0), USERS, &[]),
        ] {
            let mut rest = subscribe(&client, &node, Some(after), streams).await;
            assert_eq!(
                history(&mut rest).await.0,
                expected,
                "{generation:?} {after:?}"
            );
        }
        write(store, "a-1", 1);
        let Some(LogMessage::Record(live)) = soon(whole.next()).await.unwrap() else {
            panic!("no record")
        };
        assert_eq!(told(&live.event), "3@a-1");
        assert_eq!(live.position, place(store, "a-1", 3));
        server.stop().await;
        let lost = soon(whole.next()).await.unwrap_err();
        assert!(lost.is_transient(), "{lost}");
    }
}

#[tokio::test]
async fn places_that_were_looked_through_are_places_to_go_on_after() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 1)).await;
        let store = server.store();
        for round in 0..20 {
            write(store, &format!("other-{round}"), 500);
            write(store, "wanted", 1);
        }
        let node = soon(client.log_node(None, &[])).await.unwrap();
        let mut subscription = subscribe(&client, &node, None, r"\Awanted\z").await;
        let (mut seen, mut places) = (0, Vec::new());
        while seen < 20 {
            match soon(subscription.next()).await.unwrap().unwrap() {
                LogMessage::Record(record) => {
                    assert_eq!(record.event.revision, seen);
                    seen += 1;
                }
                LogMessage::LookedThrough(place) => places.push((place, seen)),
                other => panic!("{other:?}"),
            }
        }
        assert!(places.len() > 3, "{}", places.len());
        for (place, before) in places {
            let mut again = subscribe(&client, &node, Some(place), r"\Awanted\z").await;
            let (records, _) = history(&mut again).await;
            let expected: Vec<String> = (before..20).map(|at| format!("{at}@wanted")).collect();
            assert_eq!(records, expected, "{generation:?} {place:?}");
        }
    }
}

#[tokio::test]
async fn invalid_position_is_told_from_an_outage_and_a_bad_filter() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 1)).await;
        write(server.store(), "a-1", 2);
        let found = place(server.store(), "a-1", 0);
        let inside = LogPosition {
            commit: found.commit + 1,
            prepare: found.commit + 1,
        };
        let node = soon(client.log_node(None, &[])).await.unwrap();
        let opened = |after, streams: &str| {
            let subscribe = SubscribeLog {
                after: Some(after),
                streams: streams.to_owned(),
            };
            let (client, node) = (&client, &node);
            async move {
                // The newer server confirms before it refuses.
                let mut opened = client.subscribe_log(node, &subscribe).await?;
                opened.next().await
            }
        };
        for (after, streams, expected) in [
            (inside, USERS, Class::InvalidPosition),
            (found, "(", Class::Refused),
        ] {
            let refused = soon(opened(after, streams)).await.unwrap_err();
            assert_eq!(*refused.class(), expected, "{generation:?} {refused}");
        }
        for refused in [
            soon(client.record_at(inside)).await.unwrap_err(),
            soon(client.record_at_node(&node, inside))
                .await
                .unwrap_err(),
        ] {
            assert_eq!(*refused.class(), Class::InvalidPosition, "{refused}");
            assert!(!refused.is_transient());
        }
        server.stop().await;
        let lost = soon(opened(inside, USERS)).await.unwrap_err();
        assert!(lost.is_transient(), "{generation:?} {lost}");
        let lost = soon(client.record_at_node(&node, inside))
            .await
            .unwrap_err();
        assert!(lost.is_transient(), "{generation:?} {lost}");
    }
}

#[tokio::test]
async fn record_at_a_position_is_that_record_or_the_next_that_is_left() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 1)).await;
        let store = server.store();
        write(store, "a-1", 3);
        write(store, "b-1", 1);
        let at = async |position| {
            let record = soon(client.record_at(position)).await.unwrap();
            record.map(|record| told(&record.event))
        };
        let first = place(store, "a-1", 0);
        let bare = LogPosition {
            prepare: 0,
            ..first
        };
        let end = LogPosition {
            commit: store.end(),
            prepare: store.end(),
        };
        for (position, expected) in [(first, Some("0@a-1")), (bare, Some("0@a-1")), (end, None)] {
            assert_eq!(at(position).await.as_deref(), expected, "{position:?}");
        }
        let metadata = vec![Store::json_event("$metadata", r#"{"$maxCount":1}"#)];
        store.append("$$a-1", Expected::Any, metadata).unwrap();
        store.scavenge();
        let survivor = at(first).await.unwrap();
        assert_ne!(survivor, "0@a-1", "{generation:?}");
        let last = soon(client.log_end()).await.unwrap();
        assert_eq!(last.map(|end| end.commit), Some(store.last_position()));
        let node = soon(client.log_node(None, &[])).await.unwrap();
        assert_eq!(soon(client.log_end_at(&node)).await, Ok(last));
    }
}

#[tokio::test]
async fn epochs_are_those_that_leaders_began() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 3)).await;
        let first = soon(client.epochs()).await.unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].position, 0, "the first begins at 0");
        let begins = server.store().end();
        assert!(server.lead(1).await);
        // More than a page.
        for _ in 0..600 {
            server.store().begin_epoch(Uuid::nil());
        }
        let all = soon(client.epochs()).await.unwrap();
        assert_eq!(all.len(), 602);
        assert_eq!(
            (all[0], all[1].position),
            (first[0], begins),
            "{generation:?}"
        );
        assert!(all.is_sorted_by(|one, next| one.position < next.position));
    }
}

#[tokio::test]
async fn end_of_a_stream_is_known_whatever_can_be_read_of_it() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 1)).await;
        let store = server.store();
        for stream in ["plain", "deleted", "gone", "Kunde-ä", "weg-ä"] {
            write(store, stream, 3);
        }
        store.delete("deleted", Expected::Any).unwrap();
        for gone in ["gone", "weg-ä"] {
            store.tombstone(gone, Expected::Any).unwrap();
        }
        let records = store.record_count();
        for (stream, expected) in [
            ("plain", StreamEnd::At(2)),
            ("deleted", StreamEnd::At(2)),
            ("Kunde-ä", StreamEnd::At(2)),
            ("gone", StreamEnd::Tombstoned),
            ("weg-ä", StreamEnd::Tombstoned),
            ("never", StreamEnd::NoEvent),
            ("nie-ä", StreamEnd::NoEvent),
        ] {
            let end = soon(client.stream_end(&stream.into())).await;
            assert_eq!(end, Ok(expected), "{generation:?} {stream}");
        }
        assert_eq!(store.record_count(), records, "nothing is written");
    }
}

#[tokio::test]
async fn follower_is_read_from_until_it_lags_or_starts_anew() {
    for generation in Generation::ALL {
        let (server, client) = started(nodes(generation, 3)).await;
        let address = |node: usize| server.addresses()[node].to_string();
        server.set_state(2, Some(VNodeState::CatchingUp));
        write(server.store(), "a-1", 2);
        let node = soon(client.log_node(None, &[])).await.unwrap();
        assert_eq!(node.role(), NodeRole::Follower);
        assert_eq!(node.endpoint().to_string(), address(1));
        let mut subscription = subscribe(&client, &node, None, USERS).await;
        assert_eq!(history(&mut subscription).await.0, ["0@a-1", "1@a-1"]);
        let standing = soon(client.log_standing(&node)).await.unwrap();
        assert_eq!(
            (standing.role, standing.lag()),
            (Some(NodeRole::Follower), Some(0))
        );
        assert!(standing.has_leader);
        let held = server.store().last_position();
        assert!(server.hold_back(1).is_some());
        write(server.store(), "a-1", 50);
        let standing = soon(client.log_standing(&node)).await.unwrap();
        let lag = server.store().last_position() - held;
        assert_eq!(standing.lag(), Some(lag), "{generation:?}");
        assert_eq!(
            soon(client.log_end_at(&node))
                .await
                .unwrap()
                .map(|end| end.commit),
            Some(held)
        );
        // Moving on: to the only other one that may be read from.
        let avoided = [node.endpoint().clone()];
        let other = soon(client.log_node(None, &avoided)).await.unwrap();
        assert_eq!(
            (other.role(), other.endpoint().to_string()),
            (NodeRole::Leader, address(0))
        );
        server.rejoin(1).await.unwrap();
        for revision in 2..52 {
            let Some(LogMessage::Record(record)) = soon(subscription.next()).await.unwrap() else {
                panic!("no record")
            };
            assert_eq!(record.event.revision, revision);
        }
        server.set_state(1, Some(VNodeState::PreReplica));
        let standing = soon(client.log_standing(&node)).await.unwrap();
        assert_eq!((standing.role, standing.has_leader), (None, true));
        server.set_state(1, None);
        // One that is cut off: it still calls itself a follower, but nobody leads.
        server.set_state(0, Some(VNodeState::Unknown));
        let standing = soon(client.log_standing(&node)).await.unwrap();
        assert_eq!(
            (standing.role, standing.has_leader),
            (Some(NodeRole::Follower), false)
        );
    }
}

#[tokio::test]
async fn subscription_at_a_follower_outlives_an_election() {
    let (server, client) = started(nodes(Generation::default(), 3)).await;
    write(server.store(), "a-1", 1);
    let node = soon(client.log_node(Some(NodeRole::Follower), &[]))
        .await
        .unwrap();
    let mut subscription = subscribe(&client, &node, None, USERS).await;
    history(&mut subscription).await;
    server.end_node(0, devstore::Ending::Kill).await;
    write(server.store(), "a-1", 1);
    let Some(LogMessage::Record(record)) = soon(subscription.next()).await.unwrap() else {
        panic!("no record")
    };
    assert_eq!(record.event.revision, 1);
}
