//! `/info`, `/health/live`, `/ping`, `/gossip`, `/stats` (protocol §10).
//!
//! Never writes anything.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::{json, status};
use crate::clock;
use crate::cluster::{Member, Phase};
use crate::generation::Generation;
use crate::net::Body;
use crate::node::Node;

/// True if there is such a page.
pub(super) fn exists(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["info" | "ping" | "gossip" | "stats"] | ["health", "live"]
    )
}

pub(super) fn answer(node: &Arc<Node>, segments: &[&str]) -> Response<Body> {
    match segments {
        ["health", "live"] if is_live(node) => status(StatusCode::NO_CONTENT),
        ["health", "live"] => status(StatusCode::SERVICE_UNAVAILABLE),
        ["info"] => json(StatusCode::OK, &info(node)),
        ["ping"] => json(StatusCode::OK, &ping(node)),
        ["gossip"] => json(StatusCode::OK, &gossip(node)),
        _ => json(StatusCode::OK, &stats(node)),
    }
}

/// Ready, and with a leader (protocol §14.2).
fn is_live(node: &Node) -> bool {
    matches!(node.phase(), Phase::Ready | Phase::Terminating) && node.cluster.leader().is_some()
}

fn info(node: &Node) -> Value {
    let version = node.generation().version_over_http();
    let mut info = json!({
        "esVersion": version,
        "state": state(node).to_lowercase(),
        "features": {"projections": true, "userManagement": false, "atomPub": true},
        "authentication": {"type": "insecure", "properties": null},
    });
    if node.generation() == Generation::V26_1_0 {
        info["dbVersion"] = version.into();
        info["authentication"]["properties"] = json!([]);
    }
    info
}

fn ping(node: &Node) -> Value {
    let mut ping = json!({"text": "Ping request successfully handled", "label": "Http"});
    if node.generation() == Generation::V23_10_4 {
        ping["msgTypeId"] = 123.into();
    }
    ping
}

/// What the node is, in the words of gossip.
fn state(node: &Node) -> &'static str {
    let members = node.cluster.members();
    let member = members.get(node.index);
    member.map_or("Unknown", |member| member.state().as_str_name())
}

fn gossip(node: &Node) -> Value {
    let members = node.cluster.members();
    let (host, port) = members
        .get(node.index)
        .map_or((String::new(), 0), |member| member.advertised.clone());
    let members = members.iter().enumerate();
    let shown: Vec<Value> = members
        .map(|(index, member)| shown(node, index, member))
        .collect();
    json!({"members": shown, "serverIp": host, "serverPort": port})
}

fn shown(node: &Node, index: usize, member: &Member) -> Value {
    let (host, port) = &member.advertised;
    let log = node.cluster.log_of(index);
    let end = log.end();
    let mut shown = json!({
        "instanceId": member.instance,
        "timeStamp": timestamp(),
        "state": member.state().as_str_name(),
        "isAlive": member.phase != Phase::Down,
        "internalTcpIp": host,
        "internalTcpPort": 1112,
        "internalSecureTcpPort": 0,
        "externalTcpIp": host,
        "externalTcpPort": 0,
        "externalSecureTcpPort": 0,
        "httpEndPointIp": host,
        "httpEndPointPort": port,
        "lastCommitPosition": log.last_position(),
        "writerCheckpoint": end,
        "chaserCheckpoint": end,
        "epochPosition": 0,
        "epochNumber": 0,
        "epochId": member.instance,
        "nodePriority": 0,
        "isReadOnlyReplica": false,
        "esVersion": node.generation().version_over_http(),
    });
    if node.generation() == Generation::V26_1_0 {
        shown["internalHttpEndPointIp"] = host.as_str().into();
        shown["internalHttpEndPointPort"] = (*port).into();
    }
    shown
}

fn stats(node: &Node) -> Value {
    let counters = node.tally.read();
    json!({
        "proc": {"id": std::process::id()},
        "sys": {},
        "es": {
            "records": node.store().record_count(),
            "openCalls": counters.open_calls,
            "calls": counters.calls,
            "appends": counters.appends,
            "appendedEvents": counters.appended_events,
            "batchCalls": counters.batch_calls,
        },
    })
}

/// Now, in the form of RFC 3339.
fn timestamp() -> String {
    prost_types::Timestamp::from(clock::now()).to_string()
}
