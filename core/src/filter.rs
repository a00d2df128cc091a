//! Which events are copied at all: the one place where a filter acts, before an event enters a stream's queue.
//!
//! `streams` is the operator's rules, `rules` all that a mirror's checkpoint says of them. Never looks at what an event holds.

mod rules;
mod streams;

pub use self::rules::Rules;
pub use self::streams::{NoFilter, NoRule, Rule, StreamFilter, name_regex};

use crate::event::{Event, SkipReason, TOMBSTONE_REVISION};

/// Why this event is never copied; `None`: it is.
pub(crate) fn never_copied(event: &Event) -> Option<SkipReason> {
    if event.stream.is_system() {
        Some(SkipReason::SystemStream)
    } else if event.revision >= TOMBSTONE_REVISION {
        Some(SkipReason::Tombstone)
    } else {
        None
    }
}
