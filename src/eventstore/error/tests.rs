//! How errors of both clients are classed and shown. Never connects.

use super::*;

#[test]
fn errors_of_the_crate_are_classed_by_type_and_code() {
    use eventstore::Error as Crate;
    let class = |error: Crate| {
        Error::from_crate(Side::Source, "join the group", &error)
            .class()
            .clone()
    };
    for (error, expected) in [
        (Crate::ServerError("x".to_owned()), Class::Transient),
        (
            Crate::ServerError(
                tonic::Status::unknown(
                    "grpc-status header missing, mapped from HTTP status code 500",
                )
                .to_string(),
            ),
            Class::NoStatus,
        ),
        (Crate::ConnectionClosed, Class::RebuildClient),
        (Crate::InternalClientError, Class::RebuildClient),
        (Crate::AccessDenied, Class::Denied),
        (Crate::ResourceAlreadyExists, Class::GroupExists),
        (Crate::ResourceNotFound, Class::GroupNotFound),
        (Crate::ResourceDeleted, Class::Deleted),
        (Crate::UnsupportedFeature, Class::Unsupported),
        (Crate::DeadlineExceeded, Class::Timeout),
        (
            Crate::InitializationError("x".to_owned()),
            Class::Configuration,
        ),
        (Crate::IllegalStateError("x".to_owned()), Class::Dropped),
    ] {
        let text = error.to_string();
        assert_eq!(class(error), expected, "{text}");
    }
}

#[test]
fn an_error_says_side_action_and_reason() {
    let leader = Endpoint {
        host: "node2".to_owned(),
        port: 2113,
    };
    let error = |class, detail: &str| {
        Error::new(Side::Destination, class, "read a stream", detail).to_string()
    };
    for (class, detail, expected) in [
        (
            Class::Denied,
            "Access Denied",
            "destination: failed to read a stream: Access Denied",
        ),
        (
            Class::NotLeader(Some(leader)),
            "Leader info available",
            "destination: failed to read a stream: the node is not the leader, node2:2113 is",
        ),
        (
            Class::NotLeader(None),
            "",
            "destination: failed to read a stream: the node is not the leader",
        ),
    ] {
        assert_eq!(error(class, detail), expected);
    }
}
