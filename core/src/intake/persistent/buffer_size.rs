//! The buffer size asked for when joining: large enough that the server never waits, small enough that nothing times out.
//!
//! Pure arithmetic over what the server does with an event that waits too long (protocol §8.6). Never joins or leaves
//! by itself.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use crate::port::Moment;

const START: u32 = 5_000;
const LEAST_CHOSEN: u32 = 1_000;
const MOST: u32 = 10_000;

/// Growing costs a join: at most this often, and more often while it is less than what is ever chosen by itself.
const GROW_EVERY: Duration = Duration::from_secs(60);
const RECOVER_EVERY: Duration = Duration::from_secs(15);

/// The session was at its limit at every tick for this long.
const FULL_FOR: Duration = Duration::from_secs(3);

/// So many whole seconds are looked at.
const LATELY: u64 = 5;

/// Calls, one after the other, that a join consists of at least: the group is looked at, then entered.
const CALLS_OF_A_JOIN: u32 = 2;

/// The buffer size and what it is derived from.
#[derive(Clone, Debug)]
pub(super) struct BufferSize {
    fixed: Option<u32>,
    selected: u32,
    /// A throttle above zero lets only so many through in a quarter of the message timeout.
    throttle: Duration,
    /// What got done, newest last.
    seconds: VecDeque<Second>,
    /// Deliveries that were here, at each of the last seconds.
    here: VecDeque<(u64, usize)>,
    /// Round trip to the source, at most: what the quickest join allows.
    round_trip: Option<Duration>,
    full_since: Option<Moment>,
    grown: Option<Moment>,
}

/// What got done in one second.
#[derive(Clone, Copy, Debug)]
struct Second {
    second: u64,
    done: u32,
    /// The longest that one of them had waited here.
    slowest: Duration,
}

/// How the session is at a tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Deliveries without an answer.
    pub(super) here: usize,
    /// The session's buffer size.
    pub(super) buffer_size: u32,
    /// The destination keeps up, and nothing else holds deliveries up.
    pub(super) quick: bool,
    /// To the destination and back.
    pub(super) round_trip: Duration,
    /// As the group is set: the server delivers again what is not answered for so long.
    pub(super) message_timeout: Duration,
}

impl BufferSize {
    pub(super) fn new(fixed: Option<u32>, throttle: Duration) -> Self {
        Self {
            fixed,
            selected: fixed.unwrap_or(START),
            throttle,
            seconds: VecDeque::new(),
            here: VecDeque::new(),
            round_trip: None,
            full_since: None,
            grown: None,
        }
    }

    /// Buffer size for the next session. `message_timeout`: the group's, `None` while it is not known.
    pub(super) fn ask(&self, message_timeout: Option<Duration>) -> u32 {
        match message_timeout {
            Some(timeout) => self.selected.min(self.most_under_throttle(timeout)).max(1),
            None if self.throttle.is_zero() => self.selected,
            None => 1,
        }
    }

    /// True if not even one event in a quarter of the timeout can be copied.
    pub(super) fn throttle_cannot_work(&self, message_timeout: Duration) -> bool {
        self.throttle > message_timeout / 4
    }

    /// Something was settled.
    pub(super) fn outcome(&mut self, now: Moment) {
        self.second(now).done += 1;
    }

    /// It had waited here for so long, without a reason of its own.
    pub(super) fn waited(&mut self, now: Moment, age: Duration) {
        let second = self.second(now);
        second.slowest = second.slowest.max(age);
    }

    fn second(&mut self, now: Moment) -> &mut Second {
        let second = now.as_secs();
        let is_new = self.seconds.back().is_none_or(|last| last.second < second);
        if is_new && self.seconds.len() >= 600 {
            self.seconds.pop_front();
        }
        if is_new {
            self.seconds.push_back(Second {
                second,
                done: 0,
                slowest: Duration::ZERO,
            });
        }
        let last = self.seconds.len() - 1;
        &mut self.seconds[last]
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
        let lately = self.seconds.iter().filter(|past| past.second >= oldest);
        let done: u32 = lately.map(|past| past.done).sum();
        self.selected = done.clamp(1, self.selected);
        self.full_since = None;
    }

    /// Looked at every second. True: leave and join again with more.
    pub(super) fn should_grow(&mut self, now: Moment, session: &Reading) -> bool {
        self.note_here(now, session.here);
        let helps =
            session.quick && self.more(now, session) > self.selected && self.is_full(now, session);
        if !helps {
            self.full_since = None;
            return false;
        }
        let since = *self.full_since.get_or_insert(now);
        let every = if self.is_small() {
            RECOVER_EVERY
        } else {
            GROW_EVERY
        };
        let rested = self.grown.is_none_or(|at| now.saturating_sub(at) >= every);
        now.saturating_sub(since) >= FULL_FOR && rested
    }

    /// Asks for more from the next join on.
    pub(super) fn grow(&mut self, now: Moment, session: &Reading) {
        self.selected = self.more(now, session);
        self.grown = Some(now);
        self.full_since = None;
    }

    fn note_here(&mut self, now: Moment, here: usize) {
        let second = now.as_secs();
        if self.here.back().is_none_or(|(last, _)| *last < second) {
            self.here.push_back((second, here));
        }
        while self
            .here
            .front()
            .is_some_and(|(first, _)| first + LATELY <= second)
        {
            self.here.pop_front();
        }
    }

    /// Less than what is ever chosen by itself: deliveries timed out.
    fn is_small(&self) -> bool {
        self.selected < LEAST_CHOSEN.min(self.most())
    }

    fn most(&self) -> u32 {
        self.fixed.unwrap_or(MOST)
    }

    /// The server waits for slots. Counted in thousandths of a delivery, for a small buffer is often empty when it is
    /// looked at: what is here on average, and over a long line the acknowledgements that the source does not have yet and
    /// the deliveries in their place, which nothing here counts.
    fn is_full(&self, now: Moment, session: &Reading) -> bool {
        let samples = self.here.len().max(1) as u128;
        let here: usize = self.here.iter().map(|(_, here)| here).sum();
        let (done, seconds) = self.done_lately(now);
        let round_trip = self.round_trip.unwrap_or_default().as_millis();
        let out = here as u128 * 1000 / samples
            + u128::from(done) * round_trip / u128::from(seconds.max(1));
        let share = if self.is_small() { 500 } else { 900 };
        done > 0 && out >= u128::from(session.buffer_size) * share
    }

    /// What got done in the last whole seconds, and how many these are.
    fn done_lately(&self, now: Moment) -> (u32, u64) {
        let mut lately = self.lately(now).peekable();
        let oldest = lately.peek().map_or(now.as_secs(), |past| past.second);
        let done = lately.map(|past| past.done).sum();
        (done, now.as_secs() - oldest)
    }

    fn lately(&self, now: Moment) -> impl Iterator<Item = &Second> {
        let (from, to) = (now.as_secs().saturating_sub(LATELY), now.as_secs());
        let seconds = self.seconds.iter();
        seconds.filter(move |past| (from..to).contains(&past.second))
    }

    /// What to ask for next: as much more as the destination could have taken. What waited for its turn there waits longer
    /// with each delivery that is asked for; the way there and back does not. Twice as much, if twice that wait is a quarter
    /// of the message timeout at most; after time-outs up to what is least chosen, if the wait then is no half of it.
    fn more(&self, now: Moment, session: &Reading) -> u32 {
        let slowest = self.lately(now).map(|past| past.slowest).max();
        let waited = slowest
            .unwrap_or_default()
            .saturating_sub(session.round_trip);
        let waited = waited.as_millis().max(1);
        let quarter = session.message_timeout.as_millis() / 4;
        if self.is_small() {
            let times = u32::try_from(2 * quarter / waited).unwrap_or(u32::MAX);
            let least = LEAST_CHOSEN.min(self.most());
            return match times {
                0..=1 => self.selected,
                times => self.selected.saturating_mul((times / 2).max(2)).min(least),
            };
        }
        if 2 * waited <= quarter {
            self.selected.saturating_mul(2).min(self.most())
        } else {
            self.selected
        }
    }

    fn most_under_throttle(&self, message_timeout: Duration) -> u32 {
        if self.throttle.is_zero() {
            return u32::MAX;
        }
        let fits = (message_timeout / 4).as_nanos() / self.throttle.as_nanos().max(1);
        u32::try_from(fits).unwrap_or(u32::MAX)
    }
}
