//! `/info`, `/health/live`, `/ping`, `/gossip`, `/stats` (`protocol.md` §10).
//!
//! Never writes anything.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::{json, status};
use crate::cluster::{Member, Phase};
use crate::net::Body;
use crate::node::{Node, VERSION};

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
        ["ping"] => json(
            StatusCode::OK,
            &json!({"text": "Ping request successfully handled", "msgTypeId": 123, "label": "Http"}),
        ),
        ["gossip"] => json(StatusCode::OK, &gossip(node)),
        _ => json(StatusCode::OK, &stats(node)),
    }
}

/// Ready, and with a leader (`protocol.md` §14.2).
fn is_live(node: &Node) -> bool {
    matches!(node.phase(), Phase::Ready | Phase::Terminating) && node.cluster.leader().is_some()
}

fn info(node: &Node) -> Value {
    json!({
        "esVersion": format!("{VERSION}.0"),
        "state": state(node.phase(), node.leads()).to_lowercase(),
        "features": {"projections": true, "userManagement": false, "atomPub": true},
        "authentication": {"type": "insecure", "properties": null},
    })
}

fn state(phase: Phase, leads: bool) -> &'static str {
    match (phase, leads) {
        (Phase::NoLeader, _) => "Unknown",
        (Phase::Refusing | Phase::Silent, _) => "ShuttingDown",
        (_, true) => "Leader",
        (_, false) => "Follower",
    }
}

fn gossip(node: &Node) -> Value {
    let members = node.cluster.members();
    let (host, port) = members
        .get(node.index)
        .map_or((String::new(), 0), |member| member.advertised.clone());
    let shown: Vec<Value> = members.iter().map(|member| shown(node, member)).collect();
    json!({"members": shown, "serverIp": host, "serverPort": port})
}

fn shown(node: &Node, member: &Member) -> Value {
    let (host, port) = &member.advertised;
    let end = node.store().end();
    json!({
        "instanceId": member.instance,
        "timeStamp": timestamp(),
        "state": state(member.phase, member.leads),
        "isAlive": member.phase != Phase::Down,
        "internalTcpIp": host,
        "internalTcpPort": 1112,
        "internalSecureTcpPort": 0,
        "externalTcpIp": host,
        "externalTcpPort": 0,
        "externalSecureTcpPort": 0,
        "httpEndPointIp": host,
        "httpEndPointPort": port,
        "lastCommitPosition": node.store().last_position(),
        "writerCheckpoint": end,
        "chaserCheckpoint": end,
        "epochPosition": 0,
        "epochNumber": 0,
        "epochId": member.instance,
        "nodePriority": 0,
        "isReadOnlyReplica": false,
        "esVersion": format!("{VERSION}.0"),
    })
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
    prost_types::Timestamp::from(std::time::SystemTime::now()).to_string()
}
