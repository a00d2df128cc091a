//! `/devstore/…`: faults, leadership, restarts, for those who cannot call into the process; and `/admin/shutdown`.
//!
//! Never waits for what it sets going: a server that ends cannot answer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use ditto_protocol::gossip::member_info::VNodeState;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{json, refused, status};
use crate::faults::Fault;
use crate::lifecycle::Lifecycle;
use crate::net::Body;
use crate::node::Node;
use crate::options::{Ending, Startup, User};

/// Largest request.
const MAX_REQUEST: usize = 1024 * 1024;
/// How long a server that is shut down over HTTP stays down when the request does not say.
const DOWN_MS: u64 = 1000;

/// True if there is such a page.
pub(super) fn exists(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["devstore", "faults" | "restart" | "users"]
            | [
                "devstore",
                "faults" | "hold" | "leader" | "rejoin" | "state",
                _
            ]
            | ["admin", "shutdown" | "scavenge"]
    )
}

pub(super) async fn answer(
    node: &Arc<Node>,
    segments: &[&str],
    request: Request<Incoming>,
) -> Response<Body> {
    let faults = &node.cluster.faults;
    match (request.method().clone(), segments) {
        (Method::GET, ["devstore", "faults"]) => json(StatusCode::OK, &json!(faults.list())),
        (Method::DELETE, ["devstore", "faults"]) => {
            faults.clear();
            status(StatusCode::NO_CONTENT)
        }
        (Method::DELETE, ["devstore", "faults", id]) => match id.parse() {
            Ok(id) if faults.remove_numbered(id) => status(StatusCode::NO_CONTENT),
            _ => status(StatusCode::NOT_FOUND),
        },
        (Method::POST, ["devstore", "faults"]) => match read::<Fault>(request).await {
            Ok(fault) => json(StatusCode::CREATED, &json!({"id": faults.add(fault)})),
            Err(error) => refused(StatusCode::BAD_REQUEST, &error),
        },
        (Method::POST, ["devstore", "users"]) => match read::<Option<Vec<User>>>(request).await {
            Ok(users) => {
                node.cluster.users.set(users);
                status(StatusCode::NO_CONTENT)
            }
            Err(error) => refused(StatusCode::BAD_REQUEST, &error),
        },
        (Method::POST, ["devstore", "leader", number]) => lead(node, number).await,
        (Method::POST, ["devstore", "hold", number]) => done(hold_back(node, number)),
        (Method::POST, ["devstore", "rejoin", number]) => done(rejoin(node, number).await),
        (Method::POST, ["devstore", "state", number]) => {
            match read::<Option<String>>(request).await {
                Ok(state) => done(call(node, number, state.as_deref())),
                Err(error) => refused(StatusCode::BAD_REQUEST, &error),
            }
        }
        (Method::POST, ["devstore", "restart"]) => match read::<Restart>(request).await {
            Ok(restart) => begin(node, restart),
            Err(error) => refused(StatusCode::BAD_REQUEST, &error),
        },
        (Method::POST, ["admin", "scavenge"]) => {
            let removed = node.store().scavenge();
            json(StatusCode::OK, &json!({"removed": removed}))
        }
        (Method::POST, ["admin", "shutdown"]) => begin(node, Restart::shutdown()),
        _ => status(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// A restart as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restart {
    /// How it ends.
    #[serde(rename = "as")]
    ending: Ending,
    /// For how long nothing listens.
    #[serde(default = "Restart::down_ms")]
    down_ms: u64,
    /// How long the port answers without a leader.
    #[serde(default)]
    without_leader_ms: u64,
    /// How long the subsystems take.
    #[serde(default)]
    subsystems_ms: u64,
    /// Which node; all if absent.
    node: Option<usize>,
}

impl Restart {
    fn down_ms() -> u64 {
        DOWN_MS
    }

    fn shutdown() -> Self {
        Self {
            ending: Ending::Shutdown,
            down_ms: DOWN_MS,
            without_leader_ms: 0,
            subsystems_ms: 0,
            node: None,
        }
    }
}

fn begin(node: &Node, restart: Restart) -> Response<Body> {
    let Some(lifecycle) = lifecycle(node) else {
        return status(StatusCode::SERVICE_UNAVAILABLE);
    };
    let nodes = match restart.node {
        Some(node) => vec![node],
        None => (0..lifecycle.nodes().count()).collect(),
    };
    let startup = Startup {
        without_leader: Duration::from_millis(restart.without_leader_ms),
        subsystems: Duration::from_millis(restart.subsystems_ms),
    };
    let down = Duration::from_millis(restart.down_ms);
    lifecycle.restart(nodes, restart.ending, down, startup);
    status(StatusCode::ACCEPTED)
}

async fn lead(node: &Node, number: &str) -> Response<Body> {
    match (lifecycle(node), number.parse()) {
        (Some(lifecycle), Ok(number)) => done(lifecycle.lead(number).await),
        _ => status(StatusCode::NOT_FOUND),
    }
}

fn hold_back(node: &Node, number: &str) -> bool {
    let held = number.parse().ok();
    held.and_then(|number| node.cluster.hold_back(number))
        .is_some()
}

async fn rejoin(node: &Node, number: &str) -> bool {
    match (lifecycle(node), number.parse()) {
        (Some(lifecycle), Ok(number)) => lifecycle.rejoin(number).await.is_ok(),
        _ => false,
    }
}

/// A state by its name in gossip; `None`: what the node is.
fn call(node: &Node, number: &str, name: Option<&str>) -> bool {
    let state = name.map(VNodeState::from_str_name);
    match (number.parse(), state) {
        (Ok(_), Some(None)) | (Err(_), _) => false,
        (Ok(number), state) => node.cluster.call(number, state.flatten()),
    }
}

fn done(is_done: bool) -> Response<Body> {
    status(if is_done {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    })
}

fn lifecycle(node: &Node) -> Option<Arc<Lifecycle>> {
    node.cluster.lifecycle.get().and_then(Weak::upgrade)
}

async fn read<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> Result<T, String> {
    let body = Limited::new(request.into_body(), MAX_REQUEST)
        .collect()
        .await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}
