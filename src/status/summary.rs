//! All subscriptions and mirrors in one line, and whether the two servers answer.
//!
//! Pure. Never names a stream of the data.

use super::{LastReload, SubscriptionView};
use ditto_core::port::{PipelineState, Side};

/// Returns whether a side answers every subscription; `None` if none of them knows.
#[must_use]
pub fn answers(views: &[SubscriptionView], side: Side) -> Option<bool> {
    let heard = views.iter().filter_map(|view| view.answers(side));
    heard.reduce(|all, one| all && one)
}

/// The line of `systemctl status`.
pub(crate) fn summary(views: &[SubscriptionView], reload: Option<&LastReload>) -> String {
    let mut text = pipelines(views);
    if let Some(first) = reload.and_then(|reload| reload.problems().first()) {
        text.push_str("; reload refused: ");
        text.push_str(&one_line(first));
    }
    text
}

fn pipelines(views: &[SubscriptionView]) -> String {
    const NAMED: usize = 3;
    if views.is_empty() {
        return "no subscriptions or mirrors configured".to_owned();
    }
    let mut parts = vec![format!("{} running", running(views))];
    let states = PipelineState::ALL;
    let others = states
        .iter()
        .filter(|state| **state != PipelineState::Running);
    for word in others.map(PipelineState::as_str) {
        let those: Vec<_> = views
            .iter()
            .filter(|view| view.state.as_str() == word)
            .collect();
        if those.is_empty() {
            continue;
        }
        let named: Vec<String> = those
            .iter()
            .take(NAMED)
            .map(|view| match view.reason() {
                "" => view.key.to_string(),
                reason => format!("{} ({})", view.key, one_line(reason)),
            })
            .collect();
        let more = those.len().saturating_sub(NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        parts.push(format!(
            "{} {word}: {}{more}",
            those.len(),
            named.join(", ")
        ));
    }
    let held: usize = views
        .iter()
        .filter_map(|view| view.status.as_ref())
        .map(|status| status.held.iter().sum::<usize>())
        .sum();
    if held > 0 {
        parts.push(format!("{held} streams held"));
    }
    parts.join(", ")
}

/// How many subscriptions and mirrors run, without the kind that is not configured.
fn running(views: &[SubscriptionView]) -> String {
    let kinds = [
        (false, "subscription", "subscriptions"),
        (true, "mirror", "mirrors"),
    ];
    let counts = kinds.into_iter().filter_map(|(is_mirror, one, many)| {
        let mut those = views
            .iter()
            .filter(|view| view.key.is_mirror() == is_mirror)
            .peekable();
        those.peek()?;
        let running = those
            .filter(|view| view.state == PipelineState::Running)
            .count();
        Some(format!(
            "{running} {}",
            if running == 1 { one } else { many }
        ))
    });
    counts.collect::<Vec<_>>().join(" and ")
}

/// STATUS is one line, and not a long one.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    text.chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
