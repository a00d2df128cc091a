//! What somebody can do about the state of a subscription, in the order of its weight.
//!
//! Never advice where ditto mends it by itself soon, or where there is nothing to mend.

use std::time::Duration;

use crate::status::SubscriptionView;
use ditto_core::port::{HeldReason, PipelineState};

/// A server that restarts is back within this time, and nobody need do anything.
const MENDS_ITSELF: Duration = Duration::from_secs(30);

/// The reasons in the order of `Status::held`.
const REASONS: [(HeldReason, &str); 4] = [
    (
        HeldReason::Conflict,
        "hold other events at the destination than at the source. \"ditto verify\" shows which; somebody else writes there. \
         ditto never overwrites them, and on_conflict = \"skip\" keeps it from parking more",
    ),
    (
        HeldReason::MissingHistory,
        "begin at the source behind the destination's end: events in between were deleted or have aged there. \
         on_missing_history = \"fill\" puts placeholders in their place; then \"ditto parked replay\"",
    ),
    (
        HeldReason::Refused,
        "have an event that the destination refuses: too large, or no right to write it. Raise the limit or give the \
         right there; then \"ditto parked replay\"",
    ),
    (
        HeldReason::Unverified,
        "hold events at the destination that cannot be read, and nothing shows that they are the source's. If they are, \
         set on_unverified = \"pass\" and reload; then \"ditto parked replay\"",
    ),
];

/// Sentences for an operator; none: nothing to do.
pub(super) fn advice(view: &SubscriptionView) -> Vec<String> {
    let mut all = Vec::new();
    all.extend(by_state(view));
    let held = view.status.as_ref().map_or([0; 4], |status| status.held);
    for ((reason, text), count) in REASONS.into_iter().zip(held) {
        if count > 0 {
            let streams = if count == 1 { "stream" } else { "streams" };
            all.push(format!("{count} {streams} ({}) {text}.", reason.as_str()));
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
        PipelineState::Stopped(_) => Some(
            "Fix the cause that the reason names. If it lies with the server, ditto checks again within 30 s; otherwise run \
             \"systemctl reload ditto\"."
                .to_owned(),
        ),
        PipelineState::Retrying(side) if lasts => {
            let side = side.as_str();
            Some(format!(
                "ditto goes on trying. Is the {side} up, and may this machine reach it? \"ditto check --connect\" asks."
            ))
        }
        PipelineState::Connecting if lasts => {
            Some("It does not get to work. \"journalctl -u ditto\" says why.".to_owned())
        }
        _ => None,
    }
}
