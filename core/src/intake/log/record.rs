//! Which streams are on record as held, and which events wait until theirs is.
//!
//! An event of a held stream is done once its stream is on record: it is read again from the stream when that can be written
//! (`looks`). Does no I/O. Never takes a stream for recorded before the answer, nor for what was read before this process
//! wrote: what an earlier holder sent may still come.

use std::collections::{BTreeMap, BTreeSet};

use super::looks::Looks;
use crate::event::StreamName;
use crate::port::log::{
    HELD_BYTES, HELD_CHANGES, HELD_REASON_BYTES, HELD_STREAMS, HeldChange, HeldStream,
};
use crate::port::{LogPosition, Moment};

/// Positions that wait for the record, at most: then the log is not read on.
const MOST_WAITING: usize = 10_000;

/// A stream that is held and is not on record yet.
#[derive(Clone, Debug)]
struct Waiting {
    held: HeldStream,
    positions: Vec<LogPosition>,
    /// The highest revision among them.
    last: u64,
    /// The first of them.
    first: LogPosition,
    look_at: Moment,
}

/// The streams that are held, as the destination has them.
#[derive(Clone, Debug, Default)]
pub(super) struct HeldRecord {
    held: BTreeMap<StreamName, HeldStream>,
    bytes: usize,
    /// This process wrote since it read: what an earlier holder sent is refused from now on.
    is_own: bool,
    waiting: BTreeMap<StreamName, Waiting>,
    positions: usize,
    /// Complete, and still on record.
    complete: BTreeSet<StreamName>,
    /// A write under way takes these off.
    leaving: BTreeSet<StreamName>,
    pub(super) looks: Looks,
}

impl HeldRecord {
    /// It was read: these streams are on it. Returns those that were not known to be.
    pub(super) fn adopt(&mut self, streams: Vec<HeldStream>) -> Vec<HeldStream> {
        let before = std::mem::take(&mut self.held);
        self.is_own = false;
        self.bytes = streams.iter().map(cost).sum();
        for held in streams {
            self.held.insert(held.stream.clone(), held);
        }
        let gone = before.keys().filter(|name| !self.held.contains_key(*name));
        gone.for_each(|name| self.looks.forget(name));
        self.complete.retain(|name| self.held.contains_key(name));
        let is_new = |held: &&HeldStream| !before.contains_key(&held.stream);
        self.held.values().filter(is_new).cloned().collect()
    }

    /// What is on record is known, and nobody before this process changes it any more.
    pub(super) fn is_safe(&self) -> bool {
        self.is_own || self.held.is_empty()
    }

    /// No more is taken from the log.
    pub(super) fn is_full(&self) -> bool {
        self.positions >= MOST_WAITING
    }

    /// More is held than the record takes.
    pub(super) fn is_over(&self) -> bool {
        let new = || self.waiting.values().map(|waiting| &waiting.held);
        let streams = self.held.len() + self.waiting.len();
        let is_over = || self.bytes + new().map(cost).sum::<usize>() > HELD_BYTES;
        !self.waiting.is_empty() && (streams > HELD_STREAMS || is_over())
    }

    /// Events of it were passed that are not at the destination, as far as is known.
    pub(super) fn lacks_events(&self, name: &StreamName) -> bool {
        let is_complete = self.complete.contains(name) || self.leaving.contains(name);
        self.waiting.contains_key(name) || self.held.contains_key(name) && !is_complete
    }

    pub(super) fn holds(&self, name: &StreamName) -> bool {
        self.held.contains_key(name)
    }

    /// Of this stream nothing was passed before this position (`Some(None)`: before the log's beginning); `None`: nothing was.
    pub(super) fn passed_from(&self, name: &StreamName) -> Option<Option<LogPosition>> {
        let held = self.held.get(name).map(|held| held.first);
        let waiting = self.waiting.get(name).map(|waiting| Some(waiting.first));
        held.into_iter().chain(waiting).min()
    }

    /// The log is read again, or another one: what is held then is held anew.
    pub(super) fn begin_again(&mut self) {
        self.waiting.clear();
        self.positions = 0;
    }

    /// An event of a held stream came. True if it is done: its stream is on record, and stays there. Otherwise it is once the
    /// stream is; then that is looked at at this time.
    pub(super) fn pass(
        &mut self,
        held: HeldStream,
        position: LogPosition,
        look_at: Moment,
    ) -> bool {
        self.complete.remove(&held.stream);
        let stays = self.is_own && !self.leaving.contains(&held.stream);
        let known = self.held.get(&held.stream);
        if stays && known.is_some_and(|known| known.begins_by(position)) {
            self.looks.passed(&held.stream, held.revision);
            self.looks.by(&held.stream, look_at);
            return true;
        }
        let revision = held.revision;
        let waiting = self.waiting.entry(held.stream.clone());
        let waiting = waiting.or_insert_with(|| Waiting {
            held: shortened(held),
            positions: Vec::new(),
            last: revision,
            first: position,
            look_at,
        });
        waiting.positions.push(position);
        waiting.first = waiting.first.min(position);
        waiting.last = waiting.last.max(revision);
        self.positions += 1;
        false
    }

    /// All of it is at the destination: it does not have to be on record.
    pub(super) fn is_complete(&mut self, name: StreamName) {
        if self.held.contains_key(&name) && !self.waiting.contains_key(&name) {
            self.complete.insert(name);
        }
    }

    /// What is to be written now. The first write of a holder is one even if it says nothing new.
    pub(super) fn changes(&mut self) -> Vec<HeldChange> {
        let new =
            self.waiting
                .values()
                .filter_map(|waiting| match self.held.get(&waiting.held.stream) {
                    Some(known) if known.begins_by(waiting.first) => None,
                    Some(known) => Some((known, waiting.first)),
                    None => Some((&waiting.held, waiting.first)),
                });
        let new = new.map(|(held, first)| {
            HeldChange::Held(HeldStream {
                first: Some(first),
                ..held.clone()
            })
        });
        let mut changes: Vec<HeldChange> = new.take(HELD_CHANGES).collect();
        while changes.len() < HELD_CHANGES
            && let Some(name) = self.complete.pop_first()
        {
            self.leaving.insert(name.clone());
            changes.push(HeldChange::Released(name));
        }
        if changes.is_empty() && !self.is_safe() {
            let first = self.held.values().next().cloned();
            changes.extend(first.map(HeldChange::Held));
        }
        changes
    }

    /// The changes stand. Returns the positions that are done by that.
    pub(super) fn accepted(&mut self, changes: Vec<HeldChange>) -> Vec<LogPosition> {
        self.is_own = true;
        self.leaving.clear();
        for change in changes {
            let before = match change {
                HeldChange::Held(held) => {
                    let is_known = self.held.contains_key(&held.stream);
                    if !is_known && !self.waiting.contains_key(&held.stream) {
                        // What made it held is read again.
                        self.looks.by(&held.stream, Moment::ZERO);
                    }
                    self.bytes += cost(&held);
                    self.held.insert(held.stream.clone(), held)
                }
                HeldChange::Released(name) => {
                    self.looks.forget(&name);
                    self.held.remove(&name)
                }
            };
            self.bytes -= before.as_ref().map_or(0, cost);
        }
        let held = &self.held;
        let mut done = Vec::new();
        for (name, waiting) in self.waiting.extract_if(.., |name, waiting| {
            let known = held.get(name);
            known.is_some_and(|known| known.begins_by(waiting.first))
        }) {
            self.looks.passed(&name, waiting.last);
            self.looks.by(&name, waiting.look_at);
            done.extend(waiting.positions);
        }
        self.positions -= done.len();
        done
    }

    /// Somebody else wrote: the changes do not stand, and what is on record is not known.
    pub(super) fn refused(&mut self) {
        self.is_own = false;
        for name in std::mem::take(&mut self.leaving) {
            self.is_complete(name);
        }
    }
}

impl HeldStream {
    /// On record as passed from this position on, or from one before it.
    fn begins_by(&self, position: LogPosition) -> bool {
        self.first <= Some(position)
    }
}

/// Bytes that it takes on record.
fn cost(held: &HeldStream) -> usize {
    held.stream.as_str().len() + held.reason.len()
}

fn shortened(mut held: HeldStream) -> HeldStream {
    let end = held.reason.floor_char_boundary(HELD_REASON_BYTES);
    held.reason.truncate(end);
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::HeldReason;

    fn held(name: &str, revision: u64) -> HeldStream {
        HeldStream {
            stream: name.into(),
            revision,
            kind: HeldReason::Conflict,
            reason: "another".to_owned(),
            first: Some(at(revision)),
        }
    }

    fn at(commit: u64) -> LogPosition {
        LogPosition {
            commit,
            prepare: commit,
        }
    }

    fn pass(record: &mut HeldRecord, name: &str, revision: u64) -> bool {
        record.pass(held(name, revision), at(revision), Moment::ZERO)
    }

    fn write(record: &mut HeldRecord) -> (Vec<HeldChange>, Vec<LogPosition>) {
        let changes = record.changes();
        let done = record.accepted(changes.clone());
        (changes, done)
    }

    #[test]
    fn an_event_waits_until_its_stream_is_on_record() {
        let mut record = HeldRecord::default();
        assert!(!pass(&mut record, "a", 5), "not on record");
        assert!(!pass(&mut record, "a", 6), "nor is it written");
        let changes = vec![HeldChange::Held(held("a", 5))];
        assert_eq!(write(&mut record), (changes, vec![at(5), at(6)]));
        assert!(pass(&mut record, "a", 7));
        assert_eq!(record.changes(), []);
    }

    #[test]
    fn nothing_that_an_earlier_holder_wrote_counts_before_a_write_of_this_one() {
        let mut record = HeldRecord::default();
        record.adopt(vec![held("a", 5)]);
        assert!(!record.is_safe());
        assert!(!pass(&mut record, "a", 6));
        let changes = vec![HeldChange::Held(held("a", 5))];
        assert_eq!(write(&mut record), (changes, vec![at(6)]));
        assert!(record.is_safe());
    }

    #[test]
    fn an_event_of_a_stream_that_is_being_released_waits_for_its_next_word() {
        let mut record = HeldRecord::default();
        pass(&mut record, "a", 5);
        write(&mut record);
        record.is_complete("a".into());
        let released = vec![HeldChange::Released("a".into())];
        assert_eq!(record.changes(), released);
        assert!(!pass(&mut record, "a", 9));
        assert_eq!(record.accepted(released), []);
        let changes = vec![HeldChange::Held(held("a", 9))];
        assert_eq!(write(&mut record), (changes, vec![at(9)]));
    }

    #[test]
    fn an_event_before_the_release_is_written_keeps_the_stream_on_record() {
        let mut record = HeldRecord::default();
        pass(&mut record, "a", 5);
        write(&mut record);
        record.is_complete("a".into());
        assert!(pass(&mut record, "a", 9));
        assert_eq!(record.changes(), []);
    }

    #[test]
    fn the_first_place_stays_while_a_stream_is_on_record() {
        let mut record = HeldRecord::default();
        assert_eq!(record.passed_from(&"a".into()), None);
        pass(&mut record, "a", 5);
        pass(&mut record, "a", 6);
        assert_eq!(record.passed_from(&"a".into()), Some(Some(at(5))));
        write(&mut record);
        pass(&mut record, "a", 7);
        // Another holder's record, which is written again.
        for (first, changed) in [(Some(at(5)), Some(at(5))), (None, None)] {
            record.adopt(vec![HeldStream {
                first,
                ..held("a", 5)
            }]);
            pass(&mut record, "a", 9);
            let changes = vec![HeldChange::Held(HeldStream {
                first: changed,
                ..held("a", 5)
            })];
            assert_eq!(write(&mut record), (changes, vec![at(9)]), "{first:?}");
            assert_eq!(record.passed_from(&"a".into()), Some(first));
        }
    }

    #[test]
    fn an_event_before_the_first_place_waits_until_that_is_on_record() {
        let mut record = HeldRecord::default();
        pass(&mut record, "a", 50);
        write(&mut record);
        assert!(!pass(&mut record, "a", 20), "of a log that was cut");
        let changes = vec![HeldChange::Held(HeldStream {
            first: Some(at(20)),
            ..held("a", 50)
        })];
        assert_eq!(write(&mut record), (changes, vec![at(20)]));
        assert!(pass(&mut record, "a", 21));
    }

    #[test]
    fn more_streams_than_the_record_takes_are_noticed() {
        let mut record = HeldRecord::default();
        for number in 0..HELD_STREAMS as u64 {
            assert!(!record.is_over(), "{number}");
            pass(&mut record, &format!("s-{number}"), 0);
            if number % 100 == 0 {
                write(&mut record);
            }
        }
        assert!(!record.is_over());
        pass(&mut record, "one more", 0);
        assert!(record.is_over());
        let mut large = HeldRecord::default();
        pass(&mut large, &"x".repeat(HELD_BYTES), 0);
        assert!(large.is_over());
    }
}
