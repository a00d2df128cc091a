//! Deliveries that the server took back, or was about to: signs that the buffer size is too large.
//!
//! The server's clock starts when it pushes (protocol §8.6), so a delivery can be late by what it waits for here, and
//! by its way in. Never blames the buffer size for a stream that has a reason of its own, or for a frozen process.

use std::time::Duration;

use crate::Core;
use crate::event::StreamName;
use crate::port::{Moment, Report};
use crate::streams::queue::Claim;
use crate::streams::stream::{State, Stream};

/// A tick comes every second: with nothing for so long the process was frozen, or its machine was suspended.
const FROZEN: Duration = Duration::from_secs(5);

/// A connection that is read for so long without a pause has handed over what waited in it.
const DRAINED_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// The group's message timeout; before the group is known, its default.
    pub(crate) fn message_timeout(&self) -> Duration {
        self.group
            .as_ref()
            .map_or(Duration::from_secs(60), |group| group.message_timeout)
    }

    /// Time has passed; with a jump if the process was frozen.
    pub(crate) fn note_time(&mut self, now: Moment) {
        if now.saturating_sub(self.now) > FROZEN {
            self.thawed = Some(now);
        }
        self.now = self.now.max(now);
    }

    /// An answer to the source that comes after its message timeout comes too late: the server has taken the event back.
    pub(crate) fn note_age(&mut self, name: &StreamName, claim: &Claim) {
        let here =
            claim.ack.map(|(session, _)| session) == self.session.id() && claim.ack.is_some();
        let excused = self
            .streams
            .get(name)
            .is_some_and(|stream| stream.excuses(claim.at));
        if !here || excused {
            return;
        }
        let age = self.now.saturating_sub(claim.at);
        self.buffer_size.waited(self.now, age);
        if age > self.message_timeout() {
            self.blame_buffer_size();
        }
    }

    /// A number that is delivered again over the same stay, while the first copy waits, has timed out at the server.
    pub(crate) fn note_second_delivery(
        &mut self,
        name: &StreamName,
        claim: &Claim,
        older: Option<&Claim>,
    ) {
        let Some(older) = older else { return };
        let same_session =
            older.ack.map(|(session, _)| session) == claim.ack.map(|(session, _)| session);
        if !same_session || claim.ack.is_none() {
            return;
        }
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
        if let Some(number) = claim.number {
            self.report(Report::TimedOut { number });
        }
        let excused = self
            .streams
            .get(name)
            .is_some_and(|stream| stream.excuses(older.at));
        self.note_slow(name);
        if !excused && self.resend.is_open() {
            self.blame_buffer_size();
        }
    }

    /// Answered, and soon: if the server pushes it again over this session, it waited too long before it came here.
    pub(crate) fn note_answered(&mut self, claim: &Claim) {
        if let Some(number) = claim.number
            && self.now.saturating_sub(claim.at) < self.message_timeout() / 2
        {
            self.answered.insert(number);
        }
    }

    /// A number comes again although it was answered: its first copy was late on its way in.
    pub(crate) fn note_answered_before(&mut self, number: u64) {
        if self.answered.has(number) {
            self.answered.remove(number);
            self.report(Report::TimedOut { number });
            self.blame_buffer_size();
        }
    }

    /// Deliveries time out because too many are asked for, unless the process could not take any.
    fn blame_buffer_size(&mut self) {
        let thawing = self
            .thawed
            .is_some_and(|at| self.now.saturating_sub(at) < self.message_timeout());
        self.timed_out |= !thawing;
    }

    /// What waits now is excused if its stream has a reason.
    pub(crate) fn note_slow(&mut self, name: &StreamName) {
        let now = self.now;
        if let Some(stream) = self.streams.get_mut(name)
            && stream.is_slow_for_a_reason()
        {
            stream.slow_at = Some(now);
        }
    }

    /// The budget holds deliveries up, or does not: those that wait in the connection age unseen. True if that lasts so
    /// long, if with short breaks, that the server might take them back.
    pub(crate) fn is_narrow(&mut self, paused: bool) -> bool {
        let now = self.now;
        match (paused, &mut self.narrow) {
            (true, Some((_, last))) => *last = now,
            (true, none) => *none = Some((now, now)),
            // What had to wait has come meanwhile.
            (false, Some((_, last))) if now.saturating_sub(*last) >= DRAINED_AFTER => {
                self.narrow = None;
            }
            (false, _) => {}
        }
        let since = self.narrow.map(|(since, _)| since);
        since.is_some_and(|since| now.saturating_sub(since) >= self.message_timeout() / 4)
    }
}

impl Stream {
    /// A delivery that came at this time may time out: it waited while the stream had a reason to be slow.
    fn excuses(&self, came: Moment) -> bool {
        self.is_slow_for_a_reason() || self.slow_at >= Some(came)
    }

    /// In repair, in a lookup or in back-off: its deliveries may time out without anything being wrong.
    fn is_slow_for_a_reason(&self) -> bool {
        self.repair.is_some()
            || self.retry_at.is_some()
            || matches!(
                self.state,
                State::Unknown | State::LookingUp(_) | State::WritingMetadata
            )
    }
}
