//! Options that cost time: as lower bounds only, and that nothing else changes.

use std::time::{Duration, Instant};

use devstore::{Model, Options};

use crate::support::{Batch, append, next, read, server, subscribe, within};

#[tokio::test]
async fn latency_delays_each_way() {
    let latency = Duration::from_millis(25);
    let (_server, mut client) = server(Options {
        latency,
        ..Options::default()
    })
    .await;
    append(&mut client, "s", 1).await.unwrap();
    let began = Instant::now();
    append(&mut client, "s", 2).await.unwrap();
    assert!(began.elapsed() >= 2 * latency);
    let mut found = within(client.read(read("s", Some(9))))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (
            next(&mut found).await.as_str(),
            next(&mut found).await.as_str()
        ),
        ("0", "1")
    );
}

#[tokio::test]
async fn a_model_takes_its_time_one_append_after_the_other() {
    let model = Model {
        append: Duration::from_millis(5),
        event: Duration::from_millis(1),
        ..Model::V23_10_4
    };
    let (server, mut client) = server(Options {
        model: Some(model),
        ..Options::default()
    })
    .await;
    let mut subscription = subscribe_to_new(&mut client).await;
    let mut batch = Batch::open(&mut client).await.unwrap();
    let began = Instant::now();
    for id in 1..=10 {
        batch.write("s", id).await;
    }
    for id in 1..=10 {
        assert_eq!(batch.answer().await, format!("{id} ok"));
    }
    assert!(began.elapsed() >= Duration::from_millis(60));
    for revision in 1..=10 {
        assert_eq!(next(&mut subscription).await, revision.to_string());
    }
    assert_eq!(server.counters().appended_events, 11);
}

async fn subscribe_to_new(
    client: &mut crate::support::Client,
) -> tonic::Streaming<ditto_protocol::streams::ReadResp> {
    append(client, "s", 100).await.unwrap();
    subscribe(client, "s").await
}
