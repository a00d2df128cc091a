//! `[destination]` of type "kinesis", and the keys that have no meaning there.
//!
//! Never looks for credentials: the SDK finds them when it connects.

use super::side::Side;
use crate::config::section::{Found, Section};
use crate::config::settings::{Destination, KinesisSettings};

/// The keys of this destination.
pub(super) const KEYS: [&str; 4] = ["stream_name", "region", "endpoint_url", "role_arn"];

/// The keys of an Event Store.
const EVENT_STORE_KEYS: [&str; 7] = [
    "connection_string",
    "user",
    "password",
    "password_file",
    "tls_ca_file",
    "client_cert_file",
    "client_key_file",
];

/// Keys of `[replication]` that an Event Store alone can honour, and why.
const EVENT_STORE_ONLY: [(&str, &str); 7] = [
    (
        "skip_version_check",
        "a Kinesis data stream has no revisions that could be checked",
    ),
    (
        "time_to_live",
        "a Kinesis data stream keeps every record for its own retention period",
    ),
    (
        "on_conflict",
        "a Kinesis data stream is not read back, so no conflict can be found",
    ),
    (
        "on_missing_history",
        "a Kinesis data stream has no revisions that could be filled; the stream continues",
    ),
    (
        "on_unverified",
        "a Kinesis data stream is not read back, so nothing has to be verified",
    ),
    (
        "max_append_events",
        "a call of PutRecords holds one record of a stream and up to 500 records",
    ),
    (
        "max_append_bytes",
        "a call of PutRecords holds one record of a stream and up to 5 MiB",
    ),
];

/// Calls of PutRecords that may be under way at once, at most.
pub(super) const MOST_CALLS: u64 = 256;

/// What a data stream's name is made of.
const LONGEST_NAME: usize = 128;

pub(super) fn destination(mut section: Section<'_>) -> Option<Side<Destination>> {
    section.misplaced(
        &EVENT_STORE_KEYS,
        "belongs to a destination of type \"eventstore\", and the type is \"kinesis\"",
    );
    let stream_name = needed(
        &mut section,
        "stream_name",
        "the name of a Kinesis data stream such as \"events\"",
        is_stream_name,
        "the name of a data stream: 1 to 128 letters, digits, \"_\", \"-\" and \".\"",
    );
    let region = needed(
        &mut section,
        "region",
        "an AWS region such as \"eu-west-1\"",
        is_region,
        "an AWS region such as \"eu-west-1\"",
    );
    let endpoint_url = optional(
        &mut section,
        "endpoint_url",
        is_url,
        "a URL such as \"https://vpce-1a2b.kinesis.eu-west-1.vpce.amazonaws.com\", without user and query",
    );
    let role_arn = optional(
        &mut section,
        "role_arn",
        is_role,
        "the ARN of a role such as \"arn:aws:iam::123456789012:role/ditto\"",
    );
    let origin = stream_name
        .as_ref()
        .map_or_else(|| section.origin().clone(), |found| found.origin.clone());
    if !cfg!(feature = "kinesis") {
        section.problem(
            &origin,
            "type",
            "this ditto was built without Kinesis (Cargo feature \"kinesis\")",
        );
    }
    section.finish();
    Some(Side {
        settings: Destination::Kinesis(KinesisSettings {
            stream_name: stream_name?.value,
            region: region?.value,
            endpoint_url: endpoint_url.map(|found| found.value),
            role_arn: role_arn.map(|found| found.value),
        }),
        origin,
    })
}

/// Reports the keys of a `[replication]` or `[[subscription]]` that mean nothing for this destination.
pub(super) fn refuse_replication_keys(section: &mut Section<'_>) {
    for (key, why) in EVENT_STORE_ONLY {
        let text = format!("has no meaning for a destination of type \"kinesis\": {why}");
        section.misplaced(&[key], &text);
    }
}

fn needed(
    section: &mut Section<'_>,
    key: &'static str,
    lacking: &str,
    is_good: fn(&str) -> bool,
    expected: &str,
) -> Option<Found<String>> {
    if !section.has(key) {
        section.missing(key, lacking);
    }
    optional(section, key, is_good, expected)
}

fn optional(
    section: &mut Section<'_>,
    key: &'static str,
    is_good: fn(&str) -> bool,
    expected: &str,
) -> Option<Found<String>> {
    let found = section.name(key)?;
    if is_good(&found.value) {
        return Some(found);
    }
    let text = if found.value.contains('@') {
        // It may hold a password.
        format!("holds a user or a password, expected {expected}")
    } else if key == "endpoint_url" {
        // So may a URL, wherever something of it is missing.
        format!("found a string, expected {expected}")
    } else {
        format!("found {:?}, expected {expected}", found.value)
    };
    section.problem(&found.origin, key, text);
    None
}

fn is_stream_name(name: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "_-.".contains(sign);
    name.len() <= LONGEST_NAME && name.chars().all(is_sign)
}

fn is_region(name: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
    name.chars().all(is_sign) && name.contains('-')
}

fn is_url(url: &str) -> bool {
    // It is shown in the status: what may be a key has no place in it.
    let scheme_and_host = |uri: &hyper::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some()
            && uri.query().is_none()
    };
    !url.contains('@') && url.parse().is_ok_and(|uri| scheme_and_host(&uri))
}

fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(parts[..], ["arn", _, "iam", _, _, role] if role.starts_with("role/"))
}
