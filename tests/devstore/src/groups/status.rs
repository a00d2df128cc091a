//! The statuses of group calls with their texts and trailers, letter by letter (protocol §9). Never decides which.

use super::manager::{GroupError, Key};
pub(crate) use crate::services::status::handler_exception as exception;
use crate::services::status::with_trailers;
use tonic::{Code, Status};

/// The status of a group call that failed.
pub(crate) fn of(error: &GroupError, key: &Key) -> Status {
    let Key { source, group } = key;
    match error {
        GroupError::Exists => {
            let text = format!("Subscription group {group} on stream {source} exists.");
            group_status(
                Code::AlreadyExists,
                text,
                "persistent-subscription-exists",
                key,
                None,
            )
        }
        GroupError::Missing => missing(key),
        GroupError::Failed(reason) => {
            let text = format!("Subscription group {group} on stream {source} failed: '{reason}'");
            group_status(
                Code::Internal,
                text,
                "persistent-subscription-failed",
                key,
                Some(reason),
            )
        }
    }
}

/// There is no such group.
pub(crate) fn missing(key: &Key) -> Status {
    let text = format!(
        "Subscription group {} on stream {} does not exist.",
        key.group, key.source
    );
    group_status(
        Code::NotFound,
        text,
        "persistent-subscription-does-not-exist",
        key,
        None,
    )
}

/// The group dropped the consumer.
pub(crate) fn dropped(key: &Key) -> Status {
    let text = format!(
        "Subscription group {} on stream {} was dropped.",
        key.group, key.source
    );
    group_status(
        Code::Cancelled,
        text,
        "persistent-subscription-dropped",
        key,
        None,
    )
}

/// The group has as many consumers as it allows.
pub(crate) fn full(key: &Key) -> Status {
    let text = format!(
        "Maximum subscriptions reached for subscription group {} on stream {}.",
        key.group, key.source
    );
    group_status(
        Code::FailedPrecondition,
        text,
        "maximum-subscribers-reached",
        key,
        None,
    )
}

fn group_status(
    code: Code,
    text: String,
    exception: &'static str,
    key: &Key,
    reason: Option<&str>,
) -> Status {
    let named = [
        ("exception", Some(exception)),
        ("stream-name", Some(key.source.as_str())),
        ("group-name", Some(key.group.as_str())),
        ("reason", reason),
    ];
    let trailers: Vec<(&'static str, &str)> = named
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
        .collect();
    with_trailers(code, text, &trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_carry_text_and_trailers() {
        let key = |group: &str| Key {
            source: "orders".to_owned(),
            group: group.to_owned(),
        };
        let check = |status: &Status, name: &str| {
            status
                .metadata()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let status = of(&GroupError::Failed("no".to_owned()), &key("g"));
        assert_eq!(
            status.message(),
            "Subscription group g on stream orders failed: 'no'"
        );
        assert_eq!(check(&status, "stream-name").as_deref(), Some("orders"));
        assert_eq!(check(&status, "reason").as_deref(), Some("no"));
        assert_eq!(
            check(&missing(&key("")), "group-name"),
            None,
            "empty names get no trailer"
        );
    }
}
