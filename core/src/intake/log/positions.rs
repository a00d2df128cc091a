//! Which positions of the source's log are done, and where a copy may go on: the low-water mark.
//!
//! A mirror has many events under way, and they are done in any order. The mark is the last position such that it *and
//! everything before it* is done. Only open positions are kept, each with the place before it, so what is kept grows with
//! what is open and not with what was read. Positions are pairs, compared as pairs and stored exactly as the server gave
//! them (protocol §3.3); none is ever completed or made up. Does no I/O.

use std::collections::BTreeMap;

use crate::port::LogPosition;
use crate::port::log::{Mark, Record};

/// What to do with a record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handed {
    /// It is new: copy it.
    Out,
    /// It was handed out before and is still open, or it was done before: nothing.
    Before,
}

/// A position that is not done.
#[derive(Clone, Debug)]
struct Open {
    /// The place before it.
    before: Option<Mark>,
    /// When its event was stored, in the source's ticks.
    created: i64,
}

/// The positions that are open, and the mark below them.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions {
    /// Each position that is not done.
    open: BTreeMap<LogPosition, Open>,
    /// The last place that was read.
    newest: Option<Mark>,
    /// The highest position that was ever handed out.
    highest: Option<LogPosition>,
}

impl Positions {
    /// Nothing is open; everything up to the mark is done (`None`: nothing yet).
    #[must_use]
    pub(super) fn from(mark: Option<Mark>) -> Self {
        Self {
            open: BTreeMap::new(),
            newest: mark,
            highest: None,
        }
    }

    /// Everything after the mark will be read again, whatever is open.
    pub(super) fn begin_again(&mut self) {
        self.newest = self.mark().cloned();
        self.open.clear();
    }

    /// A record was read that is to be copied. What was read before may come again after a connection ended: it is
    /// told by its position.
    pub(super) fn hand_out(&mut self, record: Record, created: i64) -> Handed {
        if !self.is_new(record.position) {
            return Handed::Before;
        }
        let position = record.position;
        let before = self.newest.take();
        self.open.insert(position, Open { before, created });
        self.highest = Some(position);
        self.newest = Some(Mark {
            position,
            record: Some(record),
        });
        Handed::Out
    }

    /// A record was read that nobody wants: done at once.
    pub(super) fn pass(&mut self, record: Record) {
        if self.is_new(record.position) {
            self.newest = Some(Mark {
                position: record.position,
                record: Some(record),
            });
        }
    }

    /// The server has looked at everything up to this position.
    pub(super) fn looked_through(&mut self, position: LogPosition) {
        if self.is_new(position) {
            let record = self.newest.take().and_then(|newest| newest.record);
            self.newest = Some(Mark { position, record });
        }
    }

    /// The event that was handed out at this position is written, there, or held and recorded. True if it was open.
    pub(super) fn done(&mut self, position: LogPosition) -> bool {
        self.open.remove(&position).is_some()
    }

    /// The last place such that it and everything before it is done; `None`: the log's beginning.
    #[must_use]
    pub(super) fn mark(&self) -> Option<&Mark> {
        match self.open.first_key_value() {
            Some((_, open)) => open.before.as_ref(),
            None => self.newest.as_ref(),
        }
    }

    /// The last place that was read: where the next session goes on in the same process.
    #[must_use]
    pub(super) fn newest(&self) -> Option<&Mark> {
        self.newest.as_ref()
    }

    /// The highest position that was handed out; `None`: none was.
    #[must_use]
    pub(super) fn highest(&self) -> Option<LogPosition> {
        self.highest
    }

    /// When the event at the first open position was stored, in the source's ticks; `None`: none is open.
    #[must_use]
    pub(super) fn oldest_created(&self) -> Option<i64> {
        Some(self.open.first_key_value()?.1.created)
    }

    /// How many positions are open.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    fn is_new(&self, position: LogPosition) -> bool {
        let newest = self.newest.as_ref().map(|newest| newest.position);
        newest.is_none_or(|newest| newest < position)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    fn at(commit: u64) -> LogPosition {
        LogPosition {
            commit,
            prepare: commit,
        }
    }

    fn record(commit: u64) -> Record {
        Record {
            position: at(commit),
            stream: "s".into(),
            revision: commit,
            id: Uuid::from_u128(commit.into()),
        }
    }

    fn marked(positions: &Positions) -> Option<u64> {
        positions.mark().map(|mark| mark.position.commit)
    }

    #[test]
    fn mark_is_the_place_before_the_first_open_position() {
        let mut positions = Positions::from(None);
        for commit in [10, 20, 30] {
            assert_eq!(positions.hand_out(record(commit), 0), Handed::Out);
        }
        positions.looked_through(at(40));
        for (done, expected) in [(20, None), (10, Some(20)), (30, Some(40))] {
            assert!(positions.done(at(done)));
            assert_eq!(marked(&positions), expected, "after {done}");
        }
        assert!(!positions.done(at(30)), "done once");
        assert_eq!(positions.highest(), Some(at(30)));
    }

    #[test]
    fn mark_keeps_the_last_record_read_before_a_checkpoint() {
        let mut positions = Positions::from(None);
        positions.looked_through(at(5));
        assert_eq!(positions.mark().and_then(|mark| mark.record.clone()), None);
        positions.pass(record(7));
        positions.looked_through(LogPosition {
            commit: 9,
            prepare: 0,
        });
        let mark = positions.mark().cloned();
        assert_eq!(
            mark,
            Some(Mark {
                position: LogPosition {
                    commit: 9,
                    prepare: 0
                },
                record: Some(record(7)),
            })
        );
    }

    #[test]
    fn records_read_again_are_handed_out_once() {
        let mut positions = Positions::from(None);
        positions.hand_out(record(10), 0);
        positions.hand_out(record(20), 0);
        positions.done(at(20));
        for again in [10, 20] {
            assert_eq!(
                positions.hand_out(record(again), 0),
                Handed::Before,
                "{again}"
            );
        }
        assert_eq!((positions.open(), marked(&positions)), (1, None));
        let mut later = Positions::from(positions.newest().cloned());
        assert_eq!(later.hand_out(record(20), 0), Handed::Before);
        assert_eq!(later.hand_out(record(21), 0), Handed::Out);
    }

    #[test]
    fn positions_compare_as_pairs() {
        let pair = |commit, prepare| Record {
            position: LogPosition { commit, prepare },
            ..record(commit)
        };
        let mut positions = Positions::from(None);
        assert_eq!(positions.hand_out(pair(10, 8), 0), Handed::Out);
        assert_eq!(positions.hand_out(pair(10, 9), 0), Handed::Out);
        assert_eq!(positions.hand_out(pair(10, 8), 0), Handed::Before);
        assert_eq!(positions.open(), 2);
    }

    /// Against a model that remembers everything: whatever order events are read and done in, nothing before the mark is
    /// open, and the mark is the highest such place.
    #[test]
    fn mark_agrees_with_a_model_that_forgets_nothing() {
        let mut random = 1_u64;
        let mut draw = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..200 {
            let mut positions = Positions::from(None);
            let (mut read, mut open) = (BTreeSet::new(), BTreeSet::new());
            let mut commit = 0;
            for _ in 0..60 {
                commit += 1 + draw(3);
                match draw(4) {
                    0 => {
                        positions.looked_through(at(commit));
                        read.insert(commit);
                    }
                    1 => {
                        positions.pass(record(commit));
                        read.insert(commit);
                    }
                    _ => {
                        positions.hand_out(record(commit), 0);
                        read.insert(commit);
                        open.insert(commit);
                    }
                }
                while !open.is_empty() && draw(3) == 0 {
                    let chosen = usize::try_from(draw(open.len() as u64)).unwrap();
                    let chosen = *open.iter().nth(chosen).unwrap();
                    open.remove(&chosen);
                    assert!(positions.done(at(chosen)));
                }
                let first_open = open.first().copied().unwrap_or(u64::MAX);
                let expected = read.range(..first_open).next_back().copied();
                assert_eq!(marked(&positions), expected);
                assert_eq!(positions.open(), open.len());
            }
        }
    }
}
