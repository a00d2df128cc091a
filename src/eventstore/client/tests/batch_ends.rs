//! Ends of batch calls: what they leave is listed, and nothing leaks. Never asserts how long something took.

use std::collections::BTreeSet;
use std::time::Duration;

use ditto_protocol::rpc;
use ditto_protocol::streams::BatchAppendResp;
use ditto_protocol::streams::batch_append_resp::Result as Said;
use tonic::{Code, Status};

use super::super::super::error::Class;
use super::super::{BatchAppender, BatchOptions};
use super::batch::{Scene, append, written};
use super::fake::Fake;
use super::{client, soon};
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome};

#[tokio::test]
async fn a_call_that_ends_lists_what_it_leaves_and_the_next_append_opens_another() {
    let ends: [(Option<Status>, Class); 5] = [
        (None, Class::Transient),
        (
            Some(Status::unavailable("Server Is Not Ready")),
            Class::NotReady,
        ),
        (
            Some(Status::resource_exhausted(
                "Received message exceeds the maximum configured message size.",
            )),
            Class::TooLarge,
        ),
        (
            Some(Status::new(
                Code::Aborted,
                "Operation timed out: Commit phase timeout.",
            )),
            Class::Transient,
        ),
        (
            Some(Status::permission_denied("Access Denied")),
            Class::Denied,
        ),
    ];
    let mut scene = Scene::new(BatchOptions::default());
    for (status, class) in ends {
        let (call, requests) = scene.in_flight(10..14).await;
        call.answers
            .send(Ok(written(&requests[2], 13)))
            .expect("sent");
        assert_eq!(scene.answered().await, (12, AppendOutcome::Written(13)));
        if let Some(status) = status.clone() {
            call.answers.send(Err(status)).expect("sent");
        }
        drop(call);
        assert_eq!(scene.ended().await, (vec![10, 11, 13], class), "{status:?}");
        assert_eq!(scene.appender.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_server_that_dies_lists_what_it_leaves() {
    let mut scene = Scene::new(BatchOptions::default());
    let (_call, _) = scene.in_flight(0..3).await;
    scene.fake.kill();
    assert_eq!(scene.ended().await, (vec![0, 1, 2], Class::Transient));
    // Nobody listens there any more.
    scene.appender.submit(append(5));
    scene.appender.submit(append(6));
    assert_eq!(scene.ended().await, (vec![], Class::Transient));
    for tag in [5, 6] {
        assert_eq!(scene.answered().await, (tag, AppendOutcome::NotReady));
    }
    assert_eq!(scene.appender.in_flight(), 0);
}

#[tokio::test]
async fn a_silent_call_is_given_up() {
    let mut scene = Scene::new(BatchOptions {
        silence: Duration::from_secs(1),
        ..BatchOptions::default()
    });
    let (mut call, _) = scene.in_flight(0..2).await;
    assert_eq!(scene.ended().await, (vec![0, 1], Class::Timeout));
    let end = soon(call.requests.message()).await;
    assert!(
        matches!(end, Err(_) | Ok(None)),
        "the server sees the end: {end:?}"
    );
}

#[tokio::test]
async fn an_append_that_all_others_overtake_is_given_up_in_the_end() {
    let silence = Duration::from_secs(1);
    let mut scene = Scene::new(BatchOptions {
        silence,
        ..BatchOptions::default()
    });
    let (mut call, _) = scene.in_flight([7]).await;
    let mut tag = 100;
    let unanswered = loop {
        scene.appender.submit(append(tag));
        let answering = async {
            let request = call.requests.message().await.ok()??;
            call.answers.send(Ok(written(&request, 1))).ok()
        };
        // The call may end at any point of this, which ends the loop.
        let (_, event) = soon(async { tokio::join!(answering, scene.appender.next()) }).await;
        match event {
            Answer::Appended { append, .. } => assert_eq!(append, AppendId(tag)),
            Answer::CallEnded { unanswered, .. } => break unanswered,
        }
        tag += 1;
    };
    assert_eq!(unanswered[0], AppendId(7));
    assert!(unanswered.len() <= 2 && tag > 100);
}

#[tokio::test]
async fn an_idle_call_is_kept() {
    let mut scene = Scene::new(BatchOptions {
        silence: Duration::from_secs(1),
        ..BatchOptions::default()
    });
    let (mut call, requests) = scene.in_flight([1]).await;
    call.answers
        .send(Ok(written(&requests[0], 2)))
        .expect("sent");
    assert_eq!(scene.answered().await, (1, AppendOutcome::Written(2)));
    let idle = tokio::time::timeout(Duration::from_millis(1_500), scene.appender.next()).await;
    assert!(idle.is_err(), "{idle:?}");
    scene.settled(&mut call).await;
    assert!(
        scene.fake.batches.try_recv().is_err(),
        "one call was enough"
    );
}

#[tokio::test]
async fn a_call_follows_the_leader_that_is_named() {
    let mut scene = Scene::new(BatchOptions::default());
    let mut leader = Fake::start();
    let (call, _) = scene.in_flight([4]).await;
    call.answers
        .send(Err(super::script::not_leader(&leader.endpoint)))
        .expect("sent");
    assert_eq!(
        scene.ended().await,
        (vec![4], Class::NotLeader(Some(leader.endpoint.clone())))
    );
    scene.appender.submit(append(4));
    let mut call = tokio::select! {
        call = soon(leader.batches.recv()) => call.expect("a call"),
        event = scene.appender.next() => panic!("{event:?}"),
    };
    let request = scene.requests(&mut call, 1).await.remove(0);
    call.answers.send(Ok(written(&request, 6))).expect("sent");
    assert_eq!(scene.answered().await, (4, AppendOutcome::Written(6)));
}

#[tokio::test]
async fn a_server_without_batch_append_is_refused() {
    let mut scene = Scene::new(BatchOptions::default());
    scene.fake.set_methods("20.10.2", &["read", "append"]);
    scene.appender.submit(append(1));
    match soon(scene.appender.next()).await {
        Answer::CallEnded {
            unanswered, why, ..
        } => {
            assert_eq!((unanswered, why.kind()), (vec![], "unsupported"));
            assert!(
                why.to_string().contains("20.10.2")
                    && why.hint().is_some_and(|hint| hint.contains("21.10"))
            );
        }
        answered @ Answer::Appended { .. } => panic!("{answered:?}"),
    }
    assert_eq!(scene.answered().await, (1, AppendOutcome::NotReady));
    assert!(
        !soon(scene.client.features())
            .await
            .expect("features")
            .batch_append
    );
}

#[tokio::test]
async fn no_call_leaks() {
    let mut scene = Scene::new(BatchOptions::default());
    for round in 0..20 {
        let (call, requests) = scene.in_flight(0..50).await;
        for request in &requests[..49] {
            let failed = rpc::Status {
                code: 6,
                message: "WrongExpectedVersion".to_owned(),
                details: None,
            };
            let answer = BatchAppendResp {
                result: Some(Said::Error(failed)),
                ..written(request, 0)
            };
            call.answers.send(Ok(answer)).expect("sent");
            assert_eq!(scene.answered().await.1, AppendOutcome::WrongRevision);
        }
        if round % 2 == 0 {
            call.answers
                .send(Err(Status::unavailable("Server Is Not Ready")))
                .expect("sent");
        }
        drop(call);
        assert_eq!(scene.ended().await.0, [49]);
    }
    drop(scene.appender);
    let closed = async {
        while scene.fake.open_calls() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(closed).await;
}

#[tokio::test]
async fn a_call_that_is_turned_away_blames_no_append() {
    let mut scene = Scene::new(BatchOptions::default());
    let mut leader = Fake::start();
    scene
        .fake
        .turn_away(Some(Status::unavailable("Server Is Not Ready")));
    scene.appender.submit(append(1));
    assert_eq!(scene.ended().await, (vec![], Class::NotReady));
    assert_eq!(scene.answered().await, (1, AppendOutcome::NotReady));

    let status = super::script::not_leader(&leader.endpoint);
    scene.fake.turn_away(Some(status));
    scene.appender.submit(append(1));
    let class = Class::NotLeader(Some(leader.endpoint.clone()));
    assert_eq!(scene.ended().await, (vec![], class));
    assert_eq!(scene.answered().await, (1, AppendOutcome::NotReady));

    scene.appender.submit(append(1));
    let mut call = tokio::select! {
        call = soon(leader.batches.recv()) => call.expect("a call"),
        event = scene.appender.next() => panic!("{event:?}"),
    };
    assert_eq!(scene.requests(&mut call, 1).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_reached_and_says_nothing_blames_no_append() {
    let (_hole, address) = super::calls::black_hole().await;
    let client = client(&format!("esdb://{address}?tls=false&gossipTimeout=60000"));
    let silence = Duration::from_secs(1);
    let mut appender = BatchAppender::new(
        &client,
        BatchOptions {
            silence,
            ..BatchOptions::default()
        },
    );
    appender.submit(append(1));
    match soon(appender.next()).await {
        Answer::CallEnded {
            unanswered, why, ..
        } => {
            assert_eq!((unanswered, why.class()), (vec![], &Class::Timeout));
        }
        answered @ Answer::Appended { .. } => panic!("{answered:?}"),
    }
    let answered = soon(appender.next()).await;
    let outcome = AppendOutcome::NotReady;
    assert!(
        matches!(&answered, Answer::Appended { append: AppendId(1), outcome: o } if *o == outcome),
        "{answered:?}"
    );
}

#[tokio::test]
async fn each_lane_ends_by_itself_over_its_own_connection() {
    let mut scene = Scene::new(BatchOptions {
        lanes: 3,
        ..BatchOptions::default()
    });
    for tag in 0..60 {
        scene.appender.submit(Append {
            stream: format!("stream-{}", tag % 20).as_str().into(),
            ..append(tag)
        });
    }
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(scene.call().await);
    }
    let connections: BTreeSet<_> = calls.iter().map(|call| call.from).collect();
    assert_eq!(connections.len(), 3);
    drop(calls);
    let (mut lanes, mut left) = (BTreeSet::new(), BTreeSet::new());
    while lanes.len() < 3 {
        match soon(scene.appender.next()).await {
            Answer::CallEnded {
                lane, unanswered, ..
            } => {
                assert!(lanes.insert(lane), "lane {lane} ended twice");
                assert!(!unanswered.is_empty());
                left.extend(unanswered);
            }
            event @ Answer::Appended { .. } => panic!("{event:?}"),
        }
    }
    assert_eq!(left.len(), 60, "each append is left by one lane");
}
