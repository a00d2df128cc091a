//! The buffer size asked for when joining: large enough that the server never waits, small enough that nothing times out.
//!
//! Pure arithmetic (design "Message timeout and credit"). Never joins or leaves by itself.

use std::collections::VecDeque;
use std::time::Duration;

use super::port::Moment;

const START: u32 = 5_000;
const LEAST_CHOSEN: u32 = 1_000;
const MOST: u32 = 10_000;

/// Growing costs a join: at most this often.
const GROW_EVERY: Duration = Duration::from_secs(60);

/// The stay was at its limit at every tick for this long.
const FULL_FOR: Duration = Duration::from_secs(3);

/// Calls, one after the other, that a join consists of at least: the group is looked at, then entered.
const CALLS_OF_A_JOIN: u32 = 2;

/// The credit and what it is derived from.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    fixed: Option<u32>,
    chosen: u32,
    /// A throttle above zero lets only so many through in a quarter of the message timeout.
    throttle: Duration,
    /// Outcomes per second, newest last: what got done in the last quarter of the message timeout.
    outcomes: VecDeque<(u64, u32)>,
    /// Round trip to the source, at most: what the quickest join allows.
    round_trip: Option<Duration>,
    full_since: Option<Moment>,
    grown: Option<Moment>,
}

impl Credit {
    pub(super) fn new(fixed: Option<u32>, throttle: Duration) -> Self {
        Self {
            fixed,
            chosen: fixed.unwrap_or(START),
            throttle,
            outcomes: VecDeque::new(),
            round_trip: None,
            full_since: None,
            grown: None,
        }
    }

    /// Buffer size for the next stay. `message_timeout`: the group's, `None` while it is not known.
    pub(super) fn ask(&self, message_timeout: Option<Duration>) -> u32 {
        match message_timeout {
            Some(timeout) => self.chosen.min(self.most_under_throttle(timeout)).max(1),
            None if self.throttle.is_zero() => self.chosen,
            None => 1,
        }
    }

    /// True if not even one event in a quarter of the timeout can be copied.
    pub(super) fn throttle_cannot_work(&self, message_timeout: Duration) -> bool {
        self.throttle > message_timeout / 4
    }

    /// Something was settled.
    pub(super) fn outcome(&mut self, now: Moment) {
        let second = now.as_secs();
        match self.outcomes.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.outcomes.push_back((second, 1)),
        }
        while self.outcomes.len() > 600 {
            self.outcomes.pop_front();
        }
    }

    /// A join took this long.
    pub(super) fn joined(&mut self, took: Duration) {
        let round_trip = took / CALLS_OF_A_JOIN;
        self.round_trip = Some(
            self.round_trip
                .map_or(round_trip, |known| known.min(round_trip)),
        );
    }

    /// Deliveries timed out: ask for what really got done.
    pub(super) fn shrink(&mut self, now: Moment, message_timeout: Duration) {
        let oldest = now.saturating_sub(message_timeout / 4).as_secs();
        let done: u32 = self
            .outcomes
            .iter()
            .filter(|(second, _)| *second >= oldest)
            .map(|(_, count)| count)
            .sum();
        self.chosen = done.clamp(1, self.chosen);
        self.full_since = None;
    }

    /// Looked at every second: `unacknowledged` of `credit` are here, `quick`: the destination keeps up.
    /// True: leave and join again with more.
    pub(super) fn should_grow(
        &mut self,
        now: Moment,
        unacknowledged: usize,
        credit: u32,
        quick: bool,
        message_timeout: Duration,
    ) -> bool {
        let out = unacknowledged as u64 + self.on_the_way(now);
        let at_limit = quick && out * 10 >= u64::from(credit) * 9;
        let more = self.more();
        if more <= self.chosen || !at_limit || !self.keeps_up_with(more, now, message_timeout) {
            self.full_since = None;
            return false;
        }
        let since = *self.full_since.get_or_insert(now);
        let rested = self
            .grown
            .is_none_or(|at| now.saturating_sub(at) >= GROW_EVERY);
        now.saturating_sub(since) >= FULL_FOR && rested
    }

    /// Acknowledgements that the source does not have yet, and deliveries in their place that are not here yet: over a long
    /// line they are most of the credit, and nothing here counts them.
    fn on_the_way(&self, now: Moment) -> u64 {
        let round_trip = self.round_trip.unwrap_or_default();
        let events = u128::from(self.done_in_the_last_second(now)) * round_trip.as_millis() / 1000;
        u64::try_from(events).unwrap_or(u64::MAX)
    }

    /// So many deliveries would be done long before they time out.
    fn keeps_up_with(&self, credit: u32, now: Moment, message_timeout: Duration) -> bool {
        let a_quarter = (message_timeout / 4).as_millis();
        u128::from(self.done_in_the_last_second(now)) * a_quarter >= u128::from(credit) * 1000
    }

    /// In the last whole second.
    fn done_in_the_last_second(&self, now: Moment) -> u32 {
        let mut newest = self.outcomes.iter().rev().take(2);
        newest
            .find(|(second, _)| second + 1 == now.as_secs())
            .map_or(0, |(_, count)| *count)
    }

    /// What comes after what is asked for now.
    fn more(&self) -> u32 {
        let least = if self.fixed.is_some() {
            1
        } else {
            LEAST_CHOSEN
        };
        let most = self.fixed.unwrap_or(MOST);
        self.chosen.saturating_mul(2).max(least).min(most)
    }

    /// Asks for more from the next join on.
    pub(super) fn grow(&mut self, now: Moment) {
        self.chosen = self.more();
        self.grown = Some(now);
        self.full_since = None;
    }

    fn most_under_throttle(&self, message_timeout: Duration) -> u32 {
        if self.throttle.is_zero() {
            return u32::MAX;
        }
        let fits = (message_timeout / 4).as_nanos() / self.throttle.as_nanos().max(1);
        u32::try_from(fits).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    #[test]
    fn the_first_credit_is_the_operators_or_chosen_and_fits_the_throttle() {
        for (fixed, throttle_ms, expected) in [
            (None, 0, START),
            (Some(50), 0, 50),
            (None, 10, 1500),
            (Some(50), 10, 50),
        ] {
            let credit = Credit::new(fixed, Duration::from_millis(throttle_ms));
            assert_eq!(
                credit.ask(Some(TIMEOUT)),
                expected,
                "{fixed:?} {throttle_ms}"
            );
        }
    }

    #[test]
    fn a_throttle_above_a_quarter_of_the_timeout_cannot_work() {
        for (throttle, cannot) in [(15, false), (16, true), (60, true)] {
            assert_eq!(
                Credit::new(None, Duration::from_secs(throttle)).throttle_cannot_work(TIMEOUT),
                cannot
            );
        }
    }

    #[test]
    fn after_a_timeout_the_credit_is_what_got_done_in_a_quarter_of_it() {
        for (outcomes, expected) in [(0, 1), (7, 7), (100_000, START)] {
            let mut credit = Credit::new(None, Duration::ZERO);
            (0..outcomes).for_each(|_| credit.outcome(Duration::from_secs(100)));
            credit.shrink(Duration::from_secs(110), TIMEOUT);
            assert_eq!(credit.ask(Some(TIMEOUT)), expected);
        }
        let mut old = Credit::new(None, Duration::ZERO);
        old.outcome(Duration::from_secs(10));
        old.outcome(Duration::from_secs(10));
        old.shrink(Duration::from_secs(100), TIMEOUT);
        assert_eq!(
            old.ask(Some(TIMEOUT)),
            1,
            "outcomes before the quarter do not count"
        );
    }

    /// Seconds at which it grew, of 200, while so many of 5,000 are here and so many get done a second.
    fn grew(credit: &mut Credit, here: usize, quick: bool, done: u32) -> Vec<u64> {
        let mut grew = Vec::new();
        for second in 0..200 {
            let now = Duration::from_secs(second);
            if credit.should_grow(now, here, START, quick, TIMEOUT) {
                credit.grow(now);
                grew.push(second);
            }
            (0..done).for_each(|_| credit.outcome(now));
        }
        grew
    }

    #[test]
    fn it_grows_after_being_full_for_a_while_and_not_when_that_would_not_help() {
        for (here, quick, done, expected, why) in [
            (5000, true, 1000, &[4][..], "one doubling reaches the most"),
            (100, true, 1000, &[], "it is not the limit"),
            (5000, false, 1000, &[], "the destination does not keep up"),
            (
                5000,
                true,
                600,
                &[],
                "10,000 would not be done in a quarter of the message timeout",
            ),
        ] {
            let mut credit = Credit::new(None, Duration::ZERO);
            assert_eq!(grew(&mut credit, here, quick, done), expected, "{why}");
            let asked = if expected.is_empty() { START } else { MOST };
            assert_eq!(credit.ask(Some(TIMEOUT)), asked, "{why}");
        }
    }

    #[test]
    fn it_grows_at_most_once_a_minute() {
        let mut credit = Credit::new(None, Duration::ZERO);
        (0..1_000).for_each(|_| credit.outcome(Duration::ZERO));
        credit.shrink(Duration::ZERO, TIMEOUT);
        assert_eq!(grew(&mut credit, 5000, true, 1000), [4, 64, 124, 184]);
    }

    #[test]
    fn what_is_on_a_long_way_counts_as_out() {
        for (join, here, expected) in [(400, 2_800, &[4][..]), (400, 2_000, &[]), (4, 2_800, &[])] {
            let mut credit = Credit::new(None, Duration::ZERO);
            credit.joined(Duration::from_secs(9));
            credit.joined(Duration::from_millis(join));
            assert_eq!(grew(&mut credit, here, true, 9_000), expected, "{join} ms");
        }
    }
}
