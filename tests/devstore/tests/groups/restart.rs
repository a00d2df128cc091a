//! Where groups go on after the end of a server (protocol §14.3). Never looks at what other calls do meanwhile.

use super::client::*;
use devstore::{Ending, Startup};
use ditto_protocol::persistent_subscriptions::create_req;
use ditto_protocol::persistent_subscriptions::read_req::nack;

/// A consumer acknowledges some, sends one back and parks one; what comes after the server's end and start.
async fn after(ending: Ending, min_checkpoint_count: i32) -> Vec<(u64, i32)> {
    let options = devstore::Options {
        time_scale: 20.0,
        ..devstore::Options::default()
    };
    let (server, mut client) = server_with(options).await;
    let ids = write(&server, "s", 8);
    let settings = create_req::Settings {
        min_checkpoint_count,
        ..settings()
    };
    create(&mut client, "s", settings).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "s", 100).await.unwrap();
    consumer.take(8).await;
    consumer.nack(ids[3], nack::Action::Retry).await;
    assert_eq!(consumer.take(1).await[0].2, 1);
    consumer.nack(ids[4], nack::Action::Park).await;
    let done: Vec<_> = ids[..3].iter().chain(&ids[5..6]).copied().collect();
    consumer.ack(&done).await;
    let checkpoint = if min_checkpoint_count == 1 { "2" } else { "" };
    until(&mut client, "s", |info| {
        let checkpointed = info.last_checkpointed_event_position == checkpoint;
        checkpointed && info.outstanding_messages_count == 3 && info.parked_message_count == 1
    })
    .await;
    server.end(ending).await;
    server.start_again().await.unwrap();
    let mut client = connect(&server).await;
    let expected = if min_checkpoint_count == 1 { 5 } else { 8 };
    let mut consumer = Consumer::join(&mut client, "s", 100).await.unwrap();
    let events = consumer.take(expected).await;
    events.iter().map(|event| (event.0, event.2)).collect()
}

#[tokio::test]
async fn a_group_goes_on_behind_its_checkpoint_with_no_retries() {
    let from = |first: u64| (first..8).map(|revision| (revision, 0)).collect::<Vec<_>>();
    for ending in [Ending::Kill, Ending::Terminate, Ending::Shutdown] {
        assert_eq!(
            after(ending, 1).await,
            from(3),
            "{ending:?}: the parked one comes again too"
        );
        assert_eq!(
            after(ending, 10).await,
            from(0),
            "{ending:?}: no checkpoint, so all of it"
        );
    }
}

#[tokio::test]
async fn a_read_while_the_subsystems_start_is_never_answered() {
    let (server, mut client) = server().await;
    write(&server, "s", 1);
    create(&mut client, "s", settings()).await.unwrap();
    server.stop().await;
    let subsystems = std::time::Duration::from_millis(300);
    let startup = Startup {
        subsystems,
        ..Startup::default()
    };
    server.begin(startup).await.unwrap();
    let mut client = connect(&server).await;
    let mut early_client = client.clone();
    let mut early = Box::pin(Consumer::join(&mut early_client, "s", 10));
    let mut ready = Box::pin(async {
        while info(&mut client, "s").await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    tokio::select! {
        biased;
        _ = &mut early => panic!("it was answered"),
        answered = tokio::time::timeout(LIMIT, &mut ready) => answered.expect("it never got ready"),
    }
    drop(ready);
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    assert_eq!(consumer.take(1).await[0].0, 0);
    assert!(futures_util::FutureExt::now_or_never(early).is_none());
}
