//! Writes to and reads from an Event Store over gRPC, with nothing of ditto's own client: the demo's judgement must not
//! rest on the code that it judges. Never retries: a server that does not answer ends the demo.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use ditto_protocol::ids::{self, IdForm};
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::streams_client::StreamsClient;
use ditto_protocol::streams::{
    AppendReq, ReadReq, ReadResp, append_req, append_resp, read_req, read_resp,
};
use tonic::transport::{Channel, Endpoint};

use crate::compare::Recorded;

/// How long a server of this machine may take for one call.
const CALL: Duration = Duration::from_secs(5);

/// One server.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    client: StreamsClient<Channel>,
}

/// An event to be written.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) stream: String,
    pub(crate) expected: append_req::options::ExpectedStreamRevision,
    pub(crate) message: append_req::ProposedMessage,
}

impl Store {
    /// Connects to `host:port`, without TLS.
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?
            .connect_timeout(CALL)
            .connect()
            .await
            .with_context(|| format!("failed to connect to {address}"))?;
        Ok(Self {
            client: StreamsClient::new(channel),
        })
    }

    /// Appends one event.
    pub(crate) async fn append(&self, event: Proposed) -> Result<()> {
        let options = append_req::Content::Options(append_req::Options {
            stream_identifier: Some(ids::stream_identifier(&event.stream)),
            expected_stream_revision: Some(event.expected),
        });
        let messages =
            [options, append_req::Content::ProposedMessage(event.message)].map(|content| {
                AppendReq {
                    content: Some(content),
                }
            });
        let mut client = self.client.clone();
        let answer = within(client.append(tonic::codegen::tokio_stream::iter(messages))).await?;
        match answer.into_inner().result {
            Some(append_resp::Result::Success(_)) => Ok(()),
            other => bail!("append to {} was answered with {other:?}", event.stream),
        }
    }

    /// The events of a stream as they are, links not resolved. A stream that does not exist is empty.
    pub(crate) async fn stream(&self, name: &str) -> Result<Vec<Recorded>> {
        let events = self.read(name, false).await?;
        events
            .into_iter()
            .map(|event| recorded(event).map(|(_, event)| event))
            .collect()
    }

    /// Names of the streams whose events a category stream links to.
    pub(crate) async fn streams_of(&self, category: &str) -> Result<BTreeSet<String>> {
        let events = self.read(category, true).await?;
        events
            .into_iter()
            .map(|event| recorded(event).map(|(stream, _)| stream))
            .collect()
    }

    async fn read(&self, stream: &str, resolve_links: bool) -> Result<Vec<read_resp::ReadEvent>> {
        let mut client = self.client.clone();
        let mut answer = within(client.read(forwards(stream, resolve_links)))
            .await?
            .into_inner();
        let mut events = Vec::new();
        while let Some(ReadResp { content }) = within(answer.message()).await? {
            // A stream that is not found has no events; positions and the like say nothing about them.
            if let Some(read_resp::Content::Event(event)) = content {
                events.push(event);
            }
        }
        Ok(events)
    }
}

async fn within<T>(call: impl Future<Output = Result<T, tonic::Status>>) -> Result<T> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => answer.map_err(|status| anyhow!("{}: {}", status.code(), status.message())),
        Err(_) => bail!("no answer within {CALL:?}"),
    }
}

fn forwards(stream: &str, resolve_links: bool) -> ReadReq {
    use read_req::options::{
        CountOption, FilterOption, StreamOption, StreamOptions, UuidOption, stream_options,
        uuid_option,
    };
    ReadReq {
        options: Some(read_req::Options {
            stream_option: Some(StreamOption::Stream(StreamOptions {
                stream_identifier: Some(ids::stream_identifier(stream)),
                revision_option: Some(stream_options::RevisionOption::Start(Empty {})),
            })),
            read_direction: read_req::options::ReadDirection::Forwards.into(),
            resolve_links,
            count_option: Some(CountOption::Count(i64::MAX.unsigned_abs())),
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
pub(crate) fn json_message(
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
