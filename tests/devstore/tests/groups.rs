//! Groups over the wire: a generated client against a server in process. What is delivered when is tested on the state
//! machine itself; here it is that calls, statuses and streams fit together. Never measures time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use bytes::Bytes;
use devstore::store::{Expected, Proposed};
use devstore::{Options, Server};
use ditto_protocol::ids::{IdForm, from_wire, stream_identifier, to_wire};
use ditto_protocol::persistent_subscriptions::create_req::options::StreamOption;
use ditto_protocol::persistent_subscriptions::create_req::settings::{
    CheckpointAfter, MessageTimeout,
};
use ditto_protocol::persistent_subscriptions::create_req::{
    self, StreamOptions, stream_options::RevisionOption,
};
use ditto_protocol::persistent_subscriptions::persistent_subscriptions_client::PersistentSubscriptionsClient;
use ditto_protocol::persistent_subscriptions::read_req::{self, nack};
use ditto_protocol::persistent_subscriptions::{
    CreateReq, DeleteReq, GetInfoReq, ReadReq, ReadResp, SubscriptionInfo, delete_req,
    get_info_req, read_resp,
};
use ditto_protocol::shared::Empty;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

/// Longest wait for anything; only a failing test waits that long.
const LIMIT: Duration = Duration::from_secs(20);

type Client = PersistentSubscriptionsClient<Channel>;

async fn server() -> (Server, Client) {
    let server = Server::start(Options::default()).await.unwrap();
    let address = format!("http://{}", server.address());
    let client = Client::connect(address).await.unwrap();
    (server, client)
}

fn write(server: &Server, stream: &str, count: u64) -> Vec<Uuid> {
    let events: Vec<Proposed> = (0..count)
        .map(|number| Proposed {
            id: Uuid::new_v4(),
            event_type: "happened".into(),
            is_json: true,
            data: Bytes::from(format!("{{\"n\":{number}}}")),
            metadata: Bytes::new(),
        })
        .collect();
    let ids = events.iter().map(|event| event.id).collect();
    server
        .store()
        .append(stream, Expected::Any, events)
        .unwrap();
    ids
}

fn settings() -> create_req::Settings {
    create_req::Settings {
        resolve_links: true,
        message_timeout: Some(MessageTimeout::MessageTimeoutMs(30_000)),
        max_retry_count: 10,
        checkpoint_after: Some(CheckpointAfter::CheckpointAfterMs(2_000)),
        min_checkpoint_count: 10,
        max_checkpoint_count: 1_000,
        live_buffer_size: 500,
        read_batch_size: 20,
        history_buffer_size: 500,
        ..Default::default()
    }
}

async fn create(
    client: &mut Client,
    stream: &str,
    settings: create_req::Settings,
) -> Result<(), Status> {
    let source = StreamOptions {
        stream_identifier: Some(stream_identifier(stream)),
        revision_option: Some(RevisionOption::Start(Empty {})),
    };
    let options = create_req::Options {
        group_name: "g".to_owned(),
        settings: Some(settings),
        stream_option: Some(StreamOption::Stream(source)),
        ..Default::default()
    };
    client
        .create(CreateReq {
            options: Some(options),
        })
        .await
        .map(|_| ())
}

async fn info(client: &mut Client, stream: &str) -> Result<SubscriptionInfo, Status> {
    let stream = get_info_req::options::StreamOption::StreamIdentifier(stream_identifier(stream));
    let options = get_info_req::Options {
        group_name: "g".to_owned(),
        stream_option: Some(stream),
    };
    let answer = client
        .get_info(GetInfoReq {
            options: Some(options),
        })
        .await?;
    Ok(answer.into_inner().subscription_info.unwrap())
}

/// A consumer's call.
struct Consumer {
    requests: mpsc::Sender<ReadReq>,
    answers: Streaming<ReadResp>,
}

impl Consumer {
    async fn join(client: &mut Client, stream: &str, slots: i32) -> Result<Consumer, Status> {
        let (requests, queue) = mpsc::channel(100);
        let stream = read_req::options::StreamOption::StreamIdentifier(stream_identifier(stream));
        let options = read_req::Options {
            group_name: "g".to_owned(),
            buffer_size: slots,
            uuid_option: None,
            stream_option: Some(stream),
        };
        let first = ReadReq {
            content: Some(read_req::Content::Options(options)),
        };
        requests.send(first).await.unwrap();
        let answers = client.read(ReceiverStream::new(queue)).await?.into_inner();
        let mut consumer = Consumer { requests, answers };
        match consumer.next().await {
            Ok(Some(read_resp::Content::SubscriptionConfirmation(_))) => Ok(consumer),
            other => panic!("no confirmation: {other:?}"),
        }
    }

    async fn next(&mut self) -> Result<Option<read_resp::Content>, Status> {
        let answer = tokio::time::timeout(LIMIT, self.answers.message()).await;
        answer
            .expect("nothing came")
            .map(|answer| answer.and_then(|answer| answer.content))
    }

    /// The next events: revision, id to acknowledge, earlier deliveries.
    async fn take(&mut self, count: usize) -> Vec<(u64, Uuid, i32)> {
        let mut events = Vec::new();
        while events.len() < count {
            let Ok(Some(read_resp::Content::Event(event))) = self.next().await else {
                panic!("no event")
            };
            let original = event.link.or(event.event).unwrap();
            let Some(read_resp::read_event::Count::RetryCount(retry)) = event.count else {
                panic!("no retry count")
            };
            events.push((
                original.stream_revision,
                from_wire(original.id.as_ref()).unwrap(),
                retry,
            ));
        }
        events
    }

    async fn ack(&self, ids: &[Uuid]) {
        let ids = ids
            .iter()
            .map(|id| to_wire(*id, IdForm::Structured))
            .collect();
        let ack = read_req::Ack {
            ids,
            ..Default::default()
        };
        let request = ReadReq {
            content: Some(read_req::Content::Ack(ack)),
        };
        self.requests.send(request).await.unwrap();
    }

    async fn nack(&self, id: Uuid, action: nack::Action) {
        let nack = read_req::Nack {
            ids: vec![to_wire(id, IdForm::Text)],
            action: action.into(),
            reason: "because".to_owned(),
            ..Default::default()
        };
        let request = ReadReq {
            content: Some(read_req::Content::Nack(nack)),
        };
        self.requests.send(request).await.unwrap();
    }
}

async fn until(client: &mut Client, stream: &str, holds: impl Fn(&SubscriptionInfo) -> bool) {
    let poll = async {
        while !holds(&info(client, stream).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, poll)
        .await
        .expect("it never came to hold");
}

#[tokio::test]
async fn a_category_group_delivers_links_and_takes_answers_by_link_id() {
    let (server, mut client) = server().await;
    write(&server, "orders-1", 4);
    create(&mut client, "$ce-orders", settings()).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "$ce-orders", 2).await.unwrap();
    let first = consumer.take(2).await;
    assert_eq!(
        first.iter().map(|event| event.0).collect::<Vec<_>>(),
        [0, 1]
    );
    consumer.ack(&[first[0].1]).await;
    assert_eq!(consumer.take(1).await[0].0, 2);
    consumer.nack(first[1].1, nack::Action::Park).await;
    assert_eq!(consumer.take(1).await[0].0, 3);
    until(&mut client, "$ce-orders", |info| {
        info.parked_message_count == 1
    })
    .await;
    let parked = server
        .store()
        .event("$persistentsubscription-$ce-orders::g-parked", 0)
        .unwrap();
    assert_eq!(parked.data(), "1@orders-1");
    write(&server, "orders-1", 1);
    drop(consumer);
    until(&mut client, "$ce-orders", |info| {
        info.connections.is_empty()
    })
    .await;
    let mut consumer = Consumer::join(&mut client, "$ce-orders", 10).await.unwrap();
    let again: Vec<_> = consumer
        .take(3)
        .await
        .iter()
        .map(|event| (event.0, event.2))
        .collect();
    assert_eq!(
        again,
        [(2, 1), (3, 1), (4, 0)],
        "what the first one held comes first"
    );
}

#[tokio::test]
async fn calls_are_refused_with_the_real_servers_statuses() {
    let (_server, mut client) = server().await;
    let trailer = |status: &Status| {
        status
            .metadata()
            .get("exception")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let missing = info(&mut client, "s").await.unwrap_err();
    assert_eq!(
        (missing.code(), trailer(&missing).as_str()),
        (Code::NotFound, "persistent-subscription-does-not-exist")
    );
    create(
        &mut client,
        "s",
        create_req::Settings {
            max_subscriber_count: 1,
            ..settings()
        },
    )
    .await
    .unwrap();
    let exists = create(&mut client, "s", settings()).await.unwrap_err();
    assert_eq!(
        (exists.code(), trailer(&exists).as_str()),
        (Code::AlreadyExists, "persistent-subscription-exists")
    );
    let failed = create(
        &mut client,
        "t",
        create_req::Settings {
            read_batch_size: 500,
            ..settings()
        },
    )
    .await
    .unwrap_err();
    assert_eq!(
        (failed.code(), trailer(&failed).as_str()),
        (Code::Internal, "persistent-subscription-failed")
    );
    let mut consumer = Consumer::join(&mut client, "s", 10).await.unwrap();
    let full = Consumer::join(&mut client, "s", 10).await.err().unwrap();
    assert_eq!(
        (full.code(), trailer(&full).as_str()),
        (Code::FailedPrecondition, "maximum-subscribers-reached")
    );

    let stream = delete_req::options::StreamOption::StreamIdentifier(stream_identifier("s"));
    let options = delete_req::Options {
        group_name: "g".to_owned(),
        stream_option: Some(stream),
    };
    client
        .delete(DeleteReq {
            options: Some(options),
        })
        .await
        .unwrap();
    let dropped = consumer.next().await.unwrap_err();
    assert_eq!(
        (dropped.code(), trailer(&dropped).as_str()),
        (Code::Cancelled, "persistent-subscription-dropped")
    );
}

#[tokio::test]
async fn a_large_credit_is_worked_off_with_portions_of_answers() {
    let (server, mut client) = server().await;
    for _ in 0..20 {
        write(&server, "s", 1_000);
    }
    create(&mut client, "s", settings()).await.unwrap();
    let mut consumer = Consumer::join(&mut client, "s", 5_000).await.unwrap();
    let mut next = 0;
    while next < 20_000 {
        let portion = consumer.take(500).await;
        for (revision, _, retry) in &portion {
            assert_eq!((*revision, *retry), (next, 0));
            next += 1;
        }
        let ids: Vec<Uuid> = portion.iter().map(|event| event.1).collect();
        consumer.ack(&ids).await;
    }
    until(&mut client, "s", |info| {
        info.outstanding_messages_count == 0
    })
    .await;
}
