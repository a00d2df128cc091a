//! `[replication]` and each `[[subscription]]`.
//!
//! A subscription's own keys stand over `[replication]`, key by key. Never leaves a key unresolved.

use std::collections::HashMap;
use std::time::Duration;

use super::side::Type;
use super::{Context, kinesis};
use crate::config::section::{Found, Section};
use crate::config::settings::{
    DaemonSettings, GroupStart, NewGroup, OnConflict, OnMissingHistory, OnUnverified, Replication,
    SubscriptionKey, SubscriptionSettings,
};
use ditto_core::event::StreamName;

/// A buffer size that a server still takes without trouble.
const LARGEST_BUFFER: u64 = 100_000;
/// Streams that may have an append in flight, at most.
pub(super) const LARGEST_IN_FLIGHT: u64 = 65_536;
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
const SHORTEST: Duration = Duration::from_secs(1);

/// What the sections of subscriptions and mirrors are judged by beside themselves.
pub(super) struct Around<'a> {
    pub(super) defaults: &'a Replication,
    pub(super) daemon: &'a DaemonSettings,
    pub(super) destination: Type,
    pub(super) context: &'a Context<'a>,
}

pub(super) fn subscriptions(
    sections: Vec<Section<'_>>,
    around: &Around<'_>,
) -> Vec<SubscriptionSettings> {
    let mut seen: HashMap<SubscriptionKey, usize> = HashMap::new();
    let mut all = Vec::new();
    for (index, mut section) in sections.into_iter().enumerate() {
        let origin = section.origin().clone();
        let Some(settings) = subscription(&mut section, around) else {
            section.finish();
            continue;
        };
        if let Some(first) = seen.insert(settings.key(), index) {
            let text = format!(
                "stream {:?} and group {:?} are already those of subscription[{first}]: expected each pair once",
                settings.stream, settings.group
            );
            section.problem(&origin, "", text);
        }
        section.finish();
        all.push(settings);
    }
    all
}

/// Reads the keys of [`Replication`], each absent one taken from `defaults`, and every other key as unknown.
pub(super) fn replication(
    mut section: Section<'_>,
    defaults: &Replication,
    destination: Type,
) -> Replication {
    let replication = replication_keys(&mut section, defaults, destination);
    section.finish();
    replication
}

fn subscription(section: &mut Section<'_>, around: &Around<'_>) -> Option<SubscriptionSettings> {
    let stream = required(section, "stream", "a stream such as \"$ce-customer\"");
    let group = required(
        section,
        "group",
        "the name of a persistent subscription's group",
    );
    let create = section.boolean("create").unwrap_or(true);
    let accept_unseen_below = section.integer("accept_unseen_below", 0..=i64::MAX as u64);
    let had_new_group = section.has("new_group");
    let new_group_section = section.section("new_group");
    if had_new_group && !create {
        let text = "has no effect with create = false";
        around
            .context
            .notes
            .add(new_group_section.origin(), "subscription.new_group", text);
    }
    let new_group = new_group(new_group_section);
    let replication = replication_keys(section, around.defaults, around.destination);
    judge_append_bytes(section, &replication, around.daemon);
    let (stream, group) = (stream?, group?);
    judge_stream(section, &stream, &replication, around.destination);
    Some(SubscriptionSettings {
        stream: StreamName::new(stream.value),
        group: group.value.into(),
        create,
        new_group,
        accept_unseen_below: accept_unseen_below.unwrap_or(0),
        replication,
    })
}

pub(super) fn judge_append_bytes(
    section: &Section<'_>,
    replication: &Replication,
    daemon: &DaemonSettings,
) {
    if replication.max_append_bytes > daemon.max_buffered_bytes {
        let text = "is more than daemon.max_buffered_bytes: an append that large would never fill";
        section.problem(section.origin(), "max_append_bytes", text);
    }
}

fn judge_stream(
    section: &Section<'_>,
    stream: &Found<String>,
    replication: &Replication,
    destination: Type,
) {
    let name = stream.value.as_str();
    if name == "$all" {
        let text = "found \"$all\", expected a stream: use a [[mirror]] to copy every stream";
        section.problem(&stream.origin, "stream", text);
    }
    let is_partial = StreamName::from(name).links_parts();
    if is_partial && destination == Type::Kinesis {
        let text = format!(
            "found {name:?}, whose links are only a part of each stream: what lies between them would be taken for \
             lost and copied too; subscribe to a category (\"$ce-…\")"
        );
        section.problem(&stream.origin, "stream", text);
    } else if is_partial && !replication.skip_version_check {
        let text = format!(
            "found {name:?}, whose links are only a part of each stream, so revisions cannot be kept: set \
             skip_version_check = true, or subscribe to a category (\"$ce-…\")"
        );
        section.problem(&stream.origin, "stream", text);
    }
}

fn new_group(mut section: Section<'_>) -> NewGroup {
    let default = NewGroup::default();
    let timeout = section.duration("message_timeout", SHORTEST..=Duration::from_secs(24 * 3600));
    let retries = section.integer("max_retry_count", 1..=1_000_000);
    let group = NewGroup {
        start: start(&mut section).unwrap_or(default.start),
        message_timeout: timeout.map_or(default.message_timeout, |found| found.value),
        max_retry_count: narrow(retries).unwrap_or(default.max_retry_count),
    };
    section.finish();
    group
}

fn start(section: &mut Section<'_>) -> Option<GroupStart> {
    const WORDS: [(&str, GroupStart); 2] = [
        ("beginning", GroupStart::Beginning),
        ("end", GroupStart::End),
    ];
    section.number_or_word("start", 0..=i64::MAX as u64, &WORDS, GroupStart::Number)
}

fn replication_keys(
    section: &mut Section<'_>,
    defaults: &Replication,
    destination: Type,
) -> Replication {
    let most_in_flight = match destination {
        Type::EventStore => LARGEST_IN_FLIGHT,
        Type::Kinesis => {
            kinesis::refuse_replication_keys(section);
            kinesis::MOST_CALLS
        }
    };
    let time_to_live = section.duration("time_to_live", SHORTEST..=LONGEST * 100);
    let on_conflict = section.word(
        "on_conflict",
        &[
            ("park", OnConflict::Park),
            ("skip", OnConflict::Skip),
            ("stop", OnConflict::Stop),
        ],
    );
    let on_missing_history = section.word(
        "on_missing_history",
        &[
            ("park", OnMissingHistory::Park),
            ("fill", OnMissingHistory::Fill),
            ("stop", OnMissingHistory::Stop),
        ],
    );
    Replication {
        buffer_size: narrow(section.integer("buffer_size", 1..=LARGEST_BUFFER))
            .or(defaults.buffer_size),
        skip_version_check: section
            .boolean("skip_version_check")
            .unwrap_or(defaults.skip_version_check),
        time_to_live: time_to_live
            .map(|found| found.value)
            .or(defaults.time_to_live),
        on_conflict: on_conflict.map_or(defaults.on_conflict, |found| found.value),
        on_missing_history: on_missing_history
            .map_or(defaults.on_missing_history, |found| found.value),
        ..common_keys(section, defaults, most_in_flight)
    }
}

/// The keys that mean the same for subscriptions and mirrors; all others are those of `defaults`.
pub(super) fn common_keys(
    section: &mut Section<'_>,
    defaults: &Replication,
    most_in_flight: u64,
) -> Replication {
    let throttle = section.duration(
        "throttle_interval",
        Duration::ZERO..=Duration::from_secs(3600),
    );
    let append_bytes = section.size("max_append_bytes", 1 << 10..=64 << 20);
    let on_unverified = section.word(
        "on_unverified",
        &[("hold", OnUnverified::Hold), ("pass", OnUnverified::Pass)],
    );
    Replication {
        throttle_interval: throttle.map_or(defaults.throttle_interval, |found| found.value),
        read_only: section.boolean("read_only").unwrap_or(defaults.read_only),
        on_unverified: on_unverified.map_or(defaults.on_unverified, |found| found.value),
        max_append_events: narrow(section.integer("max_append_events", 1..=10_000))
            .unwrap_or(defaults.max_append_events),
        max_append_bytes: append_bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or(defaults.max_append_bytes),
        appends_in_flight: narrow(section.integer("appends_in_flight", 1..=most_in_flight))
            .or(defaults.appends_in_flight),
        ..defaults.clone()
    }
}

fn required(section: &mut Section<'_>, key: &'static str, expected: &str) -> Option<Found<String>> {
    if !section.has(key) {
        section.missing(key, expected);
    }
    let found = section.name(key)?;
    if found.value.chars().any(char::is_control) {
        let text = format!("found {:?}, expected no control characters", found.value);
        section.problem(&found.origin, key, text);
        return None;
    }
    Some(found)
}

fn narrow(number: Option<u64>) -> Option<u32> {
    number.and_then(|number| number.try_into().ok())
}
