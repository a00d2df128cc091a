//! What groups do wrong when a fault is switched on (protocol §13.16). Never looks at faults of other calls.

use super::client::*;
use devstore::{Fault, FaultKind};
use ditto_protocol::persistent_subscriptions::create_req;
use tonic::Code;

/// A group with ten events, and a consumer that joins it with the fault on: revisions and retry counts of what it gets.
async fn delivered(fault: Fault, count: usize) -> Vec<(u64, i32)> {
    let (server, mut client) = server().await;
    write(&server, "s", 10);
    create(&mut client, "s", settings()).await.unwrap();
    server.faults().add(fault);
    let mut consumer = Consumer::join(&mut client, "s", 100).await.unwrap();
    let events = consumer.take(count).await;
    events.iter().map(|event| (event.0, event.2)).collect()
}

#[tokio::test]
async fn deliveries_come_doubled_and_out_of_order() {
    let twice = Fault::new(FaultKind::DeliverTwice).after(1).times(1);
    let revisions: Vec<u64> = delivered(twice, 4)
        .await
        .iter()
        .map(|event| event.0)
        .collect();
    assert_eq!(revisions, [0, 1, 1, 2]);
    let late = Fault::new(FaultKind::DeliverOutOfOrder)
        .after(1)
        .times(1)
        .on_stream("s");
    let events = delivered(late, 10).await;
    let order: Vec<u64> = events.iter().map(|event| event.0).collect();
    assert_eq!(order, [0, 2, 1, 3, 4, 5, 6, 7, 8, 9]);
    assert!(
        events.iter().all(|event| event.1 == 0),
        "none of them is a retry"
    );
}

#[tokio::test]
async fn a_delivery_held_back_at_the_end_comes_all_the_same() {
    let late = Fault::new(FaultKind::DeliverOutOfOrder).after(9).times(1);
    let order: Vec<u64> = delivered(late, 10)
        .await
        .iter()
        .map(|event| event.0)
        .collect();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_server_parks_by_itself() {
    let (server, mut client) = server().await;
    write(&server, "s", 4);
    create(&mut client, "s", settings()).await.unwrap();
    server
        .faults()
        .add(Fault::new(FaultKind::ParkInstead).after(1).times(1));
    let mut consumer = Consumer::join(&mut client, "s", 100).await.unwrap();
    let order: Vec<u64> = consumer.take(3).await.iter().map(|event| event.0).collect();
    assert_eq!(order, [0, 2, 3]);
    until(&mut client, "s", |info| {
        info.parked_message_count == 1 && info.outstanding_messages_count == 3
    })
    .await;
    let entry = server
        .store()
        .event("$persistentsubscription-s::g-parked", 0)
        .unwrap();
    assert_eq!(entry.data(), "1@s");
    assert!(String::from_utf8_lossy(&entry.metadata()).contains("Reached retry count of 10"));
}

#[tokio::test]
async fn a_group_pushes_nothing_until_the_fault_is_gone() {
    let (server, mut client) = server().await;
    write(&server, "s", 1);
    create(&mut client, "s", settings()).await.unwrap();
    let fault = server
        .faults()
        .add(Fault::new(FaultKind::PushNothing).on_stream("s"));
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    until(&mut client, "s", |info| {
        info.read_buffer_count == 1 && info.connections.len() == 1
    })
    .await;
    server.faults().remove(fault);
    assert_eq!(consumer.take(1).await[0].0, 0);
}

#[tokio::test]
async fn consumers_are_dropped_or_ended_cleanly() {
    for (kind, code) in [
        (FaultKind::DropConsumers, Some(Code::Cancelled)),
        (FaultKind::EndCleanly, None),
    ] {
        let (server, mut client) = server().await;
        write(&server, "s", 1);
        create(&mut client, "s", settings()).await.unwrap();
        let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
        consumer.take(1).await;
        server.faults().add(Fault::new(kind).times(1));
        let end = consumer.next().await;
        assert_eq!(end.as_ref().err().map(tonic::Status::code), code);
        assert!(!matches!(end, Ok(Some(_))), "the call is over");
        until(&mut client, "s", |info| info.connections.is_empty()).await;
        let mut next = Consumer::join(&mut client, "s", 10).await.unwrap();
        assert_eq!(
            next.take(1).await[0].2,
            1,
            "the group goes on: its event is one retry older"
        );
    }
}

#[tokio::test]
async fn a_checkpoint_that_jumps_ahead_loses_events_at_the_next_start() {
    let (server, mut client) = server().await;
    let ids = write(&server, "s", 6);
    let quick = create_req::Settings {
        min_checkpoint_count: 1,
        max_checkpoint_count: 1,
        ..settings()
    };
    create(&mut client, "s", quick).await.unwrap();
    server
        .faults()
        .add(Fault::new(FaultKind::CheckpointAhead { by: 2 }).times(1));
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    consumer.take(6).await;
    consumer.ack(&ids[..1]).await;
    until(&mut client, "s", |info| {
        info.last_checkpointed_event_position == "2"
    })
    .await;
    drop(consumer);
    server.stop().await;
    server.start_again().await.unwrap();
    let mut client = connect(&server).await;
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    assert_eq!(
        consumer.take(1).await[0].0,
        3,
        "1 and 2 are lost to the group"
    );
}
