//! How far a group has come: the candidate for its next checkpoint and when that is due (protocol §8.7). Never
//! writes one.

use super::item::Before;
use super::position::Position;
use super::settings::Settings;
use std::collections::BTreeMap;

/// The progress of a group, counted in the order in which its events first went out.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Events delivered and not done with, in the order of the source.
    pending: BTreeMap<Position, Pending>,
    last_known: Option<Position>,
    next_sequence: i64,
    written: Option<Position>,
    /// The furthest candidate that was written: a checkpoint never goes back.
    reached: Option<Position>,
    written_sequence: i64,
    written_at_ms: Option<i64>,
}

/// An event that was delivered and is not done with.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// The event before it in the source.
    before: Option<Position>,
    /// Its number in the order of first deliveries.
    sequence: i64,
}

impl Progress {
    /// Progress from a stored checkpoint, or from nothing.
    pub(crate) fn new(checkpoint: Option<Position>) -> Progress {
        Progress {
            pending: BTreeMap::new(),
            last_known: checkpoint,
            next_sequence: 0,
            written: checkpoint,
            reached: checkpoint,
            written_sequence: -1,
            written_at_ms: None,
        }
    }

    /// The last checkpoint written.
    pub(crate) fn written(&self) -> Option<Position> {
        self.written
    }

    /// The furthest event that was delivered or left out.
    pub(crate) fn last_known(&self) -> Option<Position> {
        self.last_known
    }

    /// An event goes out for the first time.
    pub(crate) fn first_delivery(&mut self, position: Position, before: Before, tracked: bool) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        if tracked {
            let before = match before {
                Before::Delivered => self.last_known,
                Before::Place(place) => place,
            };
            self.pending.insert(position, Pending { before, sequence });
        }
        self.last_known = self.last_known.max(Some(position));
    }

    /// An event is done with.
    pub(crate) fn done(&mut self, position: Position) {
        self.pending.remove(&position);
    }

    /// Events were left out by the filter: they count as progress, also past what waits in the buffer (protocol §8.2).
    pub(crate) fn skipped(&mut self, position: Position, count: i64) {
        self.last_known = self.last_known.max(Some(position));
        self.next_sequence += count;
    }

    /// The checkpoint to write now, if one is due; it then counts as written.
    pub(crate) fn due(
        &mut self,
        now_ms: i64,
        by_time: bool,
        settings: &Settings,
    ) -> Option<Position> {
        let (candidate, sequence) = match self.pending.first_key_value() {
            Some((_, lowest)) => (lowest.before?, lowest.sequence - 1),
            None => (self.last_known?, self.next_sequence - 1),
        };
        let progress = sequence - self.written_sequence;
        let enough = progress >= i64::from(settings.max_checkpoint_count);
        let waited = self
            .written_at_ms
            .is_none_or(|at| now_ms - at >= i64::from(settings.checkpoint_after_ms));
        let timely = by_time && waited && progress >= i64::from(settings.min_checkpoint_count);
        if !(enough || timely) || self.reached >= Some(candidate) {
            return None;
        }
        self.written = Some(candidate);
        self.reached = Some(candidate);
        self.written_sequence = sequence;
        self.written_at_ms = Some(now_ms);
        Some(candidate)
    }

    /// The last checkpoint written is another than was asked for.
    pub(crate) fn jumped(&mut self, position: Position) {
        self.written = Some(position);
    }
}
