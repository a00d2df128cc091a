//! What can go wrong with an Event Store, in classes that decide what ditto does next.
//!
//! Classed by gRPC code and by the server's `exception` trailer (`protocol.md` §9), never by message text where either
//! says it. Never holds a secret.

use std::fmt;

use crate::config::cluster::Endpoint;

/// Which of the two servers an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where events come from.
    Source,
    /// Where they go.
    Destination,
}

impl Side {
    /// The word used in logs and as the metric label `side`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an error means for whoever made the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// No connection, a broken one, or a server that gave up: trying again may help, and whether a write was done is
    /// not known.
    Transient,
    /// No answer within ditto's own time limit; whether a write was done is not known.
    Timeout,
    /// TLS could not be agreed on: certificate, name, authority or version.
    Tls,
    /// The server says that it is starting, stopping, too busy or without a leader. Nothing was done.
    NotReady,
    /// The node is not the leader; it names the leader if it knows. Nothing was done.
    NotLeader(Option<Endpoint>),
    /// User or password are wrong, or missing.
    Unauthenticated,
    /// The user has no right to this.
    Denied,
    /// There is no such group.
    GroupNotFound,
    /// There is a group of that name already.
    GroupExists,
    /// The group has as many consumers as it allows.
    GroupTaken,
    /// The server ended the subscription: the group was deleted or changed.
    Dropped,
    /// The stream is deleted.
    Deleted,
    /// The stream does not end where the write expected it to.
    WrongRevision,
    /// The write is larger than the server accepts.
    TooLarge,
    /// Refused for another lasting reason.
    Refused,
    /// The server is too old for this.
    Unsupported,
    /// A file or a setting of ditto's own.
    Configuration,
    /// The crate's client is dead and must be replaced (`protocol.md` §11 T1).
    RebuildClient,
}

/// One error: side, what was tried, class, and the server's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    side: Side,
    class: Class,
    action: &'static str,
    detail: String,
}

impl Error {
    /// An error of ditto's own making. `action` completes "failed to …".
    #[must_use]
    pub fn new(side: Side, class: Class, action: &'static str, detail: impl Into<String>) -> Self {
        Self {
            side,
            class,
            action,
            detail: detail.into(),
        }
    }

    /// What a status means (`protocol.md` §9).
    #[must_use]
    pub fn from_status(side: Side, action: &'static str, status: &tonic::Status) -> Self {
        let class = class_of_status(status);
        let detail = match std::error::Error::source(status) {
            Some(source) => innermost(source).to_string(),
            None if status.message().is_empty() => status.code().description().to_owned(),
            None => status.message().to_owned(),
        };
        Self::new(side, class, action, detail)
    }

    /// The same error, its detail naming the node.
    #[must_use]
    pub(crate) fn at(mut self, node: &Endpoint) -> Self {
        self.detail = format!("{node}: {}", self.detail);
        self
    }

    /// What an error of the eventstore crate means. It keeps neither trailers nor sources (`protocol.md` §9, end).
    #[must_use]
    pub fn from_crate(side: Side, action: &'static str, error: &eventstore::Error) -> Self {
        use eventstore::Error as Crate;
        let class = match error {
            Crate::ServerError(_) => Class::Transient,
            Crate::NotLeaderException(leader) => {
                Class::NotLeader(u16::try_from(leader.port).ok().map(|port| Endpoint {
                    host: leader.host.clone(),
                    port,
                }))
            }
            Crate::ConnectionClosed
            | Crate::GrpcConnectionError(_)
            | Crate::InternalClientError => Class::RebuildClient,
            Crate::AccessDenied => Class::Denied,
            Crate::ResourceAlreadyExists => Class::GroupExists,
            Crate::ResourceNotFound => Class::GroupNotFound,
            Crate::ResourceDeleted => Class::Deleted,
            Crate::UnsupportedFeature => Class::Unsupported,
            Crate::DeadlineExceeded => Class::Timeout,
            Crate::InitializationError(_) => Class::Configuration,
            // T17: a dropped consumer comes as this.
            Crate::IllegalStateError(_) => Class::Dropped,
            Crate::WrongExpectedVersion { .. } => Class::WrongRevision,
            Crate::InternalParsingError(_) => Class::Refused,
            Crate::Grpc { code, .. } => match i32::from(*code) {
                // On group calls nothing else has this code (a deleted stream is told apart above).
                9 => Class::GroupTaken,
                3 | 11 => Class::Refused,
                _ => Class::Transient,
            },
        };
        Self::new(side, class, action, error.to_string())
    }

    /// Which server it is about.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// What it means.
    #[must_use]
    pub fn class(&self) -> &Class {
        &self.class
    }

    /// The server's own words, or what ditto found.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// One word for it: what metrics count by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.class {
            Class::Transient => "unavailable",
            Class::Timeout => "timeout",
            Class::Tls => "tls",
            Class::NotReady => "not_ready",
            Class::NotLeader(_) => "not_leader",
            Class::Unauthenticated => "unauthenticated",
            Class::Denied => "denied",
            Class::GroupNotFound => "group_not_found",
            Class::GroupExists => "group_exists",
            Class::GroupTaken => "group_taken",
            Class::Dropped => "dropped",
            Class::Deleted => "deleted",
            Class::WrongRevision => "wrong_revision",
            Class::TooLarge => "too_large",
            Class::Refused => "refused",
            Class::Unsupported => "unsupported",
            Class::Configuration => "configuration",
            Class::RebuildClient => "client_closed",
        }
    }

    /// True if the same call may well succeed later without anybody doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.class,
            Class::Transient
                | Class::Timeout
                | Class::Tls
                | Class::NotReady
                | Class::NotLeader(_)
                | Class::Dropped
                | Class::RebuildClient
        )
    }

    /// What the operator can do, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.class {
            Class::Transient => {
                "is the server running, and is its address right and reachable from here?"
            }
            Class::Tls => {
                "check tls_ca_file, the server's certificate and its name, or tls=false for a server without TLS"
            }
            Class::Unauthenticated => "check user and password_file",
            Class::Denied => {
                "give the user the right: $ops or $admins to create groups, read on the source, write on the destination"
            }
            Class::GroupNotFound => "create the group, or set create = true",
            Class::GroupTaken => "another consumer has the group; GetInfo names its connection",
            Class::TooLarge => {
                "raise the server's MaxAppendSize, or lower max_append_bytes for merged appends"
            }
            Class::Unsupported => "ditto needs EventStoreDB 21.10 or later",
            _ => return None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: failed to {}", self.side, self.action)?;
        if let Class::NotLeader(leader) = &self.class {
            match leader {
                Some(leader) => write!(f, ": the node is not the leader, {leader} is")?,
                None => write!(f, ": the node is not the leader")?,
            }
            return Ok(());
        }
        write!(f, ": {}", self.detail)
    }
}

impl std::error::Error for Error {}

fn class_of_status(status: &tonic::Status) -> Class {
    // Only what never came from the server has a source: a connection that broke or could not be made.
    if let Some(source) = std::error::Error::source(status) {
        return if chain(source).any(|error| error.is::<rustls::Error>()) {
            Class::Tls
        } else {
            Class::Transient
        };
    }
    let trailer = |name| {
        status
            .metadata()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if let Some(exception) = trailer("exception")
        && let Some(class) = class_of_exception(exception, &trailer)
    {
        return class;
    }
    match status.code() {
        tonic::Code::Unavailable => Class::NotReady,
        tonic::Code::DeadlineExceeded => Class::Timeout,
        tonic::Code::Unauthenticated => Class::Unauthenticated,
        tonic::Code::PermissionDenied => Class::Denied,
        tonic::Code::AlreadyExists => Class::GroupExists,
        tonic::Code::NotFound => Class::GroupNotFound,
        tonic::Code::ResourceExhausted => Class::TooLarge,
        tonic::Code::Unimplemented => Class::Unsupported,
        tonic::Code::InvalidArgument
        | tonic::Code::OutOfRange
        | tonic::Code::FailedPrecondition => Class::Refused,
        tonic::Code::Unknown => class_of_unknown(status.message()),
        _ => Class::Transient,
    }
}

fn class_of_exception<'a>(
    exception: &str,
    trailer: &impl Fn(&'static str) -> Option<&'a str>,
) -> Option<Class> {
    Some(match exception {
        "not-leader" => Class::NotLeader(
            trailer("leader-endpoint-host")
                .zip(trailer("leader-endpoint-port").and_then(|port| port.parse().ok()))
                .map(|(host, port)| Endpoint {
                    host: host.to_owned(),
                    port,
                }),
        ),
        "stream-deleted" => Class::Deleted,
        "access-denied" => Class::Denied,
        "wrong-expected-version" => Class::WrongRevision,
        "maximum-append-size-exceeded" | "maximum-append-event-size-exceeded" => Class::TooLarge,
        "missing-required-metadata-property"
        | "invalid-transaction"
        | "persistent-subscription-failed" => Class::Refused,
        "persistent-subscription-does-not-exist" => Class::GroupNotFound,
        "persistent-subscription-exists" => Class::GroupExists,
        "persistent-subscription-dropped" => Class::Dropped,
        "maximum-subscribers-reached" => Class::GroupTaken,
        _ => return None,
    })
}

/// UNKNOWN comes without any trailer, so that only the text is left: a handler that threw refuses the same request
/// again, a node without a leader does not (`protocol.md` §9).
fn class_of_unknown(text: &str) -> Class {
    if text.starts_with("Exception was thrown by handler") || text.starts_with("Unexpected Read") {
        Class::Refused
    } else if text.starts_with("No leader info") {
        Class::NotReady
    } else {
        Class::Transient
    }
}

fn chain<'a>(
    first: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(first), |error| {
        // An io::Error shows what it wraps only this way, and TLS errors come wrapped in one.
        match error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        }
    })
}

fn innermost<'a>(
    first: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    chain(first).last().unwrap_or(first)
}
