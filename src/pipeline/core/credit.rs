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
const FULL_FOR: Duration = Duration::from_secs(10);

/// The credit and what it is derived from.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    fixed: Option<u32>,
    chosen: u32,
    /// A throttle above zero lets only so many through in a quarter of the message timeout.
    throttle: Duration,
    /// Outcomes per second, newest last: what got done in the last quarter of the message timeout.
    outcomes: VecDeque<(u64, u32)>,
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

    /// Looked at every second: `unacknowledged` of `credit` are out, `quick`: the destination keeps up.
    /// True: leave and join again with more.
    pub(super) fn should_grow(
        &mut self,
        now: Moment,
        unacknowledged: usize,
        credit: u32,
        quick: bool,
    ) -> bool {
        let at_limit = quick && unacknowledged as u64 * 10 >= u64::from(credit) * 9;
        if self.fixed.is_some() && self.chosen >= self.fixed.unwrap_or(MOST)
            || self.chosen >= MOST
            || !at_limit
        {
            self.full_since = None;
            return false;
        }
        let since = *self.full_since.get_or_insert(now);
        let rested = self
            .grown
            .is_none_or(|at| now.saturating_sub(at) >= GROW_EVERY);
        now.saturating_sub(since) >= FULL_FOR && rested
    }

    /// Asks for more from the next join on.
    pub(super) fn grow(&mut self, now: Moment) {
        let most = self.fixed.unwrap_or(MOST);
        let least = if self.fixed.is_some() {
            1
        } else {
            LEAST_CHOSEN
        };
        self.chosen = self.chosen.saturating_mul(2).max(least).min(most);
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

    #[test]
    fn it_grows_after_being_full_for_a_while_and_once_a_minute() {
        let mut credit = Credit::new(None, Duration::ZERO);
        let grew: Vec<u64> = (0..200)
            .filter(|second| {
                let now = Duration::from_secs(*second);
                let grows = credit.should_grow(now, 5000, 5000, true);
                if grows {
                    credit.grow(now);
                }
                grows
            })
            .collect();
        assert_eq!(grew, [10], "one doubling reaches the most");
        assert_eq!(credit.ask(Some(TIMEOUT)), MOST);
        for (out, quick) in [(100, true), (5000, false)] {
            let mut credit = Credit::new(None, Duration::ZERO);
            assert!(!(0..100).any(|second| credit.should_grow(
                Duration::from_secs(second),
                out,
                5000,
                quick
            )));
        }
    }
}
