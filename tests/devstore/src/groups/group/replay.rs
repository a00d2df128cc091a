//! The parked stream of a group: what goes into it and its replay (protocol §8.8). Never waits for an
//! acknowledgement before it forgets a replayed entry: the real server does not either.

use super::Group;
use crate::groups::effect::{Effect, ParkedRange};
use crate::groups::item::Item;

/// A replay that is running.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay {
    /// Exclusive.
    stop_at: i64,
    /// Behind the last entry that was queued.
    queued: Option<i64>,
}

impl<E: Clone> Group<E> {
    /// An entry was written to the parked stream.
    pub(crate) fn parked(&mut self, revision: i64) {
        let first = self.parked.map_or(0, |range| range.first);
        self.parked = Some(ParkedRange {
            first,
            last: revision,
        });
    }

    /// Replays the parked stream up to a revision, exclusive; while a replay runs this does nothing.
    pub(crate) fn replay(&mut self, stop_at: Option<i64>) {
        if self.replay.is_none() {
            let stop_at = stop_at.unwrap_or(i64::MAX);
            self.replay = Some(Replay {
                stop_at,
                queued: None,
            });
            self.read_parked(0);
        }
    }

    /// Entries of the parked stream, with their revisions, and where the next page begins if there is one.
    pub(crate) fn parked_page(
        &mut self,
        now_ms: i64,
        entries: Vec<(i64, Item<E>)>,
        next: i64,
        end: bool,
    ) {
        let Some(replay) = &mut self.replay else {
            return;
        };
        for (revision, item) in entries {
            if revision < replay.stop_at {
                replay.queued = Some(revision.saturating_add(1));
                self.buffer.add_replayed(item);
            }
        }
        if !end && next < replay.stop_at {
            self.read_parked(next);
        } else if let Some(before) = self.replay.take().and_then(|replay| replay.queued) {
            if let Some(range) = &mut self.parked {
                range.first = before;
            }
            self.effects.push_back(Effect::TruncateParked { before });
        }
        self.push(now_ms);
    }

    fn read_parked(&mut self, from: i64) {
        let count = self.settings.page_size();
        self.effects.push_back(Effect::ReadParked { from, count });
    }
}
