//! Batch calls that end, against the development server: nothing is written twice, nothing stays open. Never asserts a
//! duration.

use ditto::eventstore::Class;
use ditto::eventstore::client::{BatchAppender, BatchOptions};
use ditto_core::event::StreamName;
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected};
use uuid::Uuid;

use super::{answered, append, big, event, events, server, soon};

#[tokio::test]
async fn what_no_server_takes_ends_the_call_and_alone_is_named() {
    let (_server, client) = server().await;
    let mut appender = BatchAppender::new(&client, BatchOptions::default());
    let stream = StreamName::from("s");
    let monster = append(9, &stream, &[big(&stream, 17 << 20)]);
    let alone = soon(client.append(&stream, Expected::NoStream, &monster.events))
        .await
        .unwrap_err();
    assert_eq!(*alone.class(), Class::TooLarge);
    appender.submit(monster);
    let Answer::CallEnded {
        unanswered, why, ..
    } = soon(appender.next()).await
    else {
        panic!("it was answered")
    };
    assert_eq!(
        (unanswered, why.class()),
        (vec![AppendId(9)], &Class::TooLarge)
    );
    appender.submit(append(10, &stream, &[event(&stream, 0)]));
    assert_eq!(
        answered(&mut appender).await,
        (10, AppendOutcome::Written(0))
    );
}

#[tokio::test]
async fn frozen_appends_sent_again_to_a_restarted_server_are_written_once() {
    let (server, client) = server().await;
    let mut appender = BatchAppender::new(&client, BatchOptions::default());
    let appends: Vec<Append> = (0..50)
        .map(|tag| {
            let stream = StreamName::new(format!("s-{tag}"));
            append(tag, &stream, &[event(&stream, 0), event(&stream, 1)])
        })
        .collect();
    for append in &appends {
        appender.submit(append.clone());
    }
    assert_eq!(answered(&mut appender).await.1, AppendOutcome::Written(1));
    soon(server.stop()).await;
    // As many of these as the network lets through are answered, the rest is listed.
    while appender.in_flight() > 0 {
        match soon(appender.next()).await {
            Answer::Appended { outcome, .. } => assert_eq!(outcome, AppendOutcome::Written(1)),
            Answer::CallEnded { why, .. } => assert!(why.is_transient(), "{why}"),
        }
    }
    soon(server.start_again()).await.unwrap();
    // What was written before the end is recognised, although the server forgot all ids. The end of the old call may
    // be seen only now: what it lists goes out again.
    let mut waiting: Vec<AppendId> = (0..50).map(AppendId).collect();
    while !waiting.is_empty() || appender.in_flight() > 0 {
        for AppendId(tag) in waiting.drain(..) {
            appender.submit(appends[usize::try_from(tag).unwrap()].clone());
        }
        match soon(appender.next()).await {
            Answer::Appended { outcome, .. } => assert_eq!(outcome, AppendOutcome::Written(1)),
            Answer::CallEnded { unanswered, .. } => waiting = unanswered,
        }
    }
    for append in &appends {
        let ids: Vec<Uuid> = events(&client, &append.stream)
            .await
            .iter()
            .map(|event| event.id)
            .collect();
        assert_eq!(
            ids,
            append
                .events
                .iter()
                .map(|event| event.id)
                .collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn no_call_is_left_open_by_failures_and_ends() {
    let (server, client) = server().await;
    let stream = StreamName::from("s");
    soon(client.append(&stream, Expected::NoStream, &[event(&stream, 0)]))
        .await
        .unwrap();
    let mut appender = BatchAppender::new(&client, BatchOptions::default());
    let before = server.counters();
    for tag in 0..1_000 {
        appender.submit(append(tag, &stream, &[event(&stream, 5)]));
    }
    while appender.in_flight() > 0 {
        assert_eq!(
            answered(&mut appender).await.1,
            AppendOutcome::WrongRevision
        );
    }
    assert_eq!(
        server.counters().batch_calls,
        before.batch_calls + 1,
        "failures share one call"
    );
    // A hundred calls that the server ends, because of an append larger than it reads; each is opened by ditto anew.
    let monster = [big(&stream, 17 << 20)];
    for round in 0..100 {
        appender.submit(append(round, &stream, &[event(&stream, 5)]));
        assert_eq!(
            answered(&mut appender).await,
            (round, AppendOutcome::WrongRevision)
        );
        appender.submit(append(round, &stream, &monster));
        let ended = soon(appender.next()).await;
        assert!(matches!(ended, Answer::CallEnded { .. }), "{ended:?}");
    }
    // And fifty that ditto drops with an append in flight.
    for round in 0..50 {
        appender = BatchAppender::new(&client, BatchOptions::default());
        appender.submit(append(round, &stream, &[event(&stream, 5)]));
        assert_eq!(
            answered(&mut appender).await,
            (round, AppendOutcome::WrongRevision)
        );
        appender.submit(append(round, &stream, &[event(&stream, 5)]));
    }
    assert_eq!(server.counters().batch_calls, before.batch_calls + 150);
    drop(appender);
    let closed = async {
        while server.counters().open_calls > before.open_calls {
            tokio::task::yield_now().await;
        }
    };
    soon(closed).await;
    server.stop().await;
}
