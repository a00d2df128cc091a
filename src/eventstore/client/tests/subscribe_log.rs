//! A subscription to the log, against a server that the test scripts: what is asked, how it ends, and that a server that
//! falls silent is noticed. Never asserts how long something took.

use std::time::Duration;

use ditto_core::event::Event;
use ditto_core::port::LogPosition;
use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_req::Options;
use ditto_protocol::streams::read_req::options::all_options::AllOption;
use ditto_protocol::streams::read_req::options::{CountOption, FilterOption, StreamOption};
use ditto_protocol::streams::read_resp::{
    CaughtUp, Checkpoint, Content, FellBehind, SubscriptionConfirmation,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::Status;

use super::super::super::error::{Class, Side};
use super::super::{Client, LogMessage, LogSubscription, SubscribeLog};
use super::calls::{answer, read_event};
use super::fake::{Fake, ReadCall};
use super::{client, event, settings, soon};
use crate::config::cluster::KeepAlive;

const AFTER: LogPosition = LogPosition {
    commit: 700,
    prepare: 0,
};

fn confirmation() -> ReadResp {
    answer(Content::Confirmation(SubscriptionConfirmation {
        subscription_id: "x".to_owned(),
    }))
}

/// Opens a subscription behind [`AFTER`], while the server confirms it.
async fn subscribed(fake: &mut Fake, client: &Client) -> (LogSubscription, ReadCall) {
    let subscribe = SubscribeLog {
        after: Some(AFTER),
        streams: r"\A(?:\$\$)?[^$]".to_owned(),
    };
    let confirm = async {
        let call = fake.reads.recv().await.expect("a read");
        call.answers.send(Ok(confirmation())).expect("sent");
        call
    };
    soon(async {
        let node = client.log_node(None, &[]).await.expect("a node");
        let (opened, call) = tokio::join!(client.subscribe_log(&node, &subscribe), confirm);
        (opened.expect("confirmed"), call)
    })
    .await
}

fn options(call: &ReadCall) -> &Options {
    call.request.options.as_ref().expect("options")
}

#[tokio::test]
async fn subscription_asks_for_the_pair_of_any_node_and_tells_what_comes() {
    let mut fake = Fake::start();
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let (mut subscription, call) = subscribed(&mut fake, &client).await;
    assert_eq!(call.headers.get("requires-leader").unwrap(), "false");
    assert_eq!(call.headers.get_all("requires-leader").iter().count(), 1);
    assert!(
        call.headers.get("grpc-timeout").is_none(),
        "silence is legal"
    );
    let options = options(&call);
    let Some(StreamOption::All(all)) = &options.stream_option else {
        panic!("{options:?}")
    };
    let Some(AllOption::Position(position)) = &all.all_option else {
        panic!("{all:?}")
    };
    let pair = (position.commit_position, position.prepare_position);
    assert_eq!(pair, (700, 0), "as it was given");
    assert!(matches!(
        (&options.count_option, &options.filter_option),
        (
            Some(CountOption::Subscription(_)),
            Some(FilterOption::Filter(_))
        )
    ));
    for content in [
        Content::Checkpoint(Checkpoint {
            commit_position: 900,
            prepare_position: 0,
        }),
        Content::CaughtUp(CaughtUp {}),
        Content::FellBehind(FellBehind {}),
        // Nothing that is known of a subscription: passed over.
        Content::LastStreamPosition(7),
    ] {
        call.answers.send(Ok(answer(content))).expect("sent");
    }
    call.answers
        .send(Ok(read_event(Some(&event(3)), None)))
        .expect("sent");
    let looked = LogPosition {
        commit: 900,
        prepare: 0,
    };
    for expected in [
        LogMessage::LookedThrough(looked),
        LogMessage::CaughtUp,
        LogMessage::FellBehind,
    ] {
        assert_eq!(soon(subscription.next()).await, Ok(Some(expected)));
    }
    let Ok(Some(LogMessage::Record(record))) = soon(subscription.next()).await else {
        panic!("no record")
    };
    assert_eq!(record.event.revision, 3);
    drop(subscription);
    soon(async {
        while fake.open_calls() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn subscription_ends_by_itself_or_with_what_went_wrong() {
    let slow = "Operation timed out: Consumer too slow to handle event while live. Client resubscription required.";
    for (status, expected) in [
        (Some(Status::aborted(slow)), Ok(None)),
        (None, Ok(None)),
        (
            Some(Status::unavailable("Server Is Not Ready")),
            Err(Class::NotReady),
        ),
        (
            Some(Status::permission_denied("Access Denied")),
            Err(Class::Denied),
        ),
    ] {
        let mut fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let (mut subscription, call) = subscribed(&mut fake, &client).await;
        if let Some(status) = &status {
            call.answers.send(Err(status.clone())).expect("sent");
        }
        drop(call);
        let ended = soon(subscription.next()).await;
        let ended = ended.map_err(|error| error.class().clone());
        assert_eq!(ended, expected, "{status:?}");
    }
    let mut fake = Fake::start();
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    let (mut subscription, _call) = subscribed(&mut fake, &client).await;
    fake.kill();
    let lost = soon(subscription.next()).await.unwrap_err();
    assert_eq!(*lost.class(), Class::Transient);
}

/// A refusal means the position only if the node refuses to read the record there, and answers another read.
#[tokio::test]
async fn refusal_is_one_of_the_position_only_if_the_node_proves_it() {
    let thrown = || Status::unknown("Exception was thrown by handler.");
    let invalid = || Status::unknown("Unexpected ReadAllResult: Error");
    let record = || Ok(read_event(Some(&event(1)), None));
    for (at_position, at_end, expected) in [
        (Err(invalid()), record(), Class::InvalidPosition),
        (record(), record(), Class::Refused),
        (Err(invalid()), Err(invalid()), Class::Refused),
        (
            Err(Status::unavailable("Server Is Not Ready")),
            record(),
            Class::NotReady,
        ),
        (
            Err(invalid()),
            Err(Status::unavailable("Server Is Not Ready")),
            Class::NotReady,
        ),
    ] {
        let text = format!("{at_position:?} {at_end:?}");
        let mut fake = Fake::start();
        let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
        let subscribe = SubscribeLog {
            after: Some(AFTER),
            streams: "x".to_owned(),
        };
        let play = async {
            while let Some(call) = fake.reads.recv().await {
                let options = options(&call);
                let answered = match (&options.count_option, options.read_direction) {
                    (Some(CountOption::Subscription(_)), _) => Err(thrown()),
                    (_, 0) => at_position.clone(),
                    _ => at_end.clone(),
                };
                call.answers.send(answered).expect("sent");
            }
        };
        let refused = soon(async {
            let node = client.log_node(None, &[]).await.expect("a node");
            tokio::select! {
                biased;
                opened = client.subscribe_log(&node, &subscribe) => opened,
                () = play => panic!("the server is gone"),
            }
        });
        let refused = refused.await.unwrap_err();
        assert_eq!(*refused.class(), expected, "{text}: {refused}");
    }
}

/// A line between client and server that passes nothing on any more once it is told to be silent.
async fn line(to: String) -> (String, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (silence, silent) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut silent = silent.clone();
            let mut far = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => return,
                    _ = silent.wait_for(|silent| *silent) => {}
                }
                // Both stay open, as those of a machine that is gone.
                std::future::pending::<()>().await;
            });
        }
    });
    (address, silence)
}

/// A subscription over a line, whose pings are quick.
async fn over_a_line(fake: &mut Fake) -> (LogSubscription, ReadCall, watch::Sender<bool>) {
    let (address, silence) = line(fake.endpoint.to_string()).await;
    let mut settings = settings(&format!("esdb://{address}?tls=false"));
    settings.keep_alive = Some(KeepAlive {
        interval: Duration::from_millis(20),
        timeout: Duration::from_millis(200),
    });
    let client = Client::connect(Side::Source, settings);
    let (subscription, call) = subscribed(fake, &client).await;
    (subscription, call, silence)
}

#[tokio::test]
async fn server_that_falls_silent_is_noticed() {
    let mut fake = Fake::start();
    let (mut subscription, _call, silence) = over_a_line(&mut fake).await;
    silence.send_replace(true);
    let lost = soon(subscription.next()).await.unwrap_err();
    assert!(lost.is_transient(), "{lost}");
}

#[tokio::test]
async fn subscription_that_is_not_read_is_kept() {
    let mut fake = Fake::start();
    let (mut subscription, call, _silence) = over_a_line(&mut fake).await;
    // More than the window holds.
    let large = Event {
        data: vec![0; 4 << 20].into(),
        ..event(1)
    };
    for _ in 0..6 {
        let sent = call.answers.send(Ok(read_event(Some(&large), None)));
        sent.expect("sent");
    }
    // For longer than pings may stay unanswered.
    let mut passed = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..12 {
        passed.tick().await;
    }
    for _ in 0..6 {
        let next = soon(subscription.next()).await;
        assert!(matches!(next, Ok(Some(LogMessage::Record(_)))), "{next:?}");
    }
}
