//! What the generations of servers do differently and no recording shows (protocol §15.6, §16). Never asks for groups.

use devstore::store::{Expected, Store};
use devstore::{Generation, Options};

use crate::support::{Batch, log, next, server, within, write};

#[tokio::test]
async fn subscriptions_start_at_a_scavenged_position_by_generation() {
    for (generation, revisions) in [
        // The only event of s-1 that is left never comes.
        (Generation::V23_10_4, vec!["0", "1"]),
        (Generation::V26_1_0, vec!["4", "0", "1"]),
    ] {
        let (server, mut client) = server(Options::playing(generation)).await;
        write(&server, "s-1", 0..5);
        write(&server, "s-2", 5..7);
        let metadata = Store::json_event("$metadata", r#"{"$maxCount":1}"#);
        let appended = server
            .store()
            .append("$$s-1", Expected::Any, vec![metadata]);
        appended.unwrap();
        let start = server.store().event("s-1", 4).unwrap().position;
        let begin = server.store().appended("s-1", 0, 1)[0].position;
        assert!(begin < start);
        assert_eq!(server.store().scavenge(), 4);
        let mut answers = within(client.read(log(Some((begin, begin)))))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(next(&mut answers).await, "confirmed");
        for revision in revisions {
            assert_eq!(next(&mut answers).await, revision, "{generation:?}");
        }
    }
}

#[tokio::test]
async fn subscription_from_a_bare_commit_position_starts_by_generation() {
    for (generation, revisions) in [
        (Generation::V23_10_4, ["1", "2"]),
        (Generation::V26_1_0, ["0", "1"]),
    ] {
        let (server, mut client) = server(Options::playing(generation)).await;
        write(&server, "s-1", 0..3);
        let first = server.store().event("s-1", 0).unwrap().position;
        let subscribed = within(client.read(log(Some((first, 0))))).await;
        let mut answers = subscribed.unwrap().into_inner();
        assert_eq!(next(&mut answers).await, "confirmed");
        for revision in revisions {
            assert_eq!(next(&mut answers).await, revision, "{generation:?}");
        }
    }
}

#[tokio::test]
async fn an_unfinished_batch_write_is_timed_out() {
    for generation in Generation::ALL {
        let options = Options {
            time_scale: 20.0,
            ..Options::playing(generation)
        };
        let (server, mut client) = server(options).await;
        let mut batch = Batch::open(&mut client).await.unwrap();
        batch.begin("s", 1).await;
        assert_eq!(batch.answer().await, "1 4 Timeout", "{generation:?}");
        batch.write("s", 2).await;
        assert_eq!(batch.answer().await, "2 ok");
        assert_eq!(server.store().stream_info("s").last, Some(0));
    }
}
