//! `ditto parked` where an entry is not what its text says: users' links, deletions, links that name nothing, and events
//! that a placeholder was put in the place of. Entries that no server would park here are written into the queue.

use bytes::Bytes;
use devstore::store::{Expected, Proposed, Store};
use eventstore::NakAction;
use uuid::Uuid;

use super::parking::{Configured, consume, copied, is_same};
use super::support::{Servers, foreign_client, seed, until};

const QUEUE: &str = "$persistentsubscription-$ce-customer::g-parked";

fn append(store: &Store, stream: &str, event: Proposed) {
    store
        .append(stream, Expected::Any, vec![event])
        .expect("an append");
}

fn link(text: &str, metadata: &str) -> Proposed {
    Proposed {
        id: Uuid::new_v4(),
        event_type: "$>".into(),
        is_json: false,
        data: Bytes::from(text.to_owned()),
        metadata: Bytes::from(metadata.to_owned()),
    }
}

/// An entry for the record of this number in the group's stream.
fn entry(text: &str, number: u64) -> Proposed {
    let number = match number {
        0 => String::new(),
        number => format!(r#","subscriptionEventNumber":{number}"#),
    };
    link(
        text,
        &format!(r#"{{"added":"2026-01-01","reason":"x"{number}}}"#),
    )
}

/// `customer-9` holds a user's own link to an event of a stream that nobody subscribed to, and it is parked.
async fn with_parked_link() -> Servers {
    let servers = Servers::start().await;
    let source = servers.source.store();
    seed(source, "secret-1", 6);
    append(source, "customer-9", link("5@secret-1", ""));
    consume(&servers, 1, "by hand", |_| true).await;
    assert_eq!(source.stream_info(QUEUE).last, Some(0));
    servers
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_of_a_users_link_copies_the_stream_that_holds_it() {
    let servers = with_parked_link().await;
    let commands = Configured::new(&servers);
    let listed = commands.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (&listed[0]["stream"], &listed[0]["kind"]),
        (&"customer-9".into(), &"copied".into())
    );
    let (code, said, wrong) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!(code, Some(0), "{said}{wrong}");
    assert!(is_same(&servers, "customer-9"));
    assert_eq!(copied(&servers, "secret-1"), 0, "nobody subscribed to it");
    assert!(commands.listed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_of_a_users_link_in_conflict_keeps_the_entry() {
    let servers = with_parked_link().await;
    seed(servers.destination.store(), "customer-9", 1);
    let commands = Configured::new(&servers);
    let (code, said, wrong) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!(code, Some(1), "{said}{wrong}");
    assert!(wrong.contains("customer-9 is not copied"), "{wrong}");
    assert_eq!(copied(&servers, "secret-1"), 0, "nobody subscribed to it");
    assert_eq!(commands.listed()[0]["stream"], "customer-9");
}

#[tokio::test(flavor = "multi_thread")]
async fn entry_parked_again_is_traced_through_the_earlier_entry() {
    let servers = with_parked_link().await;
    let source = servers.source.store();
    seed(source, "customer-1", 2);
    // Their numbers are those of earlier entries, not of links.
    append(source, QUEUE, entry("1@customer-1", 2));
    append(source, QUEUE, entry("5@secret-1", 0));
    append(source, QUEUE, entry("1@customer-1", 1));
    let commands = Configured::new(&servers);
    let (code, said, wrong) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!(code, Some(0), "{said}{wrong}");
    assert!(is_same(&servers, "customer-9") && is_same(&servers, "customer-1"));
    assert_eq!(copied(&servers, "secret-1"), 0, "nobody subscribed to it");
    assert!(commands.listed().is_empty());
}

/// The server's own replay hands out what is parked and forgets it; so many are parked again, with numbers of the queue.
async fn park_again(servers: &Servers, count: u64) {
    let before = servers.source.store().stream_info(QUEUE).last;
    let client = foreign_client(&servers.source);
    let mut consumer = client
        .subscribe_to_persistent_subscription("$ce-customer", "g", &Default::default())
        .await
        .expect("a subscription");
    client
        .replay_parked_messages("$ce-customer", "g", &Default::default())
        .await
        .expect("a replay");
    for _ in 0..count {
        let delivered = consumer.next().await.expect("an event");
        let answered = consumer.nack(delivered, NakAction::Park, "again").await;
        answered.expect("an answer");
    }
    until("all are parked again", || {
        let last = servers.source.store().stream_info(QUEUE).last;
        (last == before.map(|before| before + count)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_parked_again_after_a_server_replay_are_replayed() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-0", 3);
    seed(servers.source.store(), "customer-1", 3);
    consume(&servers, 6, "by hand", |stream| stream == "customer-1").await;
    park_again(&servers, 3).await;
    let commands = Configured::new(&servers);
    let (code, said, wrong) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!(code, Some(0), "{said}{wrong}");
    assert!(is_same(&servers, "customer-1"));
    assert!(commands.listed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn entry_whose_link_is_lost_stays_and_is_named() {
    let servers = with_parked_link().await;
    let source = servers.source.store();
    append(source, QUEUE, entry("5@secret-1", 7));
    park_again(&servers, 2).await;
    // The category's first links are gone.
    append(
        source,
        "$$$ce-customer",
        Store::json_event("$metadata", r#"{"$tb":1}"#),
    );
    let commands = Configured::new(&servers);
    let listed = commands.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (&listed[0]["kind"], &listed[0]["stream"]),
        (&"untraced".into(), &"secret-1".into())
    );
    let (code, said, wrong) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!(code, Some(1), "{said}{wrong}");
    assert!(wrong.contains("secret-1 is not copied: entry 2"), "{wrong}");
    assert_eq!(copied(&servers, "secret-1"), 0, "nobody subscribed to it");
    assert_eq!(commands.listed(), listed);
    let (code, _, said) = commands.ask(&["parked", "discard", "--all", "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(commands.listed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_deletion_notice_is_named_and_blocks_nothing() {
    let servers = Servers::start().await;
    let source = servers.source.store();
    seed(source, "customer-1", 1);
    source
        .delete("customer-1", Expected::Any)
        .expect("a deletion");
    seed(source, "customer-2", 2);
    consume(&servers, 4, "by hand", |stream| stream != "customer-1").await;
    for text in [
        "9223372036854775807@customer-1",
        "1@",
        "18446744073709551615@customer-1",
        "rubbish",
    ] {
        append(source, QUEUE, entry(text, 40));
    }
    let commands = Configured::new(&servers);
    let listed = commands.listed();
    let of = |kind: &str| listed.iter().filter(|one| one["kind"] == kind).count();
    assert_eq!((of("copied"), of("never_copied")), (1, 4), "{listed:?}");
    let notice = listed.iter().find(|one| one["stream"] == "$$customer-1");
    let remark = &notice.expect("the notice is named")["remark"];
    assert_eq!(remark, "never copied (notice of a deletion)");
    let (code, said, wrong) = commands.ask(&["parked", "replay", "customer-2"]);
    assert_eq!((code, &*wrong), (Some(0), ""), "{said}");
    assert!(is_same(&servers, "customer-2"));
    assert!(commands.listed().is_empty());

    append(source, QUEUE, entry("0@$$customer-1", 40));
    let (code, said, wrong) = commands.ask(&["parked", "discard", "$$customer-1"]);
    assert_eq!((code, &*wrong), (Some(0), ""), "{said}");
    assert!(commands.listed().is_empty());
    append(source, QUEUE, entry("1@", 40));
    let (code, said, wrong) = commands.ask(&["parked", "replay", "--all"]);
    assert_eq!((code, &*wrong), (Some(0), ""), "{said}");
    assert!(commands.listed().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn placeholder_in_place_of_a_parked_event_keeps_the_entries() {
    for is_hidden in [false, true] {
        let servers = Servers::start().await;
        seed(servers.source.store(), "customer-1", 3);
        consume(&servers, 3, "by hand", |_| true).await;
        for record in servers.source.store().appended("customer-1", 0, 3) {
            let is_filled = record.revision == 1;
            let name = "customer-1".into();
            let event = Proposed {
                id: if is_filled {
                    ditto_core::placeholder_id(&name, 1)
                } else {
                    record.id
                },
                event_type: record.event_type.clone(),
                is_json: record.is_json,
                data: record.data(),
                metadata: record.metadata(),
            };
            append(servers.destination.store(), "customer-1", event);
        }
        if is_hidden {
            // As ditto truncates a stream that it begins with placeholders.
            let metadata = Store::json_event("$metadata", r#"{"$tb":2}"#);
            append(servers.destination.store(), "$$customer-1", metadata);
        }
        let commands = Configured::new(&servers);
        let (code, said, wrong) = commands.ask(&["parked", "replay", "--all"]);
        assert_eq!(code, Some(1), "{said}{wrong}");
        assert!(
            wrong.contains("revision 1 is not proven")
                || is_hidden && wrong.contains("revision 0 is not proven"),
            "{wrong}"
        );
        assert_eq!(commands.listed()[0]["parked"], 3);
        assert_eq!(
            copied(&servers, "customer-1"),
            3,
            "the proof writes nothing"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstoned_queue_is_not_taken_for_an_empty_one() {
    let servers = with_parked_link().await;
    let source = servers.source.store();
    source.tombstone(QUEUE, Expected::Any).expect("a tombstone");
    let commands = Configured::new(&servers);
    for command in ["list", "replay", "discard"] {
        let all: &[&str] = if command == "list" { &[] } else { &["--all"] };
        let (code, said, wrong) = commands.ask(&[&["parked", command], all].concat());
        assert_eq!(code, Some(1), "{command}: {said}");
        assert!(
            wrong.contains("it is tombstoned: what was parked is lost"),
            "{wrong}"
        );
    }
}
