//! What can go wrong with an Event Store, in classes that decide what ditto does next.
//!
//! Classed by gRPC code and by the server's `exception` trailer (protocol §9), never by message text where either
//! says it. Never holds a secret.

mod status;

use std::fmt;

pub use ditto_core::port::Side;

use crate::config::cluster::Endpoint;

/// What an error means for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// No connection, a broken one, or a server that gave up: trying again may help, and whether a write was done is
    /// not known.
    Transient,
    /// No answer within ditto's own time limit; whether a write was done is not known.
    Timeout,
    /// TLS could not be agreed on: certificate, name, authority or version.
    Tls,
    /// The server speaks TLS, and ditto is told not to.
    SpeaksTls,
    /// The server answers without TLS, and ditto is told to use it.
    SpeaksNoTls,
    /// The server says that it is starting, stopping, too busy or without a leader. Nothing was done.
    NotReady,
    /// The node is not the leader; it names the leader if it knows. Nothing was done.
    NotLeader(Option<Endpoint>),
    /// User or password are wrong, or missing.
    Unauthenticated,
    /// The user has no permission for this.
    Denied,
    /// The user has no permission to read the metadata of a stream, which shows whether it was deleted.
    MetadataDenied,
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
    /// HTTP 500 without a gRPC status: an error whose trailers would name a stream or group that is not ASCII
    /// (protocol §9, last row), or a proxy in trouble. Which of them is not known.
    NoStatus,
    /// This stream cannot be read, while the same node answers reads of others.
    Unreadable,
    /// No record begins at this position of the log, while the same node answers reads of others: the log is another one, or
    /// was cut.
    InvalidPosition,
    /// The server is too old for this.
    Unsupported,
    /// A file or a setting of ditto's own.
    Configuration,
    /// The crate's client is dead and must be replaced (protocol §11 T1).
    RebuildClient,
}

/// One error: side, what was tried, class, and the server's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    side: Side,
    class: Class,
    action: &'static str,
    detail: String,
    append_limit: Option<usize>,
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
            append_limit: None,
        }
    }

    /// An append that is too large, with the limit that the server named.
    #[must_use]
    pub(crate) fn too_large(
        side: Side,
        action: &'static str,
        detail: impl Into<String>,
        append_limit: Option<usize>,
    ) -> Self {
        Self {
            append_limit,
            ..Self::new(side, Class::TooLarge, action, detail)
        }
    }

    /// What a status means (protocol §9).
    #[must_use]
    pub fn from_status(side: Side, action: &'static str, status: &tonic::Status) -> Self {
        let class = status::class(status);
        let detail = match std::error::Error::source(status) {
            Some(source) => status::innermost(source).to_string(),
            None if status.message().is_empty() => status.code().description().to_owned(),
            None => status.message().to_owned(),
        };
        Self {
            append_limit: status::append_limit(status),
            ..Self::new(side, class, action, detail)
        }
    }

    /// The same error, its detail naming the node.
    #[must_use]
    pub(crate) fn at(mut self, node: &Endpoint) -> Self {
        self.detail = format!("{node}: {}", self.detail);
        self
    }

    /// The same error, known better.
    #[must_use]
    pub(crate) fn becomes(self, class: Class, detail: String) -> Self {
        Self {
            class,
            detail,
            ..self
        }
    }

    /// What an error of the eventstore crate means. It keeps neither trailers nor sources (protocol §9, end).
    #[must_use]
    pub fn from_crate(side: Side, action: &'static str, error: &eventstore::Error) -> Self {
        use eventstore::Error as Crate;
        let class = match error {
            Crate::ServerError(text) if status::is_without_status(text) => Class::NoStatus,
            Crate::ServerError(_) => Class::Transient,
            Crate::NotLeaderException(leader) => {
                Class::NotLeader(Endpoint::named(&leader.host, leader.port))
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
            // protocol §11 T17: a dropped consumer comes as this.
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
        Self::new(side, class, action, status::words_of_crate(error))
    }

    /// Returns the side whose server the error is about.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// Returns the class, which decides what ditto does next.
    #[must_use]
    pub fn class(&self) -> &Class {
        &self.class
    }

    /// The limit that the server named with [`Class::TooLarge`], in bytes of one append as it counts them.
    #[must_use]
    pub fn append_limit(&self) -> Option<usize> {
        self.append_limit
    }

    /// Returns the server's own words, or what ditto found.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Returns the word that metrics count by.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.class {
            Class::Transient => "unavailable",
            Class::Timeout => "timeout",
            Class::Tls | Class::SpeaksTls | Class::SpeaksNoTls => "tls",
            Class::NotReady => "not_ready",
            Class::NotLeader(_) => "not_leader",
            Class::Unauthenticated => "unauthenticated",
            Class::Denied | Class::MetadataDenied => "denied",
            Class::GroupNotFound => "group_not_found",
            Class::GroupExists => "group_exists",
            Class::GroupTaken => "group_taken",
            Class::Dropped => "dropped",
            Class::Deleted => "deleted",
            Class::WrongRevision => "wrong_revision",
            Class::TooLarge => "too_large",
            Class::Refused => "refused",
            Class::NoStatus => "no_status",
            Class::Unreadable => "unreadable",
            Class::InvalidPosition => "invalid_position",
            Class::Unsupported => "unsupported",
            Class::Configuration => "configuration",
            Class::RebuildClient => "client_closed",
        }
    }

    /// Returns whether the same call can succeed later without an operator.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self.class,
            Class::Transient
                | Class::Timeout
                | Class::Tls
                | Class::SpeaksTls
                | Class::SpeaksNoTls
                | Class::NotReady
                | Class::NotLeader(_)
                | Class::Dropped
                | Class::NoStatus
                | Class::RebuildClient
        )
    }

    /// Returns whether the server does not serve this user at all; anything else is an answer, wanted or not.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(
            self.class,
            Class::Transient
                | Class::Timeout
                | Class::Tls
                | Class::NotReady
                | Class::NotLeader(_)
                | Class::RebuildClient
                | Class::Unauthenticated
                | Class::Configuration
                | Class::Unsupported
        )
    }

    /// Returns the error with its hint in brackets, if it has one.
    #[must_use]
    pub fn with_hint(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self} ({hint})"),
            None => self.to_string(),
        }
    }

    /// Returns what the operator can do, as an order; `None` if there is nothing.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.class {
            Class::Transient => {
                "check that the server runs, and that its address is right and reachable from here"
            }
            Class::Timeout => {
                "check whether the server is starting, overloaded or cut off: it accepts calls and does not answer"
            }
            Class::Tls => {
                "check tls_ca_file, the server's certificate and its name; tls=false is for servers without TLS"
            }
            Class::SpeaksTls => "remove tls=false from connection_string",
            Class::SpeaksNoTls => {
                "set tls=false in connection_string if the server is meant to run without TLS"
            }
            Class::NotReady => {
                "check /health/live and /gossip: the server is starting, stopping or without a leader"
            }
            Class::NotLeader(_) => {
                "ditto follows the leader; if this persists, check in /gossip that the cluster has one"
            }
            Class::Unauthenticated => "check user and password_file",
            Class::Denied => {
                "grant the user the permission: read on the source, write on the destination, $ops for groups"
            }
            Class::MetadataDenied => {
                "grant the user the permission to read the stream's metadata ($mr)"
            }
            Class::GroupNotFound => "create the group, or set create = true",
            Class::GroupTaken => {
                "find the group's other consumer by its connection name: stop it, or keep ditto as the standby"
            }
            Class::Dropped => "check who deleted or changed the group; ditto joins it again",
            Class::Deleted => {
                "exclude the stream from the copy: it has a tombstone, so nothing can be written to it again"
            }
            Class::TooLarge => {
                "raise the server's MaxAppendSize, or lower max_append_bytes for merged appends"
            }
            Class::NoStatus => {
                "check the proxy before the server, if there is one; servers also answer so about names that are not ASCII"
            }
            Class::Unreadable => {
                "check whether the stream has a tombstone: the server answers other reads"
            }
            Class::Unsupported => "upgrade the server: ditto needs EventStoreDB 21.10 or later",
            Class::Configuration => {
                "correct the file or the setting; ditto reads it again at the next attempt"
            }
            Class::GroupExists
            | Class::WrongRevision
            | Class::Refused
            | Class::InvalidPosition
            | Class::RebuildClient => {
                return None;
            }
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

#[cfg(test)]
mod tests;
