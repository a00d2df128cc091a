//! `POST /streams/{stream}` adds events, `GET /streams/{stream}` shows them: for people with `curl`.
//!
//! Never used by ditto; a simple form of what the real server has there.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{json, refused, status};
use crate::net::Body;
use crate::node::Node;
use crate::store::{Expected, Proposed, Record, Refused, Resolved, Store, StreamRead};

/// Largest request.
const MAX_REQUEST: usize = 16 * 1024 * 1024;
/// Events shown when the request names no number.
const DEFAULT_COUNT: usize = 1000;
const EVENTS: &str = "application/vnd.eventstore.events+json";

pub(super) async fn answer(
    node: &Arc<Node>,
    stream: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    match *request.method() {
        Method::GET => show(&node.log(), stream, &parameters(request.uri().query())),
        Method::POST => add(node, stream, request).await,
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// An event of the request's list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    event_id: Uuid,
    event_type: String,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    metadata: Option<Value>,
}

async fn add(node: &Arc<Node>, stream: &str, request: Request<Incoming>) -> Response<Body> {
    let content_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|text| text.starts_with(EVENTS)) {
        return refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            &format!("the content type must be {EVENTS}"),
        );
    }
    let expected = request
        .headers()
        .get("es-expectedversion")
        .map(HeaderValue::to_str);
    let Some(expected) = expected_version(expected.and_then(Result::ok)) else {
        return refused(StatusCode::BAD_REQUEST, "ES-ExpectedVersion is no number");
    };
    let body = match Limited::new(request.into_body(), MAX_REQUEST)
        .collect()
        .await
    {
        Ok(body) => body.to_bytes(),
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let posted: Vec<Posted> = match serde_json::from_slice(&body) {
        Ok(posted) => posted,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if stream.is_empty()
        || posted
            .iter()
            .any(|event| event.event_type.is_empty() || event.event_id.is_nil())
    {
        return refused(
            StatusCode::BAD_REQUEST,
            "a stream, types and ids must be given",
        );
    }
    let events: Vec<Proposed> = posted.into_iter().map(proposed).collect();
    let count = events.len() as u64;
    match node.store().append(stream, expected, events) {
        Ok(written) => {
            node.tally.appended(count, written.recognised);
            created(stream, written.last_revision)
        }
        Err(Refused::WrongExpectedVersion { .. }) => {
            refused(StatusCode::BAD_REQUEST, "Wrong expected EventNumber")
        }
        Err(Refused::StreamDeleted) => refused(StatusCode::GONE, "Stream deleted"),
    }
}

fn expected_version(header: Option<&str>) -> Option<Expected> {
    match header.map_or(Ok(-2), str::parse::<i64>).ok()? {
        -2 => Some(Expected::Any),
        -1 => Some(Expected::NoStream),
        -4 => Some(Expected::StreamExists),
        revision => u64::try_from(revision).ok().map(Expected::Exact),
    }
}

fn proposed(event: Posted) -> Proposed {
    let text = |value: Option<Value>| {
        value.map_or_else(Bytes::new, |value| Bytes::from(value.to_string()))
    };
    Proposed {
        id: event.event_id,
        event_type: event.event_type.into(),
        is_json: true,
        data: text(event.data),
        metadata: text(event.metadata),
    }
}

fn created(stream: &str, last: Option<u64>) -> Response<Body> {
    let mut answer = json(
        StatusCode::CREATED,
        &json!({"stream": stream, "lastEventNumber": last}),
    );
    if let Ok(location) = HeaderValue::try_from(format!("/streams/{stream}")) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// `from` (a number, default 0) and `count`, ascending; links are followed unless `resolve=false`.
fn show(store: &Store, stream: &str, parameters: &HashMap<String, String>) -> Response<Body> {
    let number = |name: &str| parameters.get(name).map(|text| text.parse::<u64>());
    let (Ok(from), Ok(count)) = (number("from").unwrap_or(Ok(0)), number("count").transpose())
    else {
        return refused(StatusCode::BAD_REQUEST, "from and count must be numbers");
    };
    let count = count.map_or(DEFAULT_COUNT, |count| {
        usize::try_from(count).unwrap_or(usize::MAX)
    });
    let from = from.max(store.stream_info(stream).first_readable);
    match store.read_forward(stream, from, count) {
        StreamRead::NotFound => status(StatusCode::NOT_FOUND),
        StreamRead::Deleted => status(StatusCode::GONE),
        StreamRead::Page(page) => {
            let follow = parameters.get("resolve").is_none_or(|text| text != "false");
            let shown =
                page.events
                    .iter()
                    .zip(store.resolve(&page.events))
                    .map(|(record, resolved)| match resolved {
                        Resolved::Link(target) if follow => {
                            let mut event = target.map_or(Value::Null, |target| event(&target));
                            if event.is_null() {
                                event = json!({});
                            }
                            event["link"] = self::event(record);
                            event
                        }
                        _ => event(record),
                    });
            json(StatusCode::OK, &shown.collect())
        }
    }
}

fn event(record: &Record) -> Value {
    json!({
        "eventId": record.id,
        "eventType": &*record.event_type,
        "stream": &*record.stream,
        "eventNumber": record.revision,
        "isJson": record.is_json,
        "data": payload(&record.data(), record.is_json),
        "metadata": payload(&record.metadata(), true),
    })
}

/// JSON as it is, other text as text, anything else as hexadecimal digits.
fn payload(bytes: &Bytes, is_json: bool) -> Value {
    if is_json && let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        ),
    }
}

fn parameters(query: Option<&str>) -> HashMap<String, String> {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), super::decoded(value)))
        .collect()
}
