//! The deliveries that wait for one destination stream, in the order of their source revisions.
//!
//! Knows nothing of states or servers. Never holds two entries of one revision.

use std::collections::VecDeque;

use crate::event::Event;
use crate::seam::Claim;

/// Beside its bytes an entry costs about this much memory; counted against the budget so that empty events count too.
pub const ENTRY_OVERHEAD: usize = 256;

/// Where an entry's event comes from, if nobody claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Delivered, or read for a hole or from the parked stream.
    Delivered,
    /// Read from the source stream to close a gap.
    Repaired,
    /// Made by ditto in place of history that the source no longer has.
    Placeholder,
}

/// One event that waits, and everybody who wants to know when it is settled.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) event: Event,
    pub(super) origin: Origin,
    /// Nobody had delivered it when it came: it is paid from the reserve.
    from_reserve: bool,
    claim: Option<Claim>,
    more: Vec<Claim>,
}

impl Entry {
    pub(super) fn new(event: Event, origin: Origin, claim: Option<Claim>) -> Self {
        let from_reserve = !claim.as_ref().is_some_and(Claim::is_delivered);
        Self {
            event,
            origin,
            from_reserve,
            claim,
            more: Vec::new(),
        }
    }

    pub(super) fn revision(&self) -> u64 {
        self.event.revision
    }

    /// Bytes that it counts for against the budget.
    pub(super) fn cost(&self) -> usize {
        self.event.size() + ENTRY_OVERHEAD
    }

    pub(super) fn is_from_reserve(&self) -> bool {
        self.from_reserve
    }

    /// Adds a claim; the same id delivered again, or the same number over a newer stay, takes the older one's place.
    /// Returns the claim that was replaced.
    pub(super) fn join(&mut self, claim: Claim) -> Option<Claim> {
        if let Some(older) = self
            .claim
            .iter_mut()
            .chain(&mut self.more)
            .find(|older| claim.replaces(older))
        {
            return Some(std::mem::replace(older, claim));
        }
        match &mut self.claim {
            Some(_) => self.more.push(claim),
            none => *none = Some(claim),
        }
        None
    }

    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claim.iter().chain(&self.more)
    }

    pub(super) fn into_claims(self) -> impl Iterator<Item = Claim> {
        self.claim.into_iter().chain(self.more)
    }

    /// Number under which the subscription knows the event, if it was delivered.
    pub(super) fn number(&self) -> Option<u64> {
        self.claims().find_map(Claim::number)
    }
}

/// Entries in ascending order of revision.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(Entry::revision)
    }

    pub(super) fn last(&self) -> Option<u64> {
        self.entries.back().map(Entry::revision)
    }

    /// The highest revision that the source delivered.
    pub(super) fn last_delivered(&self) -> Option<u64> {
        let mut newest_first = self.entries.iter().rev();
        newest_first
            .find(|entry| entry.origin == Origin::Delivered)
            .map(Entry::revision)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(super) fn get(&self, revision: u64) -> Option<&Entry> {
        self.position(revision)
            .ok()
            .and_then(|at| self.entries.get(at))
    }

    pub(super) fn get_mut(&mut self, revision: u64) -> Option<&mut Entry> {
        match self.position(revision) {
            Ok(at) => self.entries.get_mut(at),
            Err(_) => None,
        }
    }

    /// Puts the entry in its place; the caller has seen that its revision is not there.
    pub(super) fn insert(&mut self, entry: Entry) {
        if self.entries.capacity() == 0 {
            // In most of many streams one event waits: room for four would be most of the memory.
            self.entries.reserve_exact(1);
        }
        match self.position(entry.revision()) {
            Ok(at) => {
                if let Some(place) = self.entries.get_mut(at) {
                    *place = entry;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    pub(super) fn remove(&mut self, revision: u64) -> Option<Entry> {
        self.position(revision)
            .ok()
            .and_then(|at| self.entries.remove(at))
    }

    pub(super) fn pop_first(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// Takes out what ditto made by itself.
    pub(super) fn take_placeholders(&mut self) -> Vec<Entry> {
        let (made, others) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| entry.origin == Origin::Placeholder);
        self.entries = others;
        Vec::from(made)
    }

    /// Takes out what was delivered beyond so many bytes, but never the first entry, nor what is at `frozen` or below it.
    pub(super) fn take_beyond(&mut self, most: usize, frozen: Option<u64>) -> Vec<Entry> {
        let first = self.first().max(frozen);
        let mut bytes = 0;
        let entries = std::mem::take(&mut self.entries).into_iter();
        let (kept, beyond) = entries.partition(|entry| {
            if entry.is_from_reserve() {
                return true;
            }
            bytes += entry.cost();
            bytes <= most || Some(entry.revision()) <= first
        });
        self.entries = kept;
        Vec::from(beyond)
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Entry> {
        std::mem::take(&mut self.entries).into_iter()
    }

    /// First revision after `from` (inclusive) that does not wait here.
    pub(super) fn end_of_run(&self, from: u64) -> u64 {
        let Ok(start) = self.position(from) else {
            return from;
        };
        let mut next = from;
        for entry in self.entries.range(start..) {
            if entry.revision() != next {
                break;
            }
            next += 1;
        }
        next
    }

    /// First waiting revision that is `from` or more.
    pub(super) fn first_from(&self, from: u64) -> Option<u64> {
        let at = self.position(from).unwrap_or_else(|at| at);
        self.entries.get(at).map(Entry::revision)
    }

    fn position(&self, revision: u64) -> Result<usize, usize> {
        // Deliveries come in order nearly always: look at the end first.
        match self.entries.back() {
            None => Err(0),
            Some(last) if last.revision() < revision => Err(self.entries.len()),
            Some(_) => self
                .entries
                .binary_search_by_key(&revision, Entry::revision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{Moment, SessionId};
    use bytes::Bytes;
    use uuid::Uuid;

    fn entry(revision: u64) -> Entry {
        let event = Event {
            id: Uuid::from_u128(u128::from(revision)),
            stream: "s-1".into(),
            revision,
            event_type: "t".into(),
            is_json: true,
            data: Bytes::new(),
            metadata: Bytes::new(),
            created: 0,
        };
        Entry::new(event, Origin::Delivered, None)
    }

    fn delivered(revision: u64) -> Entry {
        let claim = Claim::delivered(SessionId(1), Uuid::nil(), None, Moment::ZERO);
        Entry::new(entry(revision).event, Origin::Delivered, Some(claim))
    }

    fn queue(revisions: &[u64]) -> Queue {
        let mut queue = Queue::default();
        for revision in revisions {
            queue.insert(entry(*revision));
        }
        queue
    }

    #[test]
    fn entries_are_kept_in_the_order_of_revisions_however_they_come() {
        for order in [[1, 2, 3, 4], [4, 3, 2, 1], [3, 1, 4, 2]] {
            let got: Vec<u64> = queue(&order).iter().map(Entry::revision).collect();
            assert_eq!(got, [1, 2, 3, 4], "inserted as {order:?}");
        }
    }

    #[test]
    fn the_rest_of_a_queue_is_taken_out_from_its_end() {
        let one = delivered(5).cost();
        for (most, frozen, kept, beyond) in [
            (0, None, &[5][..], &[6, 8][..]),
            (0, Some(6), &[5, 6], &[8]),
            (2 * one, None, &[5, 6], &[8]),
            (3 * one, None, &[5, 6, 8], &[]),
        ] {
            let mut queue = Queue::default();
            for revision in [5, 6, 8] {
                queue.insert(delivered(revision));
            }
            let taken = queue.take_beyond(most, frozen);
            let taken: Vec<u64> = taken.iter().map(Entry::revision).collect();
            let left: Vec<u64> = queue.iter().map(Entry::revision).collect();
            assert_eq!((&left[..], &taken[..]), (kept, beyond), "{most} {frozen:?}");
        }
        let taken = queue(&[5, 6]).take_beyond(0, None);
        assert!(taken.is_empty(), "the reserve's own");
    }

    #[test]
    fn a_run_ends_at_the_first_gap() {
        for (waiting, from, end) in [
            (&[5, 6, 8][..], 5, 7),
            (&[5, 6, 8], 8, 9),
            (&[5, 6, 8], 7, 7),
            (&[], 0, 0),
            (&[5, 6, 8], 4, 4),
        ] {
            assert_eq!(
                queue(waiting).end_of_run(from),
                end,
                "{waiting:?} from {from}"
            );
        }
    }

    #[test]
    fn the_first_from_a_revision_skips_what_is_below() {
        for (from, first) in [(0, Some(5)), (5, Some(5)), (7, Some(8)), (9, None)] {
            assert_eq!(queue(&[5, 6, 8]).first_from(from), first, "from {from}");
        }
    }

    #[test]
    fn a_second_copy_takes_the_place_of_its_first() {
        let claim = |ack: Option<u128>, number: Option<u64>| match (ack, number) {
            (Some(id), _) => {
                Claim::delivered(SessionId(1), Uuid::from_u128(id), number, Moment::ZERO)
            }
            (None, Some(number)) => Claim::hole(number, Moment::ZERO),
            (None, None) => Claim::unasked(Moment::ZERO),
        };
        for (first, second, replaces) in [
            (claim(Some(1), Some(1)), claim(Some(1), Some(1)), true),
            (claim(Some(1), Some(1)), claim(Some(2), Some(1)), false),
            (claim(None, Some(1)), claim(None, Some(1)), true),
            (claim(None, Some(1)), claim(None, Some(2)), false),
            (claim(None, None), claim(None, None), true),
            (claim(Some(1), Some(1)), claim(None, Some(1)), false),
        ] {
            let mut entry = entry(1);
            assert!(entry.join(claim(Some(9), Some(9))).is_none());
            assert!(entry.join(first.clone()).is_none());
            let replaced = entry.join(second.clone()).is_some();
            assert_eq!(replaced, replaces, "{first:?} {second:?}");
            assert_eq!(entry.claims().count(), if replaces { 2 } else { 3 });
        }
    }
}
