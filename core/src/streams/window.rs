//! How many streams may have an append in flight at once, chosen by how the destination answers.
//!
//! Pure arithmetic over observed answer times. Never decides what is appended.

use std::time::Duration;

use crate::port::Moment;

const START: u32 = 256;
const LEAST: u32 = 16;
const MOST: u32 = 4096;

/// Answers slower than this, or than three round trips, mean that the server has too much to do.
const SLOW: Duration = Duration::from_millis(500);

/// How long the quickest answer counts as the round trip before it is measured anew.
const ROUND_TRIP_MEMORY: Duration = Duration::from_secs(30);

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
        }
    }

    /// The quickest answer of late.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or_default()
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// An append was answered after `took`; `full`: others had to wait for a place.
    pub(super) fn answered(&mut self, now: Moment, took: Duration, full: bool) {
        self.measure(now, took);
        if self.fixed {
            return;
        }
        let slow = SLOW.max(self.round_trip.unwrap_or(SLOW) * 3);
        if took > slow {
            let settled = self.lowered.is_none_or(|at| now.saturating_sub(at) > took);
            if settled {
                self.limit = (self.limit / 4 * 3).max(LEAST);
                self.lowered = Some(now);
            }
        } else if full {
            self.limit = (self.limit + 1).min(MOST);
        }
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
mod tests {
    use super::*;

    fn after(fixed: Option<u32>, answers: &[(u64, bool)]) -> u32 {
        let mut window = AppendWindow::new(fixed);
        let mut now = Moment::ZERO;
        for (took, full) in answers {
            now += Duration::from_secs(2);
            window.answered(now, Duration::from_millis(*took), *full);
        }
        window.limit()
    }

    #[test]
    fn the_limit_grows_only_when_it_was_the_limit_and_falls_when_answers_are_slow() {
        for (answers, limit) in [
            (&[(5, false); 10][..], 256),
            (&[(5, true); 10], 266),
            (&[(200, true); 10], 266),
            (&[(5, true), (800, true)], 192),
            // Lowered once for all answers that were in flight then, and again for later ones.
            (&[(5, true), (9_000, true), (9_000, true)], 192),
            (&[(5, true), (800, true), (800, true)], 144),
            // Slow, but less than three round trips.
            (&[(400, true), (1_000, true)], 258),
        ] {
            assert_eq!(after(None, answers), limit, "{answers:?}");
        }
    }

    #[test]
    fn what_the_operator_gave_stays() {
        assert_eq!(after(Some(8), &[(5, true), (5000, true)]), 8);
    }

    #[test]
    fn the_limit_has_bounds() {
        assert_eq!(after(None, &vec![(5, true); 5000]), MOST);
        let mut slow = vec![(5, false)];
        slow.extend(vec![(9000, false); 40]);
        assert!(after(None, &slow) >= LEAST);
    }
}
