//! The recorded answers as bytes: what the targets begin with.
//!
//! Never adds what no server said, but for what the recordings leave out because it differs each time.

use std::collections::HashMap;

use ditto_protocol::gossip::{ClusterInfo, EndPoint, MemberInfo};
use ditto_protocol::ids::{IdForm, to_wire};
use ditto_protocol::persistent_subscriptions::SubscriptionInfo;
use ditto_protocol::persistent_subscriptions::subscription_info::ConnectionInfo;
use ditto_protocol::rpc::Status;
use ditto_protocol::server_features::{SupportedMethod, SupportedMethods};
use ditto_protocol::shared::{BadRequest, Empty, MaximumAppendSizeExceeded, StreamIdentifier};
use ditto_protocol::streams::append_resp::{self, success};
use ditto_protocol::streams::batch_append_resp::{self, success as batch_success};
use ditto_protocol::streams::read_resp::read_event::{Position, RecordedEvent};
use ditto_protocol::streams::read_resp::{Content, ReadEvent, StreamNotFound};
use ditto_protocol::streams::{AppendResp, BatchAppendResp, ReadResp};
use prost::Message;
use serde_json::Value;
use uuid::Uuid;

use crate::recorded::{number, objects, text, with_numbers};

type Seeds = Vec<Vec<u8>>;

/// The seeds of each target that has some.
pub(crate) fn all() -> Vec<(&'static str, Seeds)> {
    vec![
        ("append_answer", appends()),
        ("cluster_answer", cluster()),
        ("group_info", groups()),
        ("link_text", links()),
        ("read_answer", reads()),
        ("stream_metadata", metadata()),
    ]
}

fn has(value: &Value, names: &[&str]) -> bool {
    names.iter().all(|name| value.get(name).is_some())
}

/// Each is the answer to the first of four appends, by a batch call and by itself.
fn appends() -> Seeds {
    let errors = objects(|value| value["code"].is_i64() && has(value, &["details", "message"]));
    let mut results: Vec<_> = errors.iter().map(failed).collect();
    results.push(batch_append_resp::Result::Success(
        batch_append_resp::Success {
            current_revision_option: Some(batch_success::CurrentRevisionOption::CurrentRevision(2)),
            position_option: None,
        },
    ));
    let mut seeds: Seeds = results.into_iter().map(batch_answer).collect();
    let success = append_resp::Success {
        current_revision_option: Some(success::CurrentRevisionOption::CurrentRevision(2)),
        position_option: None,
    };
    for result in [
        append_resp::Result::Success(success),
        append_resp::Result::WrongExpectedVersion(append_resp::WrongExpectedVersion::default()),
    ] {
        let result = Some(result);
        seeds.push(played(128, &AppendResp { result }.encode_to_vec()));
    }
    seeds
}

fn failed(error: &Value) -> batch_append_resp::Result {
    let details = &error["details"];
    let type_url = text(details, "type").to_owned();
    let value = if type_url.ends_with("MaximumAppendSizeExceeded") {
        let max_append_size = number(details, "maxappendsize");
        MaximumAppendSizeExceeded { max_append_size }.encode_to_vec()
    } else {
        let message = text(details, "message").to_owned();
        BadRequest { message }.encode_to_vec()
    };
    batch_append_resp::Result::Error(Status {
        code: number(error, "code"),
        message: text(error, "message").to_owned(),
        details: Some(prost_types::Any { type_url, value }),
    })
}

fn batch_answer(result: batch_append_resp::Result) -> Vec<u8> {
    let answer = BatchAppendResp {
        result: Some(result),
        ..BatchAppendResp::default()
    };
    played(0, &answer.encode_to_vec())
}

fn played(whom: u8, answer: &[u8]) -> Vec<u8> {
    let length = u8::try_from(answer.len()).expect("a short answer");
    [&[length, whom], answer].concat()
}

fn cluster() -> Seeds {
    let errors = objects(|value| value["code"].is_string() && has(value, &["details", "trailers"]));
    let mut seeds: Seeds = errors.iter().map(headers).collect();
    seeds.push(
        b"sgrpc-status: 5\ngrpc-message: Leader info available\nexception: not-leader\nleader-endpoint-host: node2\n\
          leader-endpoint-port: 2113"
            .to_vec(),
    );
    let features = objects(|value| has(value, &["version", "methods"]));
    seeds.extend(features.iter().take(1).map(methods));
    let member = |state, port: u32| MemberInfo {
        instance_id: Some(to_wire(Uuid::from_u128(port.into()), IdForm::Structured)),
        time_stamp: 17_000_000_000_000_000,
        state,
        is_alive: true,
        http_end_point: Some(EndPoint {
            address: "node.example.net".to_owned(),
            port,
        }),
    };
    for members in [
        vec![member(8, 2113)],
        vec![member(4, 2111), member(8, 2112), member(4, 2113)],
    ] {
        seeds.push([&b"g"[..], &ClusterInfo { members }.encode_to_vec()].concat());
    }
    seeds
}

fn headers(error: &Value) -> Vec<u8> {
    let names = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
    ];
    let code = names.iter().position(|name| *name == text(error, "code"));
    let mut lines = format!(
        "sgrpc-status: {}\ngrpc-message: {}",
        code.unwrap_or(2),
        text(error, "details")
    );
    for (name, value) in error["trailers"].as_object().expect("trailers") {
        lines += &format!("\n{name}: {}", value.as_str().unwrap_or_default());
    }
    lines.into_bytes()
}

fn methods(features: &Value) -> Vec<u8> {
    let all = features["methods"].as_array().expect("a list").iter();
    let methods = all.filter_map(|method| {
        let (service, method) = method.as_str()?.split_once('/')?;
        let is_asked_for = service.ends_with("streams") || service.ends_with("subscriptions");
        is_asked_for.then(|| SupportedMethod {
            service_name: service.to_owned(),
            method_name: method.split(' ').next().unwrap_or_default().to_owned(),
            ..SupportedMethod::default()
        })
    });
    let answer = SupportedMethods {
        event_store_server_version: text(features, "version").to_owned(),
        methods: methods.collect(),
    };
    [&b"f"[..], &answer.encode_to_vec()].concat()
}

fn groups() -> Seeds {
    let groups = objects(|value| has(value, &["eventSource", "namedConsumerStrategy"]));
    let answers = groups.iter().map(group);
    answers
        .map(|answer| [&[0], &answer.encode_to_vec()[..]].concat())
        .collect()
}

fn group(group: &Value) -> SubscriptionInfo {
    let none = Vec::new();
    let connections = group["connectionsList"].as_array().unwrap_or(&none).iter();
    SubscriptionInfo {
        event_source: text(group, "eventSource").to_owned(),
        group_name: text(group, "groupName").to_owned(),
        status: text(group, "status").to_owned(),
        connections: connections
            .map(|one| ConnectionInfo {
                username: text(one, "username").to_owned(),
                connection_name: text(one, "connectionName").to_owned(),
                ..ConnectionInfo::default()
            })
            .collect(),
        last_checkpointed_event_position: text(group, "lastCheckpointedEventPosition").to_owned(),
        last_known_event_position: text(group, "lastKnownEventPosition").to_owned(),
        resolve_link_tos: group["resolveLinkTos"] == true,
        start_from: text(group, "startFrom").to_owned(),
        message_timeout_milliseconds: number(group, "messageTimeoutMilliseconds"),
        max_retry_count: number(group, "maxRetryCount"),
        check_point_after_milliseconds: number(group, "checkPointAfterMilliseconds"),
        named_consumer_strategy: text(group, "namedConsumerStrategy").to_owned(),
        max_subscriber_count: number(group, "maxSubscriberCount"),
        parked_message_count: number(group, "parkedMessageCount"),
        ..SubscriptionInfo::default()
    }
}

fn is_record(value: &Value) -> bool {
    has(value, &["at", "type", "data", "custom"])
}

fn links() -> Seeds {
    let links = objects(|value| is_record(value) && value["type"] == "$>");
    let seed = |link: &Value| {
        let (revision, stream) = text(link, "at").split_once('@').unwrap_or_default();
        let custom = with_numbers(text(link, "custom"));
        format!("$>\n{stream}\n{revision}\n{}\n{custom}", text(link, "data")).into_bytes()
    };
    links.iter().map(seed).collect()
}

fn reads() -> Seeds {
    let pages = objects(|value| {
        let messages = value["messages"].as_array();
        messages.is_some_and(|messages| {
            (1..=4).contains(&messages.len()) && messages.iter().all(Value::is_object)
        })
    });
    pages
        .iter()
        .map(page)
        .filter(|page| page.len() < 1024)
        .collect()
}

fn page(page: &Value) -> Vec<u8> {
    let mut bytes = b"grpc-status: 0\n\n".to_vec();
    for message in page["messages"].as_array().into_iter().flatten() {
        if let Some(name) = message["streamNotFound"].as_str() {
            let stream_identifier = identifier(name);
            let content = Content::StreamNotFound(StreamNotFound { stream_identifier });
            frame(&mut bytes, &[content]);
        } else {
            // Two parts of one message, which are merged: a map of two keys has no order.
            let parts: [Part; 2] = [record, content_type];
            frame(&mut bytes, &parts.map(|part| event(message, part)));
        }
    }
    frame(&mut bytes, &[Content::LastStreamPosition(5)]);
    bytes
}

type Part = fn(&Value) -> Option<RecordedEvent>;

fn event(message: &Value, part: Part) -> Content {
    Content::Event(ReadEvent {
        event: part(&message["event"]),
        link: part(&message["link"]),
        position: Some(Position::NoPosition(Empty {})),
    })
}

fn frame(bytes: &mut Vec<u8>, parts: &[Content]) {
    let encoded = |content: &Content| {
        let content = Some(content.clone());
        ReadResp { content }.encode_to_vec()
    };
    let message: Vec<u8> = parts.iter().flat_map(encoded).collect();
    bytes.push(0);
    let length = u32::try_from(message.len()).expect("a short message");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&message);
}

fn record(record: &Value) -> Option<RecordedEvent> {
    let (revision, stream) = text(record, "at").split_once('@')?;
    Some(RecordedEvent {
        id: Some(to_wire(Uuid::from_u128(1), IdForm::Structured)),
        stream_identifier: identifier(stream),
        stream_revision: revision.parse().ok()?,
        metadata: HashMap::from([("type".to_owned(), text(record, "type").to_owned())]),
        custom_metadata: with_numbers(text(record, "custom")).into(),
        data: text(record, "data").to_owned().into(),
        ..RecordedEvent::default()
    })
}

fn content_type(record: &Value) -> Option<RecordedEvent> {
    let content_type = record["content"].as_str()?;
    Some(RecordedEvent {
        metadata: HashMap::from([("content-type".to_owned(), content_type.to_owned())]),
        ..RecordedEvent::default()
    })
}

fn identifier(name: &str) -> Option<StreamIdentifier> {
    Some(ditto_protocol::ids::stream_identifier(name))
}

fn metadata() -> Seeds {
    let events = objects(|value| is_record(value) && value["type"] == "$metadata");
    let data = events.iter().map(|event| text(event, "data"));
    data.filter(|data| !data.is_empty())
        .map(|data| data.as_bytes().to_vec())
        .collect()
}
