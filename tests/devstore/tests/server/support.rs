//! A client made of the generated code, and waits with a limit. Never measures time.

use std::time::Duration;

use devstore::store::{Expected, Proposed, Store};
use devstore::{Options, Server};
use ditto_protocol::ids::{IdForm, stream_identifier, to_wire};
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::append_req::options::ExpectedStreamRevision;
use ditto_protocol::streams::append_req::{self, Content};
use ditto_protocol::streams::batch_append_req::{self, options::ExpectedStreamPosition};
use ditto_protocol::streams::read_req::options::all_options::AllOption;
use ditto_protocol::streams::read_req::options::filter_options::{Expression, Filter, Window};
use ditto_protocol::streams::read_req::options::stream_options::RevisionOption;
use ditto_protocol::streams::read_req::options::uuid_option;
use ditto_protocol::streams::read_req::options::{
    self, AllOptions, CountOption, FilterOption, FilterOptions, Position, StreamOption,
    StreamOptions, UuidOption,
};
use ditto_protocol::streams::streams_client::StreamsClient;
use ditto_protocol::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, ReadReq, ReadResp, batch_append_resp,
    read_req, read_resp,
};
use futures_util::stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

/// Longest wait for anything; only a failing test waits that long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// How long something must not happen that should not.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

pub(crate) type Client = StreamsClient<Channel>;

/// A server, and a client of its first node.
pub(crate) async fn server(options: Options) -> (Server, Client) {
    let server = Server::start(options).await.unwrap();
    let client = client(&server, 0).await;
    (server, client)
}

/// A client of one node; connects when it is used.
pub(crate) async fn client(server: &Server, node: usize) -> Client {
    let address = server.addresses()[node];
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    Client::new(endpoint.tcp_nodelay(true).connect_lazy())
}

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what)
        .await
        .expect("not within the limit")
}

/// Asks again and again until the condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    within(async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

pub(crate) fn event(id: u128) -> Proposed {
    let mut event = Store::json_event("happened", "{}");
    event.id = Uuid::from_u128(id);
    event
}

pub(crate) fn write(server: &Server, stream: &str, ids: std::ops::Range<u128>) {
    let events = ids.map(event).collect();
    server
        .store()
        .append(stream, Expected::Any, events)
        .unwrap();
}

fn metadata_of(event_type: &str) -> std::collections::HashMap<String, String> {
    [("type", event_type), ("content-type", "application/json")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// Appends one event, whatever is there.
pub(crate) async fn append(
    client: &mut Client,
    stream: &str,
    id: u128,
) -> Result<AppendResp, Status> {
    append_as(client, stream, id, |_| {}).await
}

/// An event as large as a test wants it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) data: usize,
    pub(crate) metadata: usize,
    pub(crate) event_type: usize,
}

/// Appends one event of these sizes, whatever is there.
pub(crate) async fn append_sized(
    client: &mut Client,
    stream: &str,
    sizes: Sizes,
) -> Result<AppendResp, Status> {
    let event_type = "t".repeat(sizes.event_type);
    let message = append_req::ProposedMessage {
        id: Some(to_wire(Uuid::new_v4(), IdForm::Structured)),
        metadata: metadata_of(&event_type),
        custom_metadata: vec![0; sizes.metadata].into(),
        data: vec![0; sizes.data].into(),
    };
    append_message(client, stream, message, |_| {}).await
}

/// Appends one event with headers of the caller's choice.
pub(crate) async fn append_as(
    client: &mut Client,
    stream: &str,
    id: u128,
    headers: impl FnOnce(&mut tonic::metadata::MetadataMap),
) -> Result<AppendResp, Status> {
    let message = append_req::ProposedMessage {
        id: Some(to_wire(Uuid::from_u128(id), IdForm::Structured)),
        metadata: metadata_of("happened"),
        custom_metadata: bytes::Bytes::new(),
        data: "{}".into(),
    };
    append_message(client, stream, message, headers).await
}

async fn append_message(
    client: &mut Client,
    stream: &str,
    message: append_req::ProposedMessage,
    headers: impl FnOnce(&mut tonic::metadata::MetadataMap),
) -> Result<AppendResp, Status> {
    let options = append_req::Options {
        stream_identifier: Some(stream_identifier(stream)),
        expected_stream_revision: Some(ExpectedStreamRevision::Any(Empty {})),
    };
    let contents = [Content::Options(options), Content::ProposedMessage(message)];
    let messages = contents.map(|content| AppendReq {
        content: Some(content),
    });
    let mut request = Request::new(stream::iter(messages));
    headers(request.metadata_mut());
    let answer = within(client.append(request)).await?;
    Ok(answer.into_inner())
}

/// An open batch-append call.
pub(crate) struct Batch {
    requests: mpsc::Sender<BatchAppendReq>,
    answers: Streaming<BatchAppendResp>,
}

impl Batch {
    pub(crate) async fn open(client: &mut Client) -> Result<Self, Status> {
        let (requests, queue) = mpsc::channel(100);
        let answers = within(client.batch_append(ReceiverStream::new(queue)))
            .await?
            .into_inner();
        Ok(Self { requests, answers })
    }

    /// Writes one event under a correlation id of the same number.
    pub(crate) async fn write(&self, stream: &str, id: u128) {
        let sizes = Sizes {
            data: 2,
            metadata: 0,
            event_type: 1,
        };
        self.write_sized(stream, id, sizes).await;
    }

    /// Writes one event of these sizes under a correlation id of the same number.
    pub(crate) async fn write_sized(&self, stream: &str, id: u128, sizes: Sizes) {
        self.send(stream, id, sizes, true).await;
    }

    /// Sends one event of a write that is not finished.
    pub(crate) async fn begin(&self, stream: &str, id: u128) {
        let sizes = Sizes {
            data: 2,
            metadata: 0,
            event_type: 1,
        };
        self.send(stream, id, sizes, false).await;
    }

    async fn send(&self, stream: &str, id: u128, sizes: Sizes, is_final: bool) {
        let id = Uuid::from_u128(id);
        let request = BatchAppendReq {
            correlation_id: Some(to_wire(id, IdForm::Text)),
            options: Some(batch_append_req::Options {
                stream_identifier: Some(stream_identifier(stream)),
                expected_stream_position: Some(ExpectedStreamPosition::Any(())),
                deadline_option: None,
            }),
            proposed_messages: vec![batch_append_req::ProposedMessage {
                id: Some(to_wire(id, IdForm::Text)),
                metadata: metadata_of(&"t".repeat(sizes.event_type)),
                custom_metadata: vec![0; sizes.metadata].into(),
                data: vec![0; sizes.data].into(),
            }],
            is_final,
        };
        self.requests.send(request).await.unwrap();
    }

    /// The next answer in a few words: correlation id, and `ok` or code and message; or how the call ended.
    pub(crate) async fn answer(&mut self) -> String {
        match within(self.answers.message()).await {
            Ok(Some(answer)) => told(&answer),
            Ok(None) => "end".to_owned(),
            Err(status) => format!("{:?}: {}", status.code(), status.message()),
        }
    }

    /// True if no answer comes for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(SILENCE, self.answers.message())
            .await
            .is_err()
    }
}

fn told(answer: &BatchAppendResp) -> String {
    let id = ditto_protocol::ids::from_wire(answer.correlation_id.as_ref()).unwrap();
    let outcome = match answer.result.as_ref().unwrap() {
        batch_append_resp::Result::Success(_) => "ok".to_owned(),
        batch_append_resp::Result::Error(error) => format!("{} {}", error.code, error.message),
    };
    format!(
        "{} {outcome}",
        if id.get_version_num() == 4 {
            "?".to_owned()
        } else {
            id.as_u128().to_string()
        }
    )
}

/// A read of a stream from its start: of so many events, or for ever.
pub(crate) fn read(stream: &str, count: Option<u64>) -> ReadReq {
    ReadReq {
        options: Some(read_req::Options {
            read_direction: 0,
            resolve_links: false,
            uuid_option: Some(UuidOption {
                content: Some(uuid_option::Content::Structured(Empty {})),
            }),
            control_option: None,
            stream_option: Some(StreamOption::Stream(StreamOptions {
                stream_identifier: Some(stream_identifier(stream)),
                revision_option: Some(RevisionOption::Start(Empty {})),
            })),
            count_option: Some(match count {
                Some(count) => CountOption::Count(count),
                None => CountOption::Subscription(options::SubscriptionOptions {}),
            }),
            filter_option: Some(FilterOption::NoFilter(Empty {})),
        }),
    }
}

/// A subscription to `$all` behind this pair of commit and prepare position (`None`: from its start), of streams whose
/// names begin with `s`.
pub(crate) fn log(after: Option<(u64, u64)>) -> ReadReq {
    let mut request = read("s", None);
    if let Some(options) = &mut request.options {
        let position = after.map(|(commit_position, prepare_position)| {
            AllOption::Position(Position {
                commit_position,
                prepare_position,
            })
        });
        options.stream_option = Some(StreamOption::All(AllOptions {
            all_option: Some(position.unwrap_or(AllOption::Start(Empty {}))),
        }));
        options.filter_option = Some(FilterOption::Filter(FilterOptions {
            filter: Some(Filter::StreamIdentifier(Expression {
                regex: "^s".to_owned(),
                prefix: Vec::new(),
            })),
            window: Some(Window::Count(Empty {})),
            checkpoint_interval_multiplier: 100,
        }));
    }
    request
}

/// A read of a whole stream: the revisions found, ascending, and the last one that the node has.
pub(crate) async fn pages(
    client: &mut Client,
    stream: &str,
    backwards: bool,
) -> (Option<Vec<u64>>, Option<u64>) {
    let mut request = read(stream, Some(1_000));
    if let Some(options) = &mut request.options {
        options.read_direction = i32::from(backwards);
        options.control_option = Some(options::ControlOption { compatibility: 1 });
        if backwards && let Some(StreamOption::Stream(stream)) = &mut options.stream_option {
            stream.revision_option = Some(RevisionOption::End(Empty {}));
        }
    }
    let mut answers = within(client.read(request)).await.unwrap().into_inner();
    let (mut revisions, mut last) = (Vec::new(), None);
    while let Some(answer) = within(answers.message()).await.unwrap() {
        match answer.content.unwrap() {
            read_resp::Content::Event(event) => {
                revisions.push(event.event.unwrap().stream_revision);
            }
            read_resp::Content::LastStreamPosition(position) => last = Some(position),
            read_resp::Content::StreamNotFound(_) => return (None, None),
            other => panic!("{other:?}"),
        }
    }
    revisions.sort_unstable();
    (Some(revisions), last)
}

/// The next message of a read in a few words; or how it ended.
pub(crate) async fn next(answers: &mut Streaming<ReadResp>) -> String {
    match within(answers.message()).await {
        Ok(Some(answer)) => match answer.content.unwrap() {
            read_resp::Content::Event(event) => event.event.unwrap().stream_revision.to_string(),
            read_resp::Content::Confirmation(_) => "confirmed".to_owned(),
            read_resp::Content::CaughtUp(_) => "caught up".to_owned(),
            other => format!("{other:?}"),
        },
        Ok(None) => "end".to_owned(),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// A subscription that has shown everything.
pub(crate) async fn subscribe(client: &mut Client, stream: &str) -> Streaming<ReadResp> {
    caught_up(client, read(stream, None)).await
}

/// The same of any request.
pub(crate) async fn caught_up(client: &mut Client, request: ReadReq) -> Streaming<ReadResp> {
    let mut answers = within(client.read(request)).await.unwrap().into_inner();
    while next(&mut answers).await != "caught up" {}
    answers
}
