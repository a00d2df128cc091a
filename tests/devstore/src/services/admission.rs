//! Whether a node takes a call: the phase of its life, who leads, who calls, faults (protocol §10, §14).
//!
//! Never reads or writes anything for the call itself.

use hyper::header::{HeaderMap, HeaderValue};
use tonic::{Code, Extensions, Status};

use crate::cluster::Phase;
use crate::faults::{FaultKind, Place, Point};
use crate::node::Node;
use crate::services::status::with_trailers;
use crate::users::{Access, Identity, Unauthenticated};

/// Kinds of calls that a node's phase and the leadership let in alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Gossip and supported methods: answered as long as the port is.
    Server,
    Read,
    /// Append, Delete, Tombstone.
    Write,
    /// Everything about groups that changes them or reads through them.
    Group,
    /// GetInfo and List.
    GroupInfo,
}

/// What the headers of a call say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) requires_leader: bool,
    pub(crate) identity: Identity,
}

/// A call that wants in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// Service and method.
    pub(crate) call: &'static str,
    pub(crate) kind: Kind,
    pub(crate) stream: Option<&'a str>,
    pub(crate) access: Option<Access<'a>>,
}

/// Why a call is not taken.
#[derive(Debug)]
pub(crate) enum Refusal {
    NotReady,
    Status(Status),
    /// The caller is left without an answer.
    Silence,
}

impl Caller {
    pub(crate) fn from_headers(
        node: &Node,
        headers: &HeaderMap<HeaderValue>,
    ) -> Result<Self, Unauthenticated> {
        let leader = headers
            .get("requires-leader")
            .and_then(|value| value.to_str().ok());
        Ok(Self {
            // Anything but a boolean counts as false (protocol §10).
            requires_leader: leader.is_some_and(|text| text.eq_ignore_ascii_case("true")),
            identity: node.cluster.users.identify(headers)?,
        })
    }

    /// The caller that the dispatcher noted with the request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }
}

/// Lets a call in, refuses it, or leaves it unanswered for ever.
pub(crate) async fn admit(node: &Node, caller: &Caller, entry: Entry<'_>) -> Result<(), Status> {
    match judge(node, caller, entry) {
        Ok(()) => Ok(()),
        Err(Refusal::NotReady) => Err(not_ready()),
        Err(Refusal::Status(status)) => Err(status),
        Err(Refusal::Silence) => std::future::pending().await,
    }
}

fn judge(node: &Node, caller: &Caller, entry: Entry<'_>) -> Result<(), Refusal> {
    judge_state(node, caller, entry.kind)?;
    if let Some(fault) = node
        .cluster
        .faults
        .strike(Point::Call, place(node, entry.call, entry.stream))
    {
        return Err(match fault {
            FaultKind::NotLeader { host, port } => Refusal::Status(not_leader(&host, port)),
            FaultKind::Unanswered => Refusal::Silence,
            _ => Refusal::NotReady,
        });
    }
    match entry.access {
        Some(access) if !may(node, caller, entry.call, entry.stream, access) => {
            Err(Refusal::Status(access_denied()))
        }
        _ => Ok(()),
    }
}

/// Judges by the node's phase and the leadership alone.
pub(crate) fn judge_state(node: &Node, caller: &Caller, kind: Kind) -> Result<(), Refusal> {
    match (node.phase(), kind) {
        (Phase::Down | Phase::Silent, _) => return Err(Refusal::Silence),
        (Phase::Refusing, _) => return Err(Refusal::NotReady),
        (_, Kind::Server) => return Ok(()),
        (Phase::NoLeader, Kind::Read) => return Ok(()),
        (Phase::NoLeader, _) | (Phase::Starting, Kind::GroupInfo) => return Err(Refusal::NotReady),
        (Phase::Starting, Kind::Group) => return Err(Refusal::Silence),
        (Phase::Starting | Phase::Ready | Phase::Terminating, _) => {}
    }
    let needs_leader = caller.requires_leader || matches!(kind, Kind::Group | Kind::GroupInfo);
    if !needs_leader || node.leads() {
        return Ok(());
    }
    Err(match node.cluster.leader_address() {
        Some((host, port)) => Refusal::Status(not_leader(&host, port)),
        None => Refusal::NotReady,
    })
}

/// Whether the caller may do that.
pub(crate) fn may(
    node: &Node,
    caller: &Caller,
    call: &'static str,
    stream: Option<&str>,
    access: Access<'_>,
) -> bool {
    caller.identity.may(access, node.store())
        && node
            .cluster
            .faults
            .strike(Point::Access, place(node, call, stream))
            .is_none()
}

pub(crate) fn place<'a>(node: &Node, call: &'a str, stream: Option<&'a str>) -> Place<'a> {
    Place {
        call,
        stream,
        node: node.index,
    }
}

pub(crate) fn not_ready() -> Status {
    Status::unavailable("Server Is Not Ready")
}

pub(crate) fn unauthenticated() -> Status {
    Status::unauthenticated("Unauthenticated")
}

fn access_denied() -> Status {
    with_trailers(
        Code::PermissionDenied,
        "Access Denied".to_owned(),
        &[("exception", "access-denied")],
    )
}

fn not_leader(host: &str, port: u16) -> Status {
    with_trailers(
        Code::NotFound,
        "Leader info available".to_owned(),
        &[
            ("exception", "not-leader"),
            ("leader-endpoint-host", host),
            ("leader-endpoint-port", &port.to_string()),
        ],
    )
}
