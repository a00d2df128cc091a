//! What you can do about the state of a subscription or a mirror, the most important first.
//!
//! Does not advise where ditto recovers soon by itself, or where there is nothing to do.

use std::time::Duration;

use crate::status::SubscriptionView;
use ditto_core::port::{HeldReason, PipelineState};

/// A server that restarts is back within this time: no advice before.
const MENDS_ITSELF: Duration = Duration::from_secs(30);

/// The reasons in the order of `Status::held`, each with what a subscription, which has a parked queue, needs beside.
const REASONS: [(HeldReason, &str, &str); 4] = [
    (
        HeldReason::Conflict,
        "hold other events at the destination than at the source: another writer writes there. ditto never overwrites them",
        ". \"ditto verify\" lists them; on_conflict = \"skip\" stops ditto from parking more",
    ),
    (
        HeldReason::MissingHistory,
        "begin at the source after the destination's end: events in between were deleted or have expired there. Set \
         on_missing_history = \"fill\" to write placeholders for them",
        THEN_REPLAY,
    ),
    (
        HeldReason::Refused,
        "have an event that the destination refuses: too large, or no permission to write it. Raise the limit or grant \
         the permission there",
        THEN_REPLAY,
    ),
    (
        HeldReason::Unverified,
        "hold events at the destination that cannot be read, and nothing proves that they are the source's. If they are, \
         set on_unverified = \"pass\" and reload",
        THEN_REPLAY,
    ),
];

const THEN_REPLAY: &str = "; then run \"ditto parked replay\"";

/// Returns sentences for an operator; none if there is nothing to do.
pub(super) fn advice(view: &SubscriptionView) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(by_state(view));
    let held = view.status.as_ref().map_or([0; 4], |status| status.held);
    for ((reason, text, beside), count) in REASONS.into_iter().zip(held) {
        if count > 0 {
            let streams = if count == 1 { "stream" } else { "streams" };
            let beside = view.key.words(beside, "");
            all.push(format!(
                "{count} {streams} ({}) {text}{beside}.",
                reason.as_str()
            ));
        }
    }
    let parked = view.parked().unwrap_or(0);
    if parked > 0 {
        let events = if parked == 1 {
            "event is"
        } else {
            "events are"
        };
        all.push(format!(
            "{parked} {events} in the group's parked queue at the source: \"ditto parked list\" shows why, and \"ditto parked \
             replay\" copies them once the cause is fixed."
        ));
    }
    all
}

fn by_state(view: &SubscriptionView) -> Option<String> {
    let lasts = view.since.elapsed() > MENDS_ITSELF;
    match &view.state {
        PipelineState::Stopped(_) if view.needs_reload => Some(
            "Fix the cause that the reason names, then run \"systemctl reload ditto\".".to_owned(),
        ),
        PipelineState::Stopped(_) => Some(
            "Fix the cause that the reason names. ditto checks again within 30 s; a changed configuration needs \
             \"systemctl reload ditto\"."
                .to_owned(),
        ),
        PipelineState::Retrying(side) if lasts => {
            let side = side.as_str();
            Some(format!(
                "ditto keeps retrying. Check that the {side} runs and that this machine reaches it: \"ditto check --connect\"."
            ))
        }
        PipelineState::Connecting if lasts => {
            Some("Still connecting after 30 s. \"journalctl -u ditto\" shows why.".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::SubscriptionKey;
    use crate::status::ProcessStatus;
    use ditto_core::port::Status;

    #[test]
    fn advice_for_held_streams_names_a_parked_queue_only_of_a_subscription() {
        for (stream, has_queue) in [("$ce-customer", true), ("$all", false)] {
            let status = ProcessStatus::new();
            let entry = status.add(&SubscriptionKey {
                stream: stream.into(),
                group: "g".into(),
            });
            entry.status(&Status {
                held: [1, 1, 2, 3],
                ..Status::default()
            });
            let advice = advice(&status.views()[0]);
            assert_eq!(advice.len(), 4, "{advice:?}");
            let text = advice.join(" ");
            for word in ["parked replay", "parking", "ditto verify"] {
                assert_eq!(text.contains(word), has_queue, "{word} in {text}");
            }
        }
    }
}
