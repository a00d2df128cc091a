//! The deliveries that wait for one destination stream, in the order of their source revisions.
//!
//! Knows nothing of states or servers. Never holds two entries of one revision.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::event::Event;
use crate::port::{Moment, SessionId};

/// Beside its bytes an entry costs about this much memory; counted against the budget so that empty events count too.
pub const ENTRY_OVERHEAD: usize = 256;

/// One delivery that is settled when its entry is.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The session and the id to acknowledge; `None` for a hole, and for what the server parked.
    pub(crate) ack: Option<(SessionId, Uuid)>,
    /// Number in the subscription's stream.
    pub(crate) number: Option<u64>,
    /// When it was delivered.
    pub(crate) at: Moment,
    /// The group never delivered it; it was read from the subscription's stream.
    pub(crate) hole: bool,
}

/// Where an entry's event comes from, if nobody claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Delivered, or read for a hole or from the parked stream.
    Delivered,
    /// Read from the source stream to close a gap.
    Repaired,
    /// Made by ditto in place of history that the source no longer has.
    Placeholder,
}

/// One event that waits, and everybody who wants to know when it is settled.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) event: Event,
    pub(crate) origin: Origin,
    /// Nobody had delivered it when it came: it is paid from the reserve.
    from_reserve: bool,
    claim: Option<Claim>,
    more: Vec<Claim>,
}

impl Entry {
    pub(crate) fn new(event: Event, origin: Origin, claim: Option<Claim>) -> Self {
        let from_reserve = claim.as_ref().is_none_or(|claim| claim.ack.is_none());
        Self {
            event,
            origin,
            from_reserve,
            claim,
            more: Vec::new(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.event.revision
    }

    /// Bytes that it counts for against the budget.
    pub(crate) fn cost(&self) -> usize {
        self.event.size() + ENTRY_OVERHEAD
    }

    pub(crate) fn is_from_reserve(&self) -> bool {
        self.from_reserve
    }

    /// Adds a claim; the same id delivered again, or the same number over a newer stay, takes the older one's place.
    /// Returns the claim that was replaced.
    pub(crate) fn join(&mut self, claim: Claim) -> Option<Claim> {
        let replaces = |older: &Claim| match (claim.ack, older.ack) {
            (Some((_, id)), Some((_, old))) => id == old,
            (None, None) => claim.number == older.number,
            _ => false,
        };
        if let Some(older) = self
            .claim
            .iter_mut()
            .chain(&mut self.more)
            .find(|older| replaces(older))
        {
            return Some(std::mem::replace(older, claim));
        }
        match &mut self.claim {
            Some(_) => self.more.push(claim),
            none => *none = Some(claim),
        }
        None
    }

    pub(crate) fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.claim.iter().chain(&self.more)
    }

    pub(crate) fn into_claims(self) -> impl Iterator<Item = Claim> {
        self.claim.into_iter().chain(self.more)
    }

    /// Number under which the subscription knows the event, if it was delivered.
    pub(crate) fn number(&self) -> Option<u64> {
        self.claims().find_map(|claim| claim.number)
    }
}

/// Entries in ascending order of revision.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.front().map(Entry::revision)
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.entries.back().map(Entry::revision)
    }

    /// The highest revision that the source delivered.
    pub(crate) fn last_delivered(&self) -> Option<u64> {
        let mut newest_first = self.entries.iter().rev();
        newest_first
            .find(|entry| entry.origin == Origin::Delivered)
            .map(Entry::revision)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(crate) fn get(&self, revision: u64) -> Option<&Entry> {
        self.position(revision)
            .ok()
            .and_then(|at| self.entries.get(at))
    }

    pub(crate) fn get_mut(&mut self, revision: u64) -> Option<&mut Entry> {
        match self.position(revision) {
            Ok(at) => self.entries.get_mut(at),
            Err(_) => None,
        }
    }

    /// Puts the entry in its place; the caller has seen that its revision is not there.
    pub(crate) fn insert(&mut self, entry: Entry) {
        match self.position(entry.revision()) {
            Ok(at) => {
                if let Some(place) = self.entries.get_mut(at) {
                    *place = entry;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    pub(crate) fn remove(&mut self, revision: u64) -> Option<Entry> {
        self.position(revision)
            .ok()
            .and_then(|at| self.entries.remove(at))
    }

    pub(crate) fn pop_first(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// Takes out what ditto made by itself.
    pub(crate) fn take_placeholders(&mut self) -> Vec<Entry> {
        let (made, others) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| entry.origin == Origin::Placeholder);
        self.entries = others;
        Vec::from(made)
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> {
        std::mem::take(&mut self.entries).into_iter()
    }

    /// First revision after `from` (inclusive) that does not wait here.
    pub(crate) fn end_of_run(&self, from: u64) -> u64 {
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
    pub(crate) fn first_from(&self, from: u64) -> Option<u64> {
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
    use bytes::Bytes;

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
        let claim = |ack: Option<u128>, number| Claim {
            ack: ack.map(|id| (SessionId(1), Uuid::from_u128(id))),
            number,
            at: Moment::ZERO,
            hole: false,
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
