//! Writes to and reads from an Event Store over gRPC, with nothing of ditto's own client: a judgement must not
//! rest on the code that it judges. Never retries: that is the caller's business.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use ditto_protocol::ids::{self, IdForm};
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::read_req::options::stream_options;
use ditto_protocol::streams::streams_client::StreamsClient;
use ditto_protocol::streams::{
    AppendReq, ReadReq, ReadResp, append_req, append_resp, read_req, read_resp,
};
use tonic::transport::{Channel, Endpoint};

use crate::compare::Recorded;

/// How long a server of this machine may take for one call.
const CALL: Duration = Duration::from_secs(5);

/// Largest answer taken.
const LARGEST: usize = 64 * 1024 * 1024;

/// One server.
#[derive(Clone, Debug)]
pub struct Store {
    client: StreamsClient<Channel>,
    limit: Duration,
}

/// Events to be written to one stream at once.
#[derive(Clone, Debug)]
pub struct Proposed {
    /// The stream.
    pub stream: String,
    /// What must be there.
    pub expected: append_req::options::ExpectedStreamRevision,
    /// The events, in order.
    pub messages: Vec<append_req::ProposedMessage>,
}

impl Store {
    /// Connects to `host:port`, without TLS.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect(address: &str) -> Result<Self> {
        Self::connect_within(address, CALL).await
    }

    /// The same, with another limit for each call.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn connect_within(address: &str, limit: Duration) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(limit)
            .connect()
            .await
            .with_context(|| format!("failed to connect to {address}"))?;
        Ok(Self {
            client: StreamsClient::new(channel).max_decoding_message_size(LARGEST),
            limit,
        })
    }

    /// Appends events, all or none.
    ///
    /// # Errors
    /// They were not written, or the server does not say that they were.
    pub async fn append(&self, events: Proposed) -> Result<()> {
        let options = append_req::Content::Options(append_req::Options {
            stream_identifier: Some(ids::stream_identifier(&events.stream)),
            expected_stream_revision: Some(events.expected),
        });
        let proposed = events
            .messages
            .into_iter()
            .map(append_req::Content::ProposedMessage);
        let messages: Vec<AppendReq> = std::iter::once(options)
            .chain(proposed)
            .map(|content| AppendReq {
                content: Some(content),
            })
            .collect();
        let mut client = self.client.clone();
        let call = client.append(tonic::codegen::tokio_stream::iter(messages));
        let answer = within(self.limit, call).await?;
        match answer.into_inner().result {
            Some(append_resp::Result::Success(_)) => Ok(()),
            other => bail!("append to {} was answered with {other:?}", events.stream),
        }
    }

    /// The number of a stream's last event, if it has one.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn last(&self, stream: &str) -> Result<Option<u64>> {
        let events = self.call(backwards(stream)).await?;
        match events.into_iter().next() {
            Some(event) => Ok(Some(recorded(event)?.1.revision)),
            None => Ok(None),
        }
    }

    /// The events of a stream as they are, links not resolved. A stream that does not exist is empty.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn stream(&self, name: &str) -> Result<Vec<Recorded>> {
        let events = self.read(name, false).await?;
        events
            .into_iter()
            .map(|event| recorded(event).map(|(_, event)| event))
            .collect()
    }

    /// Names of the streams whose events a category stream links to.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn streams_of(&self, category: &str) -> Result<BTreeSet<String>> {
        let events = self.read(category, true).await?;
        events
            .into_iter()
            .map(|event| recorded(event).map(|(stream, _)| stream))
            .collect()
    }

    async fn read(&self, stream: &str, resolve_links: bool) -> Result<Vec<read_resp::ReadEvent>> {
        self.call(forwards(stream, resolve_links)).await
    }

    async fn call(&self, request: ReadReq) -> Result<Vec<read_resp::ReadEvent>> {
        let mut client = self.client.clone();
        let mut answer = within(self.limit, client.read(request)).await?.into_inner();
        let mut events = Vec::new();
        while let Some(ReadResp { content }) = within(self.limit, answer.message()).await? {
            // A stream that is not found has no events; positions and the like say nothing about them.
            if let Some(read_resp::Content::Event(event)) = content {
                events.push(event);
            }
        }
        Ok(events)
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, tonic::Status>>,
) -> Result<T> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|status| anyhow!("{}: {}", status.code(), status.message())),
        Err(_) => bail!("no answer within {limit:?}"),
    }
}

fn forwards(stream: &str, resolve_links: bool) -> ReadReq {
    let start = stream_options::RevisionOption::Start(Empty {});
    let forwards = read_req::options::ReadDirection::Forwards;
    request(
        stream,
        start,
        forwards,
        i64::MAX.unsigned_abs(),
        resolve_links,
    )
}

/// The last event only.
fn backwards(stream: &str) -> ReadReq {
    let end = stream_options::RevisionOption::End(Empty {});
    let backwards = read_req::options::ReadDirection::Backwards;
    request(stream, end, backwards, 1, false)
}

fn request(
    stream: &str,
    from: stream_options::RevisionOption,
    direction: read_req::options::ReadDirection,
    count: u64,
    resolve_links: bool,
) -> ReadReq {
    use read_req::options::{
        CountOption, FilterOption, StreamOption, StreamOptions, UuidOption, uuid_option,
    };
    ReadReq {
        options: Some(read_req::Options {
            stream_option: Some(StreamOption::Stream(StreamOptions {
                stream_identifier: Some(ids::stream_identifier(stream)),
                revision_option: Some(from),
            })),
            read_direction: direction.into(),
            resolve_links,
            count_option: Some(CountOption::Count(count)),
            filter_option: Some(FilterOption::NoFilter(Empty {})),
            uuid_option: Some(UuidOption {
                content: Some(uuid_option::Content::String(Empty {})),
            }),
            control_option: None,
        }),
    }
}

fn recorded(event: read_resp::ReadEvent) -> Result<(String, Recorded)> {
    let event = event.event.context("a link whose event is not there")?;
    let stream = event
        .stream_identifier
        .context("an event without its stream")?
        .stream_name;
    let stream = String::from_utf8(stream.into()).context("a stream's name that is not UTF-8")?;
    let mut metadata: HashMap<String, String> = event.metadata;
    let mut property = |key: &str| {
        metadata
            .remove(key)
            .with_context(|| format!("an event without {key}"))
    };
    let event = Recorded {
        revision: event.stream_revision,
        id: ids::from_wire(event.id.as_ref())?,
        event_type: property("type")?,
        content_type: property("content-type")?,
        data: event.data,
        metadata: event.custom_metadata,
    };
    Ok((stream, event))
}

/// An event in the form that an append takes.
#[must_use]
pub fn json_message(
    id: uuid::Uuid,
    event_type: &str,
    data: &serde_json::Value,
    metadata: &serde_json::Value,
) -> append_req::ProposedMessage {
    append_req::ProposedMessage {
        id: Some(ids::to_wire(id, IdForm::Text)),
        metadata: HashMap::from([
            ("type".to_owned(), event_type.to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ]),
        custom_metadata: metadata.to_string().into(),
        data: data.to_string().into(),
    }
}
