//! What a group reads, what it delivers next, and how far its checkpoint is (protocol §8.2, §8.5, §8.7, §8.10).
//!
//! Never hands anything to a consumer.

use ditto_core::event::{Item, SkipReason, TOMBSTONE_REVISION};

use super::{Group, Message, READ_AHEAD};
use crate::dice::Dice;
use crate::source::{Source, Target, tagged};

impl Group {
    /// Everything in memory is forgotten; it goes on behind the checkpoint. The first event found from the checkpoint
    /// on is dropped, also if it is not the one of the checkpoint (protocol §8.2).
    pub(crate) fn reload(&mut self, source: &Source) {
        self.consumers.clear();
        self.buffer.clear();
        self.retries.clear();
        self.outstanding.clear();
        self.last_read = None;
        self.last_pushed = None;
        self.ended = false;
        self.faulted = source.is_tombstoned();
        self.parking.reload(self.checkpoint.is_some());
        self.next = match (self.checkpoint, self.options.start) {
            (Some(checkpoint), _) => checkpoint.max(source.first_number()) + 1,
            (None, Some(start)) => start,
            (None, None) => source.entries.len() as u64,
        };
    }

    /// It is faulted: whoever joins is dropped.
    pub(crate) fn is_faulted(&self) -> bool {
        self.faulted
    }

    /// What a live group has in its buffer, it delivers also after its stream was deleted.
    pub(crate) fn read_all(&mut self, source: &Source) {
        self.next = self.next.max(source.first_number());
        while self.read_one(source) {}
    }

    /// What is delivered next: first what comes again.
    pub(super) fn next_message(
        &mut self,
        source: &Source,
        dice: &mut Dice,
        reorder: bool,
    ) -> Option<Message> {
        if !self.retries.is_empty() {
            return Some(self.retries.remove(0));
        }
        if self.faulted {
            return None;
        }
        if source.is_tombstoned() && self.next < source.entries.len() as u64 {
            self.faulted = true;
        }
        self.next = self.next.max(source.first_number());
        while self.buffer.len() < READ_AHEAD && self.read_one(source) {}
        if self.buffer.is_empty() && source.is_tombstoned() && !self.ended && !self.faulted {
            return Some(self.tombstone());
        }
        let index = if reorder && dice.permille(300) {
            dice.index(self.buffer.len().min(4))
        } else {
            0
        };
        let message = self.buffer.remove(index)?;
        self.last_pushed = self.last_pushed.max(message.number);
        Some(message)
    }

    fn read_one(&mut self, source: &Source) -> bool {
        let Some(target) = usize::try_from(self.next)
            .ok()
            .and_then(|next| source.entries.get(next))
        else {
            return false;
        };
        self.buffer.push_back(Message {
            number: Some(self.next),
            ack: source.ack_id(self.next),
            target: *target,
            item: source.resolve(*target),
            retry: 0,
            previous: self.last_read,
        });
        self.last_read = Some(self.next);
        self.next += 1;
        true
    }

    /// The `$streamDeleted` of the stream itself, delivered as any other event.
    fn tombstone(&mut self) -> Message {
        self.ended = true;
        self.last_pushed = Some(TOMBSTONE_REVISION);
        Message {
            number: Some(TOMBSTONE_REVISION),
            ack: tagged(5, 0, 0),
            target: Target::Never(SkipReason::Tombstone),
            item: Item::Never(SkipReason::Tombstone),
            retry: 0,
            previous: self.last_read,
        }
    }

    /// The event that was read before the lowest one that is not done, else the last pushed: what cannot be read is never
    /// covered without an answer to what lies behind it. What was passed over while delivering out of order is not looked at: that is how servers lose events of `Pinned` groups.
    pub(super) fn checkpoint_if(&mut self, progress: u64) {
        let waiting = self
            .outstanding
            .iter()
            .map(|held| &held.message)
            .chain(&self.retries);
        let numbered = waiting.filter(|message| message.number.is_some());
        let candidate = match numbered.min_by_key(|message| message.number) {
            Some(lowest) => lowest.previous,
            None => self.last_pushed,
        };
        let Some(candidate) = candidate else { return };
        let behind = self.checkpoint.map_or(candidate + 1, |checkpoint| {
            candidate.saturating_sub(checkpoint)
        });
        if behind >= progress.max(1) {
            self.checkpoint = Some(candidate);
        }
    }
}
