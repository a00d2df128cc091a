//! Faults as clients see them (protocol §13.16). Where they strike is tested beside them.

use std::time::Duration;

use devstore::{Fault, FaultKind, Options};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;

use crate::support::{
    Batch, SILENCE, append, client, next, pages, read, server, subscribe, until, within, write,
};

#[tokio::test]
async fn calls_fail_as_often_as_asked() {
    let (server, mut client) = server(Options::default()).await;
    let leader = FaultKind::NotLeader {
        host: "elsewhere".to_owned(),
        port: 2113,
    };
    for (kind, code, trailer) in [
        (FaultKind::Unavailable, Code::Unavailable, None),
        (
            leader,
            Code::NotFound,
            Some(("leader-endpoint-host", "elsewhere")),
        ),
        (
            FaultKind::AccessDenied,
            Code::PermissionDenied,
            Some(("exception", "access-denied")),
        ),
        (
            FaultKind::SizeLimit { bytes: 1 },
            Code::InvalidArgument,
            Some(("maximum-append-size", "1")),
        ),
    ] {
        let id = server.faults().add(
            Fault::new(kind.clone())
                .times(2)
                .in_call("Append")
                .on_stream("s"),
        );
        append(&mut client, "other", 1).await.unwrap();
        for _ in 0..2 {
            let status = append(&mut client, "s", 1).await.unwrap_err();
            assert_eq!(status.code(), code, "{kind:?}");
            if let Some((key, value)) = trailer {
                assert_eq!(status.metadata().get(key).unwrap(), value, "{kind:?}");
            }
        }
        append(&mut client, "s", 1).await.unwrap();
        assert_eq!(server.faults().struck(id), Some(2));
    }
}

#[tokio::test]
async fn unanswered_calls_wait_for_ever() {
    let (server, mut client) = server(Options::default()).await;
    server
        .faults()
        .add(Fault::new(FaultKind::Unanswered).in_call("Streams/Read"));
    assert!(
        tokio::time::timeout(SILENCE, client.read(read("s", Some(1))))
            .await
            .is_err()
    );
    server.faults().clear();
    within(client.read(read("s", Some(1)))).await.unwrap();
}

#[tokio::test]
async fn open_subscriptions_are_ended() {
    let (server, mut client) = server(Options::default()).await;
    append(&mut client, "s", 1).await.unwrap();
    let too_slow = "Aborted: Operation timed out: Consumer too slow to handle event while live. Client resubscription required.";
    for (kind, end) in [
        (FaultKind::EndCleanly, "end"),
        (FaultKind::ConsumerTooSlow, too_slow),
    ] {
        let mut subscription = subscribe(&mut client, "s").await;
        let mut other = subscribe(&mut client, "s").await;
        let id = server
            .faults()
            .add(Fault::new(kind).times(1).on_stream("s"));
        let first = tokio::select! {
            first = next(&mut subscription) => first,
            first = next(&mut other) => first,
        };
        assert_eq!((first.as_str(), server.faults().struck(id)), (end, Some(1)));
    }
}

#[tokio::test]
async fn batch_answers_go_wrong() {
    let (server, mut client) = server(Options::default()).await;
    let late = FaultKind::BatchLate { ms: 200 };
    for (kind, answers, last) in [
        (FaultKind::BatchReordered, vec!["2 ok", "1 ok"], Some(1)),
        (late, vec!["2 ok", "1 ok"], Some(1)),
        (FaultKind::BatchStray, vec!["? ok", "1 ok", "2 ok"], Some(1)),
        (
            FaultKind::BatchUndecided,
            vec!["1 4 Timeout", "2 ok"],
            Some(1),
        ),
        (
            FaultKind::BatchNotReady,
            vec!["1 0 Server Is Not Ready", "2 ok"],
            Some(0),
        ),
        (FaultKind::BatchEnds { written: true }, vec!["end"], Some(0)),
        (FaultKind::BatchEnds { written: false }, vec!["end"], None),
    ] {
        let stream = format!("{kind:?}");
        server.faults().add(Fault::new(kind).times(1));
        let mut batch = Batch::open(&mut client).await.unwrap();
        batch.write(&stream, 1).await;
        batch.write(&stream, 2).await;
        for answer in answers {
            assert_eq!(batch.answer().await, answer, "{stream}");
        }
        let found = server.store().stream_info(&stream).last;
        assert_eq!(found, last, "{stream}");
    }
}

#[tokio::test]
async fn a_node_behind_shows_stale_pages() {
    let options = Options {
        nodes: 2,
        ..Options::default()
    };
    let (server, mut leader) = server(options).await;
    let mut follower = client(&server, 1).await;
    write(&server, "s", 0..100);
    for (last, shown) in [
        (None, None),
        (Some(0), Some(0)),
        (Some(40), Some(40)),
        (Some(200), Some(99)),
    ] {
        let fault = Fault::new(FaultKind::StalePages { last });
        let id = server.faults().add(fault.on_stream("s").on_node(1));
        for backwards in [false, true] {
            let revisions = shown.map(|last| (0..=last).collect::<Vec<u64>>());
            let found = pages(&mut follower, "s", backwards).await;
            assert_eq!(found, (revisions, shown), "{last:?} {backwards}");
        }
        let everything = (Some((0..100).collect()), Some(99));
        assert_eq!(pages(&mut leader, "s", false).await, everything);
        assert_eq!(server.faults().struck(id), Some(2));
        server.faults().clear();
    }
}

#[tokio::test]
async fn slow_appends_of_a_session_are_answered_all_the_same() {
    let (server, mut client) = server(Options::default()).await;
    server
        .faults()
        .add(Fault::new(FaultKind::SlowAppend { ms: 100 }).times(1));
    let mut batch = Batch::open(&mut client).await.unwrap();
    batch.write("a", 1).await;
    batch.write("b", 2).await;
    assert_eq!(batch.answer().await, "2 ok", "another stream does not wait");
    assert_eq!(batch.answer().await, "1 ok");
}

#[tokio::test]
async fn connections_are_refused_and_come_again() {
    let (server, mut client) = server(Options::default()).await;
    let address = server.address();
    let refuses = || async { TcpStream::connect(address).await.is_err() };
    let accepts = || async { TcpStream::connect(address).await.is_ok() };
    let id = server
        .faults()
        .add(Fault::new(FaultKind::RefuseConnections));
    until(refuses).await;
    server.faults().remove(id);
    until(accepts).await;
    server
        .faults()
        .add(Fault::new(FaultKind::RefuseConnections).lasting(Duration::from_millis(200)));
    until(refuses).await;
    until(accepts).await;
    append(&mut client, "s", 1).await.unwrap();
}

#[tokio::test]
async fn half_open_connections_say_nothing() {
    let (server, _) = server(Options::default()).await;
    server.faults().add(Fault::new(FaultKind::HalfOpen));
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    assert!(
        tokio::time::timeout(SILENCE, connection.read_u8())
            .await
            .is_err()
    );
}
