//! The original's settings of how events are copied: `[replication]`.
//!
//! Never takes over what would only be right for a program that handles one event at a time.

use std::time::Duration;

use super::dotnet::Tree;
use super::section::Section;
use super::time_span;
use super::values::{boolean, integer};
use ditto_values::problem::Collector;
use ditto_values::units::show_duration;

/// ditto's own limit for `throttle_interval`.
const LONGEST_THROTTLE: i64 = 3_600_000;

pub(super) fn read(tree: &mut Tree, goes_to_kinesis: bool, problems: &Collector) -> Section {
    let mut section = Section::new("[replication]");
    if let Some((entry, size)) = integer(tree, "PersistentSubscriptionBufferSize", problems) {
        section
            .set("buffer_size", size)
            .remark(
                &entry.key,
                "not taken over: the original handled one event at a time, and a buffer of that size would slow ditto \
                 down. Without the key ditto chooses between 1,000 and 10,000 and adapts",
            )
            .comment_out();
    }
    if let Some((entry, millis)) = integer(tree, "ReplicationThrottleInterval", problems)
        && millis > 0
    {
        if millis > LONGEST_THROTTLE {
            let text =
                format!("found {millis} ms, ditto takes at most {LONGEST_THROTTLE} (an hour)");
            entry.problem(problems, text);
        }
        section
            .set("throttle_interval", format!("{millis}ms"))
            .remark(
                &entry.key,
                "the least time from one event to the next; the original waited that long after each write",
            );
    }
    time_to_live(tree, &mut section, problems);
    if let Some(entry) = boolean(tree, "Settings:SkipVersionCheck", problems) {
        section.set("skip_version_check", true).remark(
            &entry.key,
            "needed only for partial copies. Without it ditto copies events at their own revisions and repairs gaps; with \
             it, revisions are not kept. Events that are there are looked for by id, not left to the server",
        );
    }
    if let Some(entry) = boolean(tree, "Settings:ReadOnly", problems) {
        section.set("read_only", true).remark(
            &entry.key,
            "the original acknowledged what it did not write, so that it was lost for the group. ditto leaves the group \
             alone and reports what it would write",
        );
    }
    if goes_to_kinesis {
        without_revisions(&mut section);
    }
    for key in [
        "StreamIdentifiers",
        "CheckpointManagerRetryCount",
        "CheckpointManagerRetryInterval",
        "CheckpointSavingInterval",
    ] {
        if let Some(entry) = tree.get(&format!("Settings:{key}")) {
            section.remark(
                &entry.key,
                "belongs to a very early version of the original and is not taken over: streams are read by persistent \
                 subscriptions, and the source keeps their checkpoints",
            );
        }
    }
    section
}

/// The original's program for Kinesis had no use for these settings, and ditto refuses them.
fn without_revisions(section: &mut Section) {
    for setting in &mut section.settings {
        if ["skip_version_check", "time_to_live"].contains(&setting.key) {
            for remark in &mut setting.remarks {
                "without effect for Kinesis, in the original too: a data stream has no revisions and its own retention"
                    .clone_into(&mut remark.text);
            }
            setting.comment_out();
        }
    }
}

fn time_to_live(tree: &mut Tree, section: &mut Section, problems: &Collector) {
    /// ditto's own limit for `time_to_live`.
    const LONGEST_SECONDS: u64 = 36_500 * 86_400;
    let Some(entry) = tree.get("Settings:TimeToLive") else {
        return;
    };
    let Some(duration) = time_span::parse(&entry.value) else {
        let text = format!(
            "found {:?}, expected {}. A day is \"1.00:00:00\"",
            entry.value,
            time_span::FORM
        );
        entry.problem(problems, text);
        return;
    };
    if duration.is_zero() {
        return;
    }
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    if seconds > LONGEST_SECONDS {
        section.remark(
            &entry.key,
            "longer than a hundred years, so ditto leaves it out: events never expire",
        );
        return;
    }
    section
        .set(
            "time_to_live",
            show_duration(Duration::from_secs(seconds)),
        )
        .remark(
            &entry.key,
            "as before, for streams that begin at the destination. ditto writes $maxAge before the first event, and never \
             over metadata that somebody else wrote",
        );
}
