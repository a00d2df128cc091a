//! How many streams may have an append in flight at once: as many as let most events arrive in a second.
//!
//! What is in flight merges no more, so while a lot waits fewer in flight carry more each, until the server has pauses. Where
//! that is shows only in what arrives: the limit is moved, and moved on or back by the rate that follows. While the server
//! answers as quickly as the line allows more in flight are better. Pure arithmetic over answers; never decides what is appended.

use std::time::Duration;

use crate::port::Moment;

const START: u32 = 256;
pub(super) const LEAST: u32 = 16;
const MOST: u32 = 4096;

/// Answers slower than this, or than three round trips, mean that the server has too much to do.
const SLOW: Duration = Duration::from_millis(500);

/// How long the quickest answer counts as the round trip before it is measured anew.
const ROUND_TRIP_MEMORY: Duration = Duration::from_secs(30);

/// A rate is that of this time, and of four answers in turn, at least.
const TRIAL: Duration = Duration::from_secs(1);

/// Rates that differ by less than one part in so many are the same: then fewer are better.
const SAME: u64 = 16;

/// An append that was answered, and how much there was beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered {
    pub(super) took: Duration,
    /// Events that it carried.
    pub(super) events: usize,
    /// Appends in flight, with this one.
    pub(super) flights: usize,
    /// Streams stand in line.
    pub(super) line: bool,
    /// Waiting events can be merged: with fewer in flight each carries more.
    pub(super) merges: bool,
    /// So many wait that larger appends could be made of them.
    pub(super) behind: bool,
}

/// A limit that is tried.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// What was sent under the limit before is answered by then.
    begins: Moment,
    events: usize,
}

/// The limit and what it is derived from.
#[derive(Clone, Debug)]
pub(super) struct AppendWindow {
    limit: u32,
    fixed: bool,
    round_trip: Option<Duration>,
    /// The quickest answer since `measured_since`, to become the round trip.
    quickest: Option<Duration>,
    measured_since: Moment,
    /// Lowered at most once in a while: answers in flight at that time still tell of the old limit.
    lowered: Option<Moment>,
    trial: Option<Trial>,
    /// Events a second in the last trial.
    before: Option<u64>,
    /// The last step was to more in flight.
    upwards: bool,
    /// The limit once nothing waits any more, if trials have lowered it.
    untried: Option<u32>,
}

impl AppendWindow {
    pub(super) fn new(fixed: Option<u32>) -> Self {
        Self {
            limit: fixed.unwrap_or(START).max(1),
            fixed: fixed.is_some(),
            round_trip: None,
            quickest: None,
            measured_since: Moment::ZERO,
            lowered: None,
            trial: None,
            before: None,
            upwards: false,
            untried: None,
        }
    }

    /// The quickest answer of late.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or_default()
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// An append was answered.
    pub(super) fn answered(&mut self, now: Moment, answered: Answered) {
        self.measure(now, answered.took);
        if self.fixed {
            return;
        }
        let slow = SLOW.max(self.round_trip.unwrap_or(SLOW) * 3);
        let full = answered.line && answered.flights >= self.limit as usize;
        if answered.took > slow {
            self.lower(now, answered.took);
        } else if full && (!answered.merges || answered.took <= self.round_trip() * 2) {
            self.limit = (self.limit + 1).min(MOST);
            self.end_trial();
        } else if answered.merges && answered.behind {
            self.attempt(now, answered);
        } else {
            self.limit = self.limit.max(self.untried.take().unwrap_or_default());
            self.end_trial();
        }
    }

    fn lower(&mut self, now: Moment, took: Duration) {
        let settled = self.lowered.is_none_or(|at| now.saturating_sub(at) > took);
        if settled {
            self.limit = (self.limit / 4 * 3).max(LEAST);
            self.lowered = Some(now);
        }
        self.untried = None;
        self.end_trial();
    }

    /// What was observed until now is not compared with what comes.
    fn end_trial(&mut self) {
        self.trial = None;
        self.before = None;
        self.upwards = false;
    }

    /// Counts for the trial, and takes the next step when it is over.
    fn attempt(&mut self, now: Moment, answered: Answered) {
        let begins = now + answered.took;
        let trial = self.trial.get_or_insert(Trial { begins, events: 0 });
        let Some(time) = now.checked_sub(trial.begins) else {
            return;
        };
        trial.events += answered.events;
        if time < TRIAL.max(answered.took * 4) {
            return;
        }
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let rate = (trial.events as u64).saturating_mul(1_000_000) / micros;
        self.upwards = match self.before.replace(rate) {
            None => false,
            Some(before) if self.upwards => rate > before + before / SAME,
            Some(before) => rate < before - before / SAME,
        };
        self.trial = Some(Trial { begins, events: 0 });
        self.untried.get_or_insert(self.limit);
        self.limit = if self.upwards {
            (self.limit / 3 * 4 + 1).min(MOST)
        } else {
            let used = u32::try_from(answered.flights).unwrap_or(MOST);
            (self.limit.min(used) / 4 * 3).max(LEAST)
        };
    }

    fn measure(&mut self, now: Moment, took: Duration) {
        self.quickest = Some(self.quickest.map_or(took, |quickest| quickest.min(took)));
        self.round_trip = match self.round_trip {
            Some(known) if now.saturating_sub(self.measured_since) < ROUND_TRIP_MEMORY => {
                Some(known.min(took))
            }
            _ => {
                self.measured_since = now;
                self.quickest.take()
            }
        };
    }
}

#[cfg(test)]
mod tests;
