//! Ends and starts (protocol §14). Never checks what a client library words itself.

use std::time::Duration;

use devstore::store::Expected;
use devstore::{Ending, Options, Startup};
use ditto_protocol::persistent_subscriptions::get_info_req;
use ditto_protocol::persistent_subscriptions::persistent_subscriptions_client::PersistentSubscriptionsClient;
use ditto_protocol::persistent_subscriptions::{DeleteReq, GetInfoReq, delete_req};
use ditto_protocol::shared::Empty;
use tonic::Code;

use crate::support::{
    Batch, LIMIT, SILENCE, append, client, event, next, read, server, subscribe, until, within,
    write,
};

fn fast() -> Options {
    Options {
        time_scale: 20.0,
        ..Options::default()
    }
}

#[tokio::test]
async fn a_killed_server_breaks_every_call_and_keeps_its_data() {
    let (server, mut client) = server(Options::default()).await;
    write(&server, "s", 1..3);
    let mut subscription = subscribe(&mut client, "s").await;
    let mut batch = Batch::open(&mut client).await.unwrap();
    server.end(Ending::Kill).await;
    for end in [next(&mut subscription).await, batch.answer().await] {
        assert!(end.contains(": "), "ended with an error, not with {end}");
    }
    let refused = append(&mut client, "s", 9).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    server.begin(Startup::default()).await.unwrap();
    until(|| async { append(&mut client.clone(), "s", 9).await.is_ok() }).await;
    assert_eq!(server.store().stream_info("s").last, Some(2));
}

#[tokio::test]
async fn a_restart_forgets_ids_but_not_events() {
    let (server, _) = server(Options::default()).await;
    let again = |expected| {
        server
            .store()
            .append("s", expected, vec![event(1), event(2)])
            .unwrap()
    };
    again(Expected::NoStream);
    assert!(again(Expected::Any).recognised, "before the restart");
    server.end(Ending::Kill).await;
    server.begin(Startup::default()).await.unwrap();
    assert!(
        again(Expected::NoStream).recognised,
        "by exact revisions after it"
    );
    assert!(!again(Expected::Any).recognised, "but not without");
}

#[tokio::test]
async fn a_terminated_server_goes_on_with_what_is_open() {
    let (server, mut client) = server(Options::default()).await;
    write(&server, "s", 1..2);
    let mut subscription = subscribe(&mut client, "s").await;
    let mut batch = Batch::open(&mut client).await.unwrap();
    let address = server.address();
    let ends = async {
        let began = tokio::time::Instant::now();
        server.end(Ending::Terminate).await;
        began.elapsed()
    };
    let goes_on = async {
        until(|| async { tokio::net::TcpStream::connect(address).await.is_err() }).await;
        batch.write("s", 2).await;
        assert_eq!(batch.answer().await, "2 ok");
        assert_eq!(next(&mut subscription).await, "1");
        assert!(
            next(&mut subscription).await.contains(": "),
            "then it is broken off"
        );
    };
    let (time, ()) = tokio::join!(ends, goes_on);
    assert!(time >= Duration::from_secs(5), "{time:?}");
}

#[tokio::test]
async fn a_terminated_server_without_calls_ends_at_once() {
    let (server, mut client) = server(Options::default()).await;
    append(&mut client, "s", 1).await.unwrap();
    drop(client);
    let ended = tokio::time::timeout(Duration::from_secs(4), server.end(Ending::Terminate)).await;
    assert!(ended.is_ok(), "nothing was open");
}

#[tokio::test]
async fn an_operators_shutdown_refuses_then_falls_silent() {
    // Slower than the day's clock, so that the short time of refusals is long enough to ask in.
    let options = Options {
        time_scale: 0.2,
        ..Options::default()
    };
    let (server, mut client) = server(options).await;
    write(&server, "s", 1..2);
    let mut batch = Batch::open(&mut client).await.unwrap();
    let mut later = client.clone();
    let ends = server.end(Ending::Shutdown);
    let asks = async {
        until(|| async {
            let answer = append(&mut client.clone(), "s", 7).await;
            answer.is_err_and(|status| {
                status.message() == "Server Is Not Ready" && status.code() == Code::Unavailable
            })
        })
        .await;
        batch.write("s", 2).await;
        assert_eq!(batch.answer().await, "2 0 Server Is Not Ready");
        until(|| async {
            let answer =
                tokio::time::timeout(SILENCE, later.clone().read(read("s", Some(1)))).await;
            answer.is_err()
        })
        .await;
        batch.write("s", 3).await;
        assert!(batch.is_silent().await);
        let _unused = &mut later;
    };
    tokio::select! {
        () = ends => panic!("ended before it was silent"),
        () = asks => {}
    }
    assert_eq!(
        server.store().stream_info("s").last,
        Some(if server.counters().appends > 0 { 1 } else { 0 })
    );
}

#[tokio::test]
async fn a_starting_server_answers_some_calls_and_leaves_others_alone() {
    let startup = Startup {
        without_leader: Duration::from_secs(3600),
        subsystems: Duration::ZERO,
    };
    let (server, mut client) = server(Options { startup, ..fast() }).await;
    write(&server, "s", 1..2);
    let refused = append(&mut client, "s", 2).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unavailable, "Server Is Not Ready")
    );
    let mut batch = Batch::open(&mut client).await.unwrap();
    batch.write("s", 2).await;
    assert_eq!(batch.answer().await, "2 0 Server Is Not Ready");
    let mut found = within(client.read(read("s", Some(1))))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next(&mut found).await, "0", "reads are served");
}

#[tokio::test]
async fn group_calls_are_never_answered_while_the_subsystems_start() {
    let startup = Startup {
        without_leader: Duration::ZERO,
        subsystems: Duration::from_secs(3600),
    };
    let (server, mut client) = server(Options { startup, ..fast() }).await;
    append(&mut client, "s", 1).await.unwrap();
    let endpoint = format!("http://{}", server.address());
    let mut groups = PersistentSubscriptionsClient::connect(endpoint)
        .await
        .unwrap();
    let named = || Some(get_info_req::options::StreamOption::All(Empty {}));
    let info = groups.get_info(GetInfoReq {
        options: Some(get_info_req::Options {
            group_name: "g".to_owned(),
            stream_option: named(),
        }),
    });
    assert_eq!(within(info).await.unwrap_err().code(), Code::Unavailable);
    let delete = groups.delete(DeleteReq {
        options: Some(delete_req::Options {
            group_name: "g".to_owned(),
            stream_option: Some(delete_req::options::StreamOption::All(Empty {})),
        }),
    });
    assert!(tokio::time::timeout(SILENCE, delete).await.is_err());
}

#[tokio::test]
async fn a_slow_start_gets_there() {
    let startup = Startup {
        without_leader: Duration::from_millis(100),
        subsystems: Duration::from_millis(100),
    };
    let (server, _) = server(Options { startup, ..fast() }).await;
    let mut ready = client(&server, 0).await;
    let appended = tokio::time::timeout(LIMIT, async {
        while append(&mut ready, "s", 1).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    appended.await.unwrap();
    assert_eq!(server.leader(), Some(0));
}
