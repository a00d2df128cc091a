//! How fast the development server is, and how much memory an event takes: `cargo bench -p devstore`.
//!
//! Prints figures; judges nothing but what would make a comparison meaningless, an answer that is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use devstore::{Model, Options, Server};
use ditto_protocol::ids::{IdForm, from_wire, stream_identifier, to_wire};
use ditto_protocol::persistent_subscriptions as groups;
use ditto_protocol::persistent_subscriptions::persistent_subscriptions_client::PersistentSubscriptionsClient;
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::batch_append_req::options::ExpectedStreamPosition;
use ditto_protocol::streams::streams_client::StreamsClient;
use ditto_protocol::streams::{
    BatchAppendReq, batch_append_req, batch_append_resp, read_req, read_resp,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

const EVENTS: usize = 100_000;
const STREAMS: usize = 100;
const BATCH: usize = 20;
const DATA: usize = 200;
/// Events of the copy under the model.
const COPIED: usize = 2_000;
const LIMIT: Duration = Duration::from_secs(120);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(LIMIT, run())
            .await
            .expect("the benchmark hangs");
    });
}

async fn run() {
    let before = resident();
    let mut clock = Clock::start();
    let server = Server::start(Options::default()).await.unwrap();
    let channel = connect(&server).await;
    append_all(&channel).await;
    clock.report(
        &format!("append {EVENTS} events of {DATA} bytes in batches of {BATCH}"),
        EVENTS,
    );
    let bytes = resident().saturating_sub(before);
    println!(
        "memory: {} bytes an event, links and the program's own growth included",
        bytes / EVENTS
    );
    read_all(&channel).await;
    clock.report(
        "read $all by a subscription, unfiltered, until caught up",
        server.store().record_count(),
    );
    consume(&channel, "$ce-bench", 1_000).await;
    clock.report(
        "consume a group of $ce-bench, links resolved, acks in hundreds",
        EVENTS,
    );
    one_by_one().await;
}

/// Fills the streams over one batch-append call.
async fn append_all(channel: &Channel) {
    let mut client = StreamsClient::new(channel.clone());
    let (requests, queue) = mpsc::channel(256);
    let mut answers = client
        .batch_append(ReceiverStream::new(queue))
        .await
        .unwrap()
        .into_inner();
    let sender = tokio::spawn(async move {
        for i in 0..EVENTS / BATCH {
            requests
                .send(batch(&format!("bench-{}", i % STREAMS), BATCH))
                .await
                .unwrap();
        }
        requests
    });
    for _ in 0..EVENTS / BATCH {
        let answer = answers.message().await.unwrap().unwrap();
        assert!(
            matches!(answer.result, Some(batch_append_resp::Result::Success(_))),
            "{answer:?}"
        );
    }
    drop(sender.await.unwrap());
}

fn batch(stream: &str, events: usize) -> BatchAppendReq {
    let message = || batch_append_req::ProposedMessage {
        id: Some(to_wire(Uuid::new_v4(), IdForm::Structured)),
        metadata: [("type", "happened"), ("content-type", "application/json")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        custom_metadata: Bytes::new(),
        data: format!("{{\"text\":\"{}\"}}", "x".repeat(DATA - 11)).into(),
    };
    BatchAppendReq {
        correlation_id: Some(to_wire(Uuid::new_v4(), IdForm::Structured)),
        options: Some(batch_append_req::Options {
            stream_identifier: Some(stream_identifier(stream)),
            expected_stream_position: Some(ExpectedStreamPosition::Any(())),
            deadline_option: None,
        }),
        proposed_messages: std::iter::repeat_with(message).take(events).collect(),
        is_final: true,
    }
}

async fn read_all(channel: &Channel) {
    use read_req::options::{
        self, CountOption, FilterOption, StreamOption, UuidOption, uuid_option,
    };
    let mut client = StreamsClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
    let request = ditto_protocol::streams::ReadReq {
        options: Some(read_req::Options {
            read_direction: 0,
            resolve_links: false,
            uuid_option: Some(UuidOption {
                content: Some(uuid_option::Content::Structured(Empty {})),
            }),
            control_option: None,
            stream_option: Some(StreamOption::All(options::AllOptions {
                all_option: Some(options::all_options::AllOption::Start(Empty {})),
            })),
            count_option: Some(CountOption::Subscription(options::SubscriptionOptions {})),
            filter_option: Some(FilterOption::NoFilter(Empty {})),
        }),
    };
    let mut answers = client.read(request).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        if matches!(answer.content, Some(read_resp::Content::CaughtUp(_))) {
            break;
        }
    }
}

/// Consumes every event of a stream through a group of its own.
async fn consume(channel: &Channel, stream: &str, slots: i32) {
    let mut consumer = join(channel, stream, slots).await;
    let mut ids = Vec::new();
    for _ in 0..EVENTS {
        let (id, _) = consumer.next().await;
        ids.push(id);
        if ids.len() == 100 {
            consumer.ack(std::mem::take(&mut ids)).await;
        }
    }
}

struct Consumer {
    requests: mpsc::Sender<groups::ReadReq>,
    answers: tonic::Streaming<groups::ReadResp>,
}

impl Consumer {
    /// Id to acknowledge and data of the next event.
    async fn next(&mut self) -> (Uuid, Bytes) {
        loop {
            let answer = self.answers.message().await.unwrap().unwrap();
            let Some(groups::read_resp::Content::Event(event)) = answer.content else {
                continue;
            };
            let target = event.event.unwrap();
            let id = event.link.as_ref().map_or(&target.id, |link| &link.id);
            return (from_wire(id.as_ref()).unwrap(), target.data);
        }
    }

    async fn ack(&self, ids: Vec<Uuid>) {
        let ids = ids
            .into_iter()
            .map(|id| to_wire(id, IdForm::Structured))
            .collect();
        let ack = groups::read_req::Ack {
            id: Bytes::new(),
            ids,
        };
        let content = Some(groups::read_req::Content::Ack(ack));
        self.requests
            .send(groups::ReadReq { content })
            .await
            .unwrap();
    }
}

async fn join(channel: &Channel, stream: &str, slots: i32) -> Consumer {
    use groups::create_req::settings::{CheckpointAfter, MessageTimeout};
    use groups::create_req::{
        Options, Settings, StreamOptions, options::StreamOption, stream_options::RevisionOption,
    };
    let mut client = PersistentSubscriptionsClient::new(channel.clone());
    let create = groups::CreateReq {
        options: Some(Options {
            group_name: "bench".to_owned(),
            settings: Some(Settings {
                resolve_links: true,
                message_timeout: Some(MessageTimeout::MessageTimeoutMs(60_000)),
                max_retry_count: 10,
                checkpoint_after: Some(CheckpointAfter::CheckpointAfterMs(2_000)),
                min_checkpoint_count: 10,
                max_checkpoint_count: 1_000,
                live_buffer_size: 500,
                read_batch_size: 100,
                history_buffer_size: 5_000,
                ..Settings::default()
            }),
            stream_option: Some(StreamOption::Stream(StreamOptions {
                stream_identifier: Some(stream_identifier(stream)),
                revision_option: Some(RevisionOption::Start(Empty {})),
            })),
            ..Options::default()
        }),
    };
    client.create(create).await.unwrap();
    let (requests, queue) = mpsc::channel(256);
    let stream =
        groups::read_req::options::StreamOption::StreamIdentifier(stream_identifier(stream));
    let options = groups::read_req::Options {
        group_name: "bench".to_owned(),
        buffer_size: slots,
        uuid_option: None,
        stream_option: Some(stream),
    };
    let content = Some(groups::read_req::Content::Options(options));
    requests.send(groups::ReadReq { content }).await.unwrap();
    let answers = client
        .read(ReceiverStream::new(queue))
        .await
        .unwrap()
        .into_inner();
    Consumer { requests, answers }
}

/// A copy as the original tool makes it, under the model of the real server: one event, one append, one ack.
async fn one_by_one() {
    let options = || Options {
        model: Some(Model::V23_10_4),
        ..Options::default()
    };
    let source = Server::start(options()).await.unwrap();
    let destination = Server::start(options()).await.unwrap();
    for i in 0..COPIED / BATCH {
        let mut events = Vec::new();
        events.resize_with(BATCH, || {
            devstore::store::Store::json_event("happened", "{}")
        });
        let stream = format!("bench-{}", i % 10);
        source
            .store()
            .append(&stream, devstore::store::Expected::Any, events)
            .unwrap();
    }
    let mut consumer = join(&connect(&source).await, "$ce-bench", 10).await;
    let mut client = StreamsClient::new(connect(&destination).await);
    let (requests, queue) = mpsc::channel(1);
    let mut answers = client
        .batch_append(ReceiverStream::new(queue))
        .await
        .unwrap()
        .into_inner();
    let mut clock = Clock::start();
    for _ in 0..COPIED {
        let (id, data) = consumer.next().await;
        let mut request = batch("copy", 1);
        request.proposed_messages[0].data = data;
        requests.send(request).await.unwrap();
        let answer = answers.message().await.unwrap().unwrap();
        assert!(
            matches!(answer.result, Some(batch_append_resp::Result::Success(_))),
            "{answer:?}"
        );
        consumer.ack(vec![id]).await;
    }
    clock.report("copy one event at a time under --model 23.10.4", COPIED);
}

async fn connect(server: &Server) -> Channel {
    Endpoint::from_shared(format!("http://{}", server.address()))
        .unwrap()
        .tcp_nodelay(true)
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20)
        .connect()
        .await
        .unwrap()
}

/// Time of the day and of the processor since the last report: on a busy machine only the second means anything.
struct Clock {
    began: Instant,
    processor: Duration,
}

impl Clock {
    fn start() -> Self {
        Self {
            began: Instant::now(),
            processor: processor_time(),
        }
    }

    fn report(&mut self, what: &str, events: usize) {
        let seconds = self.began.elapsed().as_secs_f64();
        let processor = processor_time()
            .saturating_sub(self.processor)
            .as_secs_f64();
        let rate = events as f64 / seconds;
        println!(
            "{what}: {seconds:.2} s, {rate:.0} events/s ({processor:.2} s of processor time, clients included)"
        );
        *self = Self::start();
    }
}

/// Processor time that this process has used; 0 where the system does not tell.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    // Fields 14 and 15 of the line, user and system time, in hundredths of a second.
    let ticks: u64 = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Memory of this process in bytes; 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}
