//! A client of the generated code, and a server in process to use it on. Asserts nothing but that something came.

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
    CreateReq, GetInfoReq, ReadReq, ReadResp, SubscriptionInfo, get_info_req, read_resp,
};
use ditto_protocol::shared::Empty;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use uuid::Uuid;

/// Longest wait for anything; only a failing test waits that long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) type Client = PersistentSubscriptionsClient<Channel>;

/// A server, and a client that is connected to it.
pub(crate) async fn server() -> (Server, Client) {
    server_with(Options::default()).await
}

/// A server started in that way, and a client that is connected to it.
pub(crate) async fn server_with(options: Options) -> (Server, Client) {
    let server = Server::start(options).await.unwrap();
    let client = connect(&server).await;
    (server, client)
}

/// A new connection.
pub(crate) async fn connect(server: &Server) -> Client {
    Client::connect(format!("http://{}", server.address()))
        .await
        .unwrap()
}

pub(crate) fn write(server: &Server, stream: &str, count: u64) -> Vec<Uuid> {
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

pub(crate) fn settings() -> create_req::Settings {
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

pub(crate) async fn create(
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

pub(crate) async fn info(client: &mut Client, stream: &str) -> Result<SubscriptionInfo, Status> {
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
pub(crate) struct Consumer {
    requests: mpsc::Sender<ReadReq>,
    answers: Streaming<ReadResp>,
}

impl Consumer {
    pub(crate) async fn join(
        client: &mut Client,
        stream: &str,
        slots: i32,
    ) -> Result<Consumer, Status> {
        let mut consumer = Self::try_join(client, stream, slots).await?;
        match consumer.next().await {
            Ok(Some(read_resp::Content::SubscriptionConfirmation(_))) => Ok(consumer),
            other => panic!("no confirmation: {other:?}"),
        }
    }

    /// A consumer that waits for its confirmation.
    pub(crate) async fn try_join(
        client: &mut Client,
        stream: &str,
        slots: i32,
    ) -> Result<Consumer, Status> {
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
        Ok(Consumer { requests, answers })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<read_resp::Content>, Status> {
        let answer = tokio::time::timeout(LIMIT, self.answers.message()).await;
        answer
            .expect("nothing came")
            .map(|answer| answer.and_then(|answer| answer.content))
    }

    /// The next events: revision, id to acknowledge, earlier deliveries.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<(u64, Uuid, i32)> {
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

    pub(crate) async fn ack(&self, ids: &[Uuid]) {
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

    pub(crate) async fn nack(&self, id: Uuid, action: nack::Action) {
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

pub(crate) async fn until(
    client: &mut Client,
    stream: &str,
    holds: impl Fn(&SubscriptionInfo) -> bool,
) {
    let poll = async {
        while !holds(&info(client, stream).await.unwrap()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, poll)
        .await
        .expect("it never came to hold");
}
