//! Records that wait for a call: which of them go into the next one, and which have to be patient.
//!
//! Pure: no I/O and no clock. Never orders anything within a stream: whoever hands records over has one of a stream on
//! its way at a time, so no two records here are of one stream.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use md5::{Digest as _, Md5};
use tokio::time::Instant;

use super::record::Record;
use ditto_core::port::AppendId;

/// Limits of one call of PutRecords. A single record that is larger than the second goes alone.
const MOST_RECORDS: usize = 500;
const MOST_BYTES: usize = 5 * 1024 * 1024;

/// Kinesis maps the MD5 of a partition key to a shard by ranges. Which ranges is not known here, so the hash space is cut
/// into equal slices: what one shard refuses makes its own slices wait and no other.
const SLICES: usize = 64;

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A record on its way, from its append to its answer.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The append that it answers.
    pub(super) append: AppendId,
    /// The revision to answer with.
    pub(super) revision: u64,
    /// What is sent.
    pub(super) record: Record,
    /// A call that held it was refused as a whole: it has to show that it was not the reason.
    pub(super) is_suspect: bool,
}

/// What came of one record of a call that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is stored.
    Stored,
    /// It is not, and may be sent again.
    Again,
}

/// All records that wait.
#[derive(Debug)]
pub(super) struct WaitingRoom {
    slices: Vec<Slice>,
    /// Sent alone, one a call.
    suspects: VecDeque<Waiting>,
    /// Where the next call begins to collect, so that no slice is always the last.
    next: usize,
    count: usize,
}

#[derive(Debug, Default)]
struct Slice {
    waiting: VecDeque<Waiting>,
    pause: Duration,
    until: Option<Instant>,
}

impl WaitingRoom {
    pub(super) fn new() -> Self {
        Self {
            slices: (0..SLICES).map(|_| Slice::default()).collect(),
            suspects: VecDeque::new(),
            next: 0,
            count: 0,
        }
    }

    /// A record for one of the next calls.
    pub(super) fn push(&mut self, waiting: Waiting) {
        self.count += 1;
        if waiting.is_suspect {
            self.suspects.push_back(waiting);
        } else {
            let slice = slice_of(&waiting.record.key);
            self.slices[slice].waiting.push_back(waiting);
        }
    }

    /// Records that wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The records of the next call; empty if none may be sent now.
    pub(super) fn take_call(&mut self, now: Instant) -> Vec<Waiting> {
        let mut call = Vec::new();
        let mut bytes = 0;
        if let Some(suspect) = self.suspects.pop_front() {
            call.push(suspect);
        } else {
            for step in 0..SLICES {
                let slice = &mut self.slices[(self.next + step) % SLICES];
                if slice.until.is_none_or(|until| until <= now) {
                    slice.move_into(&mut call, &mut bytes);
                }
            }
            self.next = (self.next + 1) % SLICES;
        }
        self.count -= call.len();
        call
    }

    /// When the next record may be sent, if any waits.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        if !self.suspects.is_empty() {
            return Some(now);
        }
        let waits = self.slices.iter().filter(|slice| !slice.waiting.is_empty());
        waits.map(|slice| slice.until.unwrap_or(now)).min()
    }

    /// Learns from an answered call how its slices fare. A slice pauses longer the more of its records were refused,
    /// and less after every call in which none was. `jitter` is between 0 and 1.
    pub(super) fn learn<'a>(
        &mut self,
        now: Instant,
        jitter: f64,
        fates: impl Iterator<Item = (&'a str, Outcome)>,
    ) {
        let mut seen: HashMap<usize, (u32, u32)> = HashMap::new();
        for (key, outcome) in fates {
            let (refused, all) = seen.entry(slice_of(key)).or_default();
            *all += 1;
            *refused += u32::from(outcome == Outcome::Again);
        }
        for (slice, (refused, all)) in seen {
            self.slices[slice].learn(now, jitter, f64::from(refused) / f64::from(all));
        }
    }
}

impl Slice {
    fn move_into(&mut self, call: &mut Vec<Waiting>, bytes: &mut usize) {
        while call.len() < MOST_RECORDS
            && let Some(first) = self.waiting.front()
        {
            let size = first.record.size();
            if !call.is_empty() && *bytes + size > MOST_BYTES {
                return;
            }
            *bytes += size;
            call.extend(self.waiting.pop_front());
        }
    }

    fn learn(&mut self, now: Instant, jitter: f64, refused: f64) {
        if refused == 0.0 {
            self.pause /= 2;
            self.until = None;
            return;
        }
        self.pause = self
            .pause
            .mul_f64(1.0 + refused)
            .clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.until = Some(now + self.pause.mul_f64(0.5 + jitter / 2.0));
    }
}

fn slice_of(key: &str) -> usize {
    let digest = Md5::digest(key.as_bytes());
    usize::from(digest[0]) * SLICES / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(append: u64, key: &str, bytes: usize) -> Waiting {
        Waiting {
            append: AppendId(append),
            revision: 0,
            record: Record {
                key: key.to_owned(),
                data: vec![b' '; bytes],
            },
            is_suspect: false,
        }
    }

    fn calls(room: &mut WaitingRoom, now: Instant) -> Vec<usize> {
        let mut sizes = Vec::new();
        loop {
            let call = room.take_call(now);
            if call.is_empty() {
                return sizes;
            }
            sizes.push(call.len());
        }
    }

    #[tokio::test]
    async fn a_call_is_filled_up_to_the_limits() {
        const MEBI: usize = 1024 * 1024;
        let rows: &[(&str, usize, usize, &[usize])] = &[
            ("few", 3, 10, &[3]),
            ("many", 1_201, 10, &[500, 500, 201]),
            ("large", 11, MEBI - 100, &[5, 5, 1]),
            ("larger than a call", 3, 6 * MEBI, &[1, 1, 1]),
        ];
        for (name, count, bytes, expected) in rows {
            let mut room = WaitingRoom::new();
            for number in 0..*count {
                room.push(waiting(number as u64, &format!("s-{number}"), *bytes));
            }
            assert_eq!(calls(&mut room, Instant::now()), *expected, "{name}");
            assert_eq!(room.len(), 0);
        }
    }

    #[tokio::test]
    async fn a_refused_slice_waits_longer_each_time_and_the_others_do_not() {
        let mut room = WaitingRoom::new();
        let now = Instant::now();
        let (hot, cool) = ("hot", "cool-1");
        assert_ne!(slice_of(hot), slice_of(cool));
        let mut pauses = Vec::new();
        for _ in 0..9 {
            room.learn(
                now,
                1.0,
                [(hot, Outcome::Again), (cool, Outcome::Stored)].into_iter(),
            );
            room.push(waiting(1, hot, 1));
            pauses.push(room.due(now).map_or(0, |at| (at - now).as_millis()));
            assert_eq!(calls(&mut room, now), Vec::<usize>::new());
            room.push(waiting(2, cool, 1));
            assert_eq!(calls(&mut room, now), [1], "the other slice goes on");
            assert_eq!(calls(&mut room, now + LONGEST_PAUSE), [1]);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[tokio::test]
    async fn a_slice_pauses_by_its_rate_of_refusals_and_recovers() {
        let mut room = WaitingRoom::new();
        let now = Instant::now();
        let refused = |room: &mut WaitingRoom, refused: usize, all: usize, jitter| {
            let outcome = |number| {
                if number < refused {
                    Outcome::Again
                } else {
                    Outcome::Stored
                }
            };
            room.learn(now, jitter, (0..all).map(|number| ("hot", outcome(number))));
            room.push(waiting(1, "hot", 1));
            let due = room.due(now).map_or(0, |at| (at - now).as_millis());
            room.take_call(now + LONGEST_PAUSE);
            due
        };
        let rows = [
            (4, 4, 1.0, 50),
            (4, 4, 1.0, 100),
            (1, 4, 1.0, 125),
            (1, 4, 0.0, 78),
            (0, 4, 1.0, 0),
            (4, 4, 1.0, 156),
        ];
        for (number, (some, all, jitter, expected)) in rows.into_iter().enumerate() {
            assert_eq!(
                refused(&mut room, some, all, jitter),
                expected,
                "step {number}"
            );
        }
    }

    #[tokio::test]
    async fn a_suspect_goes_alone_and_first() {
        let mut room = WaitingRoom::new();
        let now = Instant::now();
        for number in 0..3 {
            room.push(Waiting {
                is_suspect: number > 0,
                ..waiting(number, "s-1", 1)
            });
        }
        assert_eq!(room.due(now), Some(now));
        let call = room.take_call(now);
        assert_eq!(call[0].append, AppendId(1));
        assert_eq!(call.len(), 1);
        assert_eq!(calls(&mut room, now), [1, 1]);
    }
}
