//! The group's parked stream (protocol §8.8).
//!
//! Entries point to events and never hold them: what they resolve to is found when they are read.

use std::time::Duration;

use ditto_core::event::SkipReason;
use ditto_core::port::{ParkedEntry, ParkedPage};
use uuid::Uuid;

use crate::source::{Source, Target, skip, tagged};

/// One parked entry.
#[derive(Clone, Debug)]
pub(crate) struct Parked {
    /// What it points to.
    pub(crate) target: Target,
    /// Why, as stored.
    pub(crate) reason: String,
    /// By the server itself.
    pub(crate) by_server: bool,
}

/// The parked stream.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    entries: Vec<Parked>,
    first: u64,
    /// What the server's counter does not see since it was reloaded.
    uncounted: u64,
    /// It may not be read.
    pub(crate) denied: bool,
    /// It was deleted for good, then.
    pub(crate) tombstoned: Option<Duration>,
}

impl Parking {
    /// The id of a parked entry: what is acknowledged when it is replayed.
    pub(crate) fn ack_id(entry: u64) -> Uuid {
        tagged(3, 0, entry)
    }

    /// It is deleted for good: nothing of it can be read any more.
    pub(crate) fn tombstone(&mut self, now: Duration) {
        self.tombstoned.get_or_insert(now);
        self.first = self.entries.len() as u64;
    }

    /// One entry more; lost without a word if the stream is tombstoned.
    pub(crate) fn add(&mut self, target: Target, reason: String, by_server: bool) {
        if self.tombstoned.is_some() {
            return;
        }
        // A category's copy of a user's link loses its `$o`: the entry points to the link's target, which is elsewhere.
        let target = match target {
            Target::Forward { .. } => Target::Never(SkipReason::Unresolved),
            other => other,
        };
        self.entries.push(Parked {
            target,
            reason,
            by_server,
        });
    }

    /// Takes all readable entries for a replay: they are truncated away.
    pub(crate) fn take_all(&mut self) -> Vec<(u64, Parked)> {
        let taken = (self.first..)
            .zip(self.entries.iter().skip(skip(self.first)).cloned())
            .collect();
        self.first = self.entries.len() as u64;
        taken
    }

    /// Every entry that can be read, with its number.
    pub(crate) fn readable(&self) -> impl Iterator<Item = (u64, &Parked)> {
        (self.first..).zip(self.entries.iter().skip(skip(self.first)))
    }

    /// The counter that GetInfo shows.
    pub(crate) fn count(&self) -> u64 {
        (self.entries.len() as u64) - self.first.max(self.uncounted)
    }

    /// The group was reloaded: without a checkpoint the counter begins at 0.
    pub(crate) fn reload(&mut self, with_checkpoint: bool) {
        self.uncounted = if with_checkpoint {
            0
        } else {
            self.entries.len() as u64
        };
    }

    /// The group was deleted, and its parked stream with it. Numbers go on.
    pub(crate) fn delete(&mut self) {
        self.first = self.entries.len() as u64;
    }

    /// A read from this entry on, links resolved.
    pub(crate) fn read(&self, source: &Source, from: u64, count: u32) -> ParkedPage {
        if self.denied {
            return ParkedPage::Denied;
        }
        if self.tombstoned.is_some() {
            return ParkedPage::Tombstoned;
        }
        let from_entry = self.readable().skip_while(|(entry, _)| *entry < from);
        let entries = from_entry
            .take(count as usize)
            .map(|(entry, parked)| ParkedEntry {
                entry,
                reason: parked.reason.clone(),
                item: source.resolve(parked.target),
            });
        ParkedPage::Entries(entries.collect())
    }
}
