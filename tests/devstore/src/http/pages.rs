//! `/info`, `/health/live`, `/ping`, `/gossip`, `/stats` (`protocol.md` §10).
//!
//! Never writes anything.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde_json::json;

use super::{json, status};
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
        ["health", "live"] => status(StatusCode::NO_CONTENT),
        ["info"] => json(StatusCode::OK, &info()),
        ["ping"] => json(
            StatusCode::OK,
            &json!({"text": "Ping request successfully handled", "msgTypeId": 123, "label": "Http"}),
        ),
        ["gossip"] => json(StatusCode::OK, &gossip(node)),
        _ => json(StatusCode::OK, &stats(node)),
    }
}

fn info() -> serde_json::Value {
    json!({
        "esVersion": format!("{VERSION}.0"),
        "state": "leader",
        "features": {"projections": true, "userManagement": false, "atomPub": true},
        "authentication": {"type": "insecure", "properties": null},
    })
}

fn gossip(node: &Node) -> serde_json::Value {
    let (host, port) = &node.advertised;
    let end = node.store.end();
    json!({
        "members": [{
            "instanceId": node.instance,
            "timeStamp": timestamp(),
            "state": "Leader",
            "isAlive": true,
            "internalTcpIp": host,
            "internalTcpPort": 1112,
            "internalSecureTcpPort": 0,
            "externalTcpIp": host,
            "externalTcpPort": 0,
            "externalSecureTcpPort": 0,
            "httpEndPointIp": host,
            "httpEndPointPort": port,
            "lastCommitPosition": node.store.last_position(),
            "writerCheckpoint": end,
            "chaserCheckpoint": end,
            "epochPosition": 0,
            "epochNumber": 0,
            "epochId": node.instance,
            "nodePriority": 0,
            "isReadOnlyReplica": false,
            "esVersion": format!("{VERSION}.0"),
        }],
        "serverIp": host,
        "serverPort": port,
    })
}

fn stats(node: &Node) -> serde_json::Value {
    let counters = node.tally.read();
    json!({
        "proc": {"id": std::process::id()},
        "sys": {},
        "es": {
            "records": node.store.record_count(),
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
    let now = prost_types::Timestamp::from(std::time::SystemTime::now());
    now.to_string()
}
