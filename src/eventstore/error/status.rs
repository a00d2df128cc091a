//! From a gRPC status to a class (protocol §9).
//!
//! Never looks at a text where code, trailer or source say it.

use super::Class;
use crate::config::cluster::Endpoint;

/// What a status means.
pub(super) fn class(status: &tonic::Status) -> Class {
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

/// The limit of an append that is too large, if the server named it.
pub(super) fn append_limit(status: &tonic::Status) -> Option<usize> {
    let limit = status.metadata().get("maximum-append-size")?;
    let limit = limit.to_str().ok()?.parse().ok()?;
    (limit > 0).then_some(limit)
}

fn class_of_exception<'a>(
    exception: &str,
    trailer: &impl Fn(&'static str) -> Option<&'a str>,
) -> Option<Class> {
    Some(match exception {
        "not-leader" => Class::NotLeader(
            trailer("leader-endpoint-host")
                .zip(trailer("leader-endpoint-port").and_then(|port| port.parse().ok()))
                .and_then(|(host, port)| Endpoint::named(host, port)),
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

/// The library's own words for an answer of HTTP 500 without a gRPC status (protocol §9, last row): nothing else
/// is left of it. A test reads them from a real answer.
const WITHOUT_STATUS: &str = "grpc-status header missing, mapped from HTTP status code 500";

/// Whether a text is that of an answer of HTTP 500 without a gRPC status.
pub(super) fn is_without_status(text: &str) -> bool {
    text.contains(WITHOUT_STATUS)
}

/// UNKNOWN comes without any trailer, so that only the text is left: a handler that threw refuses the same request
/// again, a node without a leader does not (protocol §9).
fn class_of_unknown(text: &str) -> Class {
    let refused = [
        "Exception was thrown by handler",
        "Unexpected Read",
        "Unexpected FilteredRead",
    ];
    if refused.iter().any(|begin| text.starts_with(begin)) {
        Class::Refused
    } else if text.starts_with("No leader info") {
        Class::NotReady
    } else if is_without_status(text) {
        Class::NoStatus
    } else {
        Class::Transient
    }
}

/// What the eventstore crate says, in plain words: its own texts name its parts, and a status with all of its headers.
pub(super) fn words_of_crate(error: &eventstore::Error) -> String {
    use eventstore::{Error as Crate, GrpcConnectionError as Connection};
    match error {
        Crate::ConnectionClosed | Crate::InternalClientError => {
            "the connection was lost".to_owned()
        }
        Crate::GrpcConnectionError(Connection::MaxDiscoveryAttemptReached(_)) => {
            "no connection could be made".to_owned()
        }
        Crate::GrpcConnectionError(Connection::Grpc(text)) | Crate::ServerError(text) => {
            message_of(text).to_owned()
        }
        Crate::Grpc { message, .. } if !message.is_empty() => message.clone(),
        Crate::AccessDenied => "access denied".to_owned(),
        Crate::DeadlineExceeded => "no answer in time".to_owned(),
        other => other.to_string(),
    }
}

/// The message of a status that was printed with everything else in it (tonic's `Display`), or the text itself.
fn message_of(text: &str) -> &str {
    let begin = "message: \"";
    let Some(from) = text.find(begin).map(|at| at + begin.len()) else {
        return text;
    };
    let message = &text[from..];
    let end = ["\", details: ", "\", source: ", "\", metadata: "]
        .iter()
        .filter_map(|end| message.find(end))
        .min();
    let message = end.map_or_else(|| message.trim_end_matches('"'), |end| &message[..end]);
    if message.is_empty() {
        "the server gave no reason"
    } else {
        message
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

/// What an error comes from in the end.
pub(super) fn innermost<'a>(
    first: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    chain(first).last().unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::{class, message_of, words_of_crate};
    use crate::eventstore::Class;

    #[test]
    fn unknown_status_is_classed_by_its_words() {
        for (text, expected) in [
            ("Exception was thrown by handler.", Class::Refused),
            ("Unexpected ReadStreamResult: Error", Class::Refused),
            ("Unexpected ReadAllResult: Error", Class::Refused),
            (
                "Unexpected FilteredReadAllResult: InvalidPosition >> x",
                Class::Refused,
            ),
            ("No leader info available in response", Class::NotReady),
            ("Unexpected", Class::Transient),
        ] {
            assert_eq!(class(&tonic::Status::unknown(text)), expected, "{text}");
        }
    }

    #[test]
    fn words_of_the_crate_are_plain() {
        use eventstore::{Error as Crate, GrpcConnectionError as Connection};
        let printed = "status: Unavailable, message: \"Server Is Not Ready\", details: [], metadata: MetadataMap { headers: {} }";
        for (error, expected) in [
            (Crate::ConnectionClosed, "the connection was lost"),
            (
                Crate::GrpcConnectionError(Connection::MaxDiscoveryAttemptReached(3)),
                "no connection could be made",
            ),
            (
                Crate::ServerError(printed.to_owned()),
                "Server Is Not Ready",
            ),
            (Crate::ServerError("as it is".to_owned()), "as it is"),
        ] {
            assert_eq!(words_of_crate(&error), expected);
        }
        let now = tonic::Status::unavailable("why not").to_string();
        assert_eq!(message_of(&now), "why not");
        let silent =
            "status: Unknown, message: \"\", details: [], metadata: MetadataMap { headers: {} }";
        assert_eq!(message_of(silent), "the server gave no reason");
    }
}
