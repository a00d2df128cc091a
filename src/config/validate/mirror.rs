//! Each `[[mirror]]`.
//!
//! Its own keys stand over those of `[replication]` that hold for mirrors, too. Never lets two copy the same stream.

use super::side::Type;
use super::subscription::{self, Around, LARGEST_IN_FLIGHT};
use crate::config::section::Section;
use crate::config::settings::{
    MirrorSettings, OnConflict, OnMissingHistory, ReadFrom, Replication, SubscriptionSettings,
};
use ditto_core::event::StreamName;
use ditto_core::filter::{NoRule, Rule, StreamFilter};
use ditto_core::port::state::{Deletions, OnMetadataConflict, StateRules};
use ditto_values::problem::Origin;

const LONGEST_NAME: usize = 64;
/// Bytes of a mirror's rules, at most: each checkpoint holds them all.
const MOST_RULES: usize = 64 << 10;

/// Keys of a subscription alone, and why.
const SUBSCRIPTION_ONLY: [(&[&str], &str); 6] = [
    (
        &["stream"],
        "a mirror reads the source's log; set streams for the streams to copy",
    ),
    (
        &["group", "create", "new_group"],
        "a mirror has no group; its checkpoint is in the destination",
    ),
    (
        &["accept_unseen_below"],
        "a mirror reads no event numbers of a subscription's stream",
    ),
    (
        &["buffer_size"],
        "a mirror has no group that sends events ahead",
    ),
    (
        &["skip_version_check"],
        "a mirror always keeps the source's revisions",
    ),
    (
        &["time_to_live"],
        "a mirror sets no $maxAge of its own; with metadata = true it copies the source's",
    ),
];

/// A mirror and its place.
struct Placed {
    origin: Origin,
    path: String,
    settings: MirrorSettings,
}

pub(super) fn mirrors(
    sections: Vec<Section<'_>>,
    subscriptions: &[SubscriptionSettings],
    around: &Around<'_>,
) -> Vec<MirrorSettings> {
    let mut all: Vec<Placed> = Vec::new();
    for mut section in sections {
        if let Some(settings) = mirror(&mut section, around) {
            judge_beside(&section, &settings, &all);
            all.push(Placed {
                origin: section.origin().clone(),
                path: section.path_of(""),
                settings,
            });
        }
        section.finish();
    }
    for subscription in subscriptions {
        let met = all
            .iter()
            .find_map(|mirror| Some((mirror, meets_subscription(&mirror.settings, subscription)?)));
        if let Some((mirror, text)) = met {
            let Placed { origin, path, .. } = mirror;
            around.context.problems.add(origin, path, text);
        }
    }
    all.into_iter().map(|mirror| mirror.settings).collect()
}

fn mirror(section: &mut Section<'_>, around: &Around<'_>) -> Option<MirrorSettings> {
    if around.destination == Type::Kinesis {
        let text = "cannot write to a destination of type \"kinesis\": a Kinesis data stream has no revisions to go on \
                    from and no place for a checkpoint; use a [[subscription]]";
        section.problem(section.origin(), "", text);
    }
    for (keys, why) in SUBSCRIPTION_ONLY {
        section.misplaced(keys, &format!("has no meaning for a mirror: {why}"));
    }
    let name = name(section);
    let filter = filter(section);
    let read_from = section.word(
        "read_from",
        &[
            ("leader", ReadFrom::Leader),
            ("follower", ReadFrom::Follower),
            ("read_only_replica", ReadFrom::ReadOnlyReplica),
        ],
    );
    let states = states(section);
    let replication = replication(section, around.defaults);
    subscription::judge_append_bytes(section, &replication, around.daemon);
    Some(MirrorSettings {
        name: name?.into(),
        filter: filter?,
        read_from: read_from.map(|found| found.value),
        states,
        replication,
    })
}

fn name(section: &mut Section<'_>) -> Option<String> {
    if !section.has("name") {
        section.missing("name", "a name such as \"all\"");
    }
    let is_sign = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
    let is_name =
        |text: &str| (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_sign);
    let expected = format!("1 to {LONGEST_NAME} characters a-z, 0-9 and \"-\"");
    let found = section.text("name", &expected, is_name);
    found.map(|found| found.value)
}

/// What is copied. `None` only if something was reported.
fn filter(section: &mut Section<'_>) -> Option<StreamFilter> {
    const ARRAY: &str = "an array of streams such as [\"customer-*\", \"order-7\"]";
    let (has_wanted, has_excluded) = (section.has("streams"), section.has("exclude_streams"));
    let wanted = section.list("streams", ARRAY, rule);
    let excluded = section.list("exclude_streams", ARRAY, rule);
    if has_wanted && wanted.is_none() || has_excluded && excluded.is_none() {
        return None;
    }
    let origin = section.origin().clone();
    let wanted = wanted.map(|found| found.value);
    let excluded = excluded.map_or_else(Vec::new, |found| found.value);
    let all = wanted.iter().flatten().chain(&excluded);
    let bytes: usize = all.map(|rule| rule.to_string().len()).sum();
    if bytes > MOST_RULES {
        let text = format!(
            "streams and exclude_streams have {bytes} bytes, expected at most {MOST_RULES}: replace names with their \
             beginning and \"*\""
        );
        section.problem(&origin, "", text);
        return None;
    }
    let filter = StreamFilter::new(wanted, excluded);
    // What it has in common with itself is what it copies.
    if filter.meets(&filter).is_none() {
        let text = "streams and exclude_streams leave nothing to copy: correct them, or leave streams out to copy every stream";
        section.problem(&origin, "", text);
        return None;
    }
    Some(filter)
}

fn rule(text: &str) -> Result<Rule, String> {
    const EXPECTED: &str = "the name of a stream, or its beginning and \"*\"";
    if text.chars().any(char::is_control) {
        return Err(format!("{EXPECTED}, without control characters"));
    }
    Rule::parse(text).map_err(|why| match why {
        NoRule::Empty if text.is_empty() => EXPECTED.to_owned(),
        why => format!("{EXPECTED}: {why}"),
    })
}

/// What becomes of metadata and deletions. They are copied where that is asked for: what a copy hides, or deletes, is seen by
/// whoever reads the destination.
fn states(section: &mut Section<'_>) -> Option<StateRules> {
    let metadata = section.boolean("metadata").unwrap_or(false);
    let deletions = section.word(
        "deletions",
        &[
            ("none", Deletions::None),
            ("soft", Deletions::Soft),
            ("all", Deletions::All),
        ],
    );
    let on_conflict = section.word(
        "on_metadata_conflict",
        &[
            ("keep", OnMetadataConflict::Keep),
            ("overwrite", OnMetadataConflict::Overwrite),
        ],
    );
    if metadata {
        return Some(StateRules {
            deletions: deletions.map_or(Deletions::Soft, |found| found.value),
            on_conflict: on_conflict.map_or(OnMetadataConflict::Keep, |found| found.value),
        });
    }
    if let Some(found) = deletions.filter(|found| found.value != Deletions::None) {
        let text = "copies deletions, which are metadata, beside metadata = false: set deletions = \"none\", or metadata = true";
        section.problem(&found.origin, "deletions", text);
    }
    if let Some(found) = on_conflict {
        let text = "has no meaning with metadata = false";
        section.problem(&found.origin, "on_metadata_conflict", text);
    }
    None
}

/// `[replication]` as far as it holds for mirrors, and a mirror's own keys over it.
fn replication(section: &mut Section<'_>, defaults: &Replication) -> Replication {
    let ours = Replication::default();
    let on_conflict = section.word(
        "on_conflict",
        &[("hold", OnConflict::Park), ("stop", OnConflict::Stop)],
    );
    let on_missing_history = section.word(
        "on_missing_history",
        &[
            ("fill", OnMissingHistory::Fill),
            ("hold", OnMissingHistory::Park),
            ("stop", OnMissingHistory::Stop),
        ],
    );
    Replication {
        buffer_size: ours.buffer_size,
        skip_version_check: ours.skip_version_check,
        time_to_live: ours.time_to_live,
        on_conflict: on_conflict.map_or(OnConflict::Park, |found| found.value),
        on_missing_history: on_missing_history.map_or(OnMissingHistory::Fill, |found| found.value),
        ..subscription::common_keys(section, defaults, LARGEST_IN_FLIGHT)
    }
}

/// Reports the first of the mirrors before it that has the same name, and the first that copies one of its streams.
fn judge_beside(section: &Section<'_>, settings: &MirrorSettings, before: &[Placed]) {
    let same_name = before
        .iter()
        .find(|other| other.settings.name == settings.name);
    if let Some(Placed { path, .. }) = same_name {
        let text = format!(
            "name {:?} is already that of {path}: expected each name once",
            &*settings.name
        );
        section.problem(section.origin(), "", text);
    }
    let met = before
        .iter()
        .find_map(|other| Some((other, settings.filter.meets(&other.settings.filter)?)));
    if let Some((other, both)) = met {
        let text = format!(
            "copies \"{both}\", as does {} ({:?}): set streams or exclude_streams so that one mirror copies each stream",
            other.path, &*other.settings.name
        );
        section.problem(section.origin(), "", text);
    }
}

/// Why a mirror cannot stand beside a subscription; `None` if it can.
fn meets_subscription(
    mirror: &MirrorSettings,
    subscription: &SubscriptionSettings,
) -> Option<String> {
    let key = subscription.key();
    let Some(copied) = copied_by(&subscription.stream) else {
        return Some(format!(
            "cannot stand beside the subscription {key}, whose links can lead to any stream: remove one of them"
        ));
    };
    let both = mirror.filter.meets(&copied)?;
    Some(format!(
        "copies \"{both}\", as does the subscription {key}: set exclude_streams, or remove the subscription"
    ))
}

/// The streams whose events a subscription to this one copies; `None` if its name does not tell.
fn copied_by(stream: &StreamName) -> Option<StreamFilter> {
    let name = stream.as_str();
    if let Some(category) = name.strip_prefix("$ce-") {
        return Some(StreamFilter::category(category));
    }
    let own = Rule::Name(name.into());
    (!stream.is_system()).then(|| StreamFilter::new(Some(vec![own]), Vec::new()))
}
