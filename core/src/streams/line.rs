//! The streams that may append, and which of them goes next.
//!
//! An append costs a server far more than an event in it (protocol §15.7), so the stream with most waiting goes first, and the
//! others gather more meanwhile. Every fourth time the one goes that has stood longest: nobody waits for more than four times
//! as many appends as there were streams before it. Streams are ranked by the power of two that waits, so that joining and
//! leaving take the same time however many stand there. Knows nothing of time, and never decides what is appended.

use std::collections::VecDeque;

use crate::event::StreamName;

/// More than any append holds.
const RANKS: usize = 32;

/// Void entries are swept out once there are more of them than this and than all others.
const VOID: usize = 64;

/// One turn in so many is for the stream that has stood longest.
const TURNS: u32 = 4;

/// Where a stream stands in line. It is the stream's own copy that counts: an entry that does not agree with it is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Given once.
    ticket: u64,
    rank: usize,
}

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    /// By what waits; within a rank by the time of joining it.
    ranks: [VecDeque<(StreamName, Place)>; RANKS],
    /// All of them, by the time of joining the line.
    joined: VecDeque<(StreamName, Place)>,
    tickets: u64,
    /// Turns since the last one of the stream that had stood longest.
    turns: u32,
    /// With more entries than this the void ones are swept out.
    most: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            ranks: std::array::from_fn(|_| VecDeque::new()),
            joined: VecDeque::new(),
            tickets: 0,
            turns: 0,
            most: VOID,
        }
    }

    /// Nobody stands there.
    pub(super) fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// Lets a stream join in which so many events wait, or moves it forward; returns where it stands now.
    pub(super) fn join(
        &mut self,
        name: &StreamName,
        waiting: usize,
        before: Option<Place>,
    ) -> Place {
        let rank = rank(waiting);
        let place = match before {
            Some(place) if rank <= place.rank => return place,
            Some(place) => Place { rank, ..place },
            None => {
                self.tickets += 1;
                let ticket = self.tickets;
                let place = Place { ticket, rank };
                self.joined.push_back((name.clone(), place));
                place
            }
        };
        self.ranks[rank].push_back((name.clone(), place));
        place
    }

    /// Takes out whose turn it is. `place` says where a stream stands, if it does.
    pub(super) fn leave(
        &mut self,
        place: impl Fn(&StreamName) -> Option<Place>,
    ) -> Option<StreamName> {
        self.turns += 1;
        let name = if self.turns >= TURNS {
            self.turns = 0;
            self.longest(&place)
        } else {
            self.fullest(&place)
        };
        // Who went, and whoever is gone before it, leaves the other line when its turn comes there.
        while let Some((first, joined)) = self.joined.front() {
            let stands = place(first).is_some_and(|now| now.ticket == joined.ticket);
            if stands && Some(first) != name.as_ref() {
                break;
            }
            self.joined.pop_front();
        }
        if self.entries() > self.most {
            self.sweep(&place);
        }
        name
    }

    fn entries(&self) -> usize {
        self.joined.len() + self.ranks.iter().map(VecDeque::len).sum::<usize>()
    }

    /// What moves forward leaves an entry behind, in a rank whose turn may not come for long.
    fn sweep(&mut self, place: &impl Fn(&StreamName) -> Option<Place>) {
        for rank in &mut self.ranks {
            rank.retain(|(name, there)| place(name) == Some(*there));
        }
        self.joined
            .retain(|(name, joined)| place(name).is_some_and(|now| now.ticket == joined.ticket));
        self.most = 2 * self.entries() + VOID;
    }

    fn longest(&mut self, place: &impl Fn(&StreamName) -> Option<Place>) -> Option<StreamName> {
        let is_there = |(name, joined): &(StreamName, Place)| {
            place(name).is_some_and(|now| now.ticket == joined.ticket)
        };
        let joined = &mut self.joined;
        std::iter::from_fn(|| joined.pop_front())
            .find(is_there)
            .map(|(name, _)| name)
    }

    fn fullest(&mut self, place: &impl Fn(&StreamName) -> Option<Place>) -> Option<StreamName> {
        let is_there = |(name, joined): &(StreamName, Place)| place(name) == Some(*joined);
        self.ranks.iter_mut().rev().find_map(|rank| {
            std::iter::from_fn(|| rank.pop_front())
                .find(is_there)
                .map(|(name, _)| name)
        })
    }
}

/// The power of two that waits.
fn rank(waiting: usize) -> usize {
    let rank = waiting.max(1).ilog2();
    usize::try_from(rank).unwrap_or(RANKS).min(RANKS - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A line, and where its streams stand.
    struct Standing {
        line: Line,
        places: BTreeMap<StreamName, Place>,
    }

    impl Standing {
        fn of(streams: &[(&str, usize)]) -> Self {
            let mut standing = Self {
                line: Line::new(),
                places: BTreeMap::new(),
            };
            for (name, waiting) in streams {
                standing.join(name, *waiting);
            }
            standing
        }

        fn join(&mut self, name: &str, waiting: usize) {
            let name = StreamName::from(name);
            let before = self.places.get(&name).copied();
            let place = self.line.join(&name, waiting, before);
            self.places.insert(name, place);
        }

        fn leave(&mut self) -> Option<String> {
            let name = self.line.leave(|name| self.places.get(name).copied())?;
            self.places.remove(&name).expect("it stood there");
            Some(name.to_string())
        }

        fn all(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.leave()).collect()
        }
    }

    #[test]
    fn the_fullest_goes_first_and_every_fourth_time_the_one_that_stood_longest() {
        for (name, streams, expected) in [
            ("alike: in turn", &[("a", 1), ("b", 1), ("c", 1)][..], "abc"),
            ("the same power of two", &[("a", 4), ("b", 7)], "ab"),
            ("the fullest", &[("a", 1), ("b", 9), ("c", 2)], "bca"),
            (
                "the longest at the fourth turn",
                &[("a", 1), ("b", 9), ("c", 9), ("d", 9), ("e", 9), ("f", 9)],
                "bcdaef",
            ),
            ("it moves forward", &[("a", 1), ("b", 2), ("a", 5)], "ab"),
            ("never back", &[("a", 8), ("b", 4), ("a", 1)], "ab"),
        ] {
            let mut standing = Standing::of(streams);
            assert_eq!(standing.all().concat(), expected, "{name}");
            assert!(standing.line.is_empty(), "{name}");
        }
    }

    #[test]
    fn streams_that_left_by_themselves_have_no_turn() {
        let mut standing = Standing::of(&[("a", 9), ("b", 1), ("c", 2)]);
        standing.places.remove(&StreamName::from("a"));
        standing.places.remove(&StreamName::from("c"));
        // It joins anew: its first entry is void.
        standing.join("c", 1);
        assert_eq!(standing.all(), ["b", "c"]);
        assert!(standing.line.is_empty());
    }

    /// A stream in which one event waits, among a hundred that fill again as soon as they went.
    #[test]
    fn nobody_waits_for_more_than_four_times_as_many_as_stood_before() {
        let names: Vec<String> = (0..100).map(|number| format!("full-{number}")).collect();
        let full: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 500)).collect();
        let mut standing = Standing::of(&full);
        standing.join("small", 1);
        let mut turns = 0;
        loop {
            turns += 1;
            match standing.leave() {
                Some(name) if name == "small" => break,
                Some(name) => {
                    for waiting in [1, 2, 4, 8, 500] {
                        standing.join(&name, waiting);
                    }
                }
                None => panic!("nobody stands there"),
            }
            let entries = standing.line.entries();
            assert!(entries <= 4 * 101 + 2 * VOID, "{entries} entries");
        }
        assert!((101..=404).contains(&turns), "{turns} turns");
    }
}
