//! While joined: is there room, does the destination answer, is the buffer size right? And when to come back.
//!
//! Leaves before the server parks healthy events (protocol §8.6). Never leaves for one slow stream.

use std::time::Duration;

use crate::Core;
use crate::intake::persistent::buffer_size::Reading;
use crate::intake::persistent::session::{Phase, Trouble};
use crate::port::{Command, LeaveReason, Moment, Report, SessionId};

impl Core {
    pub(crate) fn pump_session(&mut self) {
        if self.ending.is_some() {
            self.pump_ending();
            return;
        }
        match self.session.phase.clone() {
            Phase::Out { join_at } => self.pump_out(join_at),
            Phase::In {
                session,
                buffer_size,
                paused,
                since,
            } => self.pump_in(session, buffer_size, paused, since),
            Phase::Joining { .. } | Phase::Leaving { .. } | Phase::Finished => {}
        }
    }

    fn pump_out(&mut self, join_at: Option<Moment>) {
        if self.session.ask_at.is_some_and(|at| at <= self.now) && self.session.is_stopped() {
            self.session.asked = self.session.asked.saturating_add(1);
            self.session.ask_later(self.now);
            if self.parked.is_tombstoned() {
                self.read_queue();
            } else {
                self.out.push(Command::AskGroup);
            }
        }
        let due = match join_at {
            Some(at) => at <= self.now,
            None => !self.session.is_stopped() && self.may_come_back(),
        };
        if due && self.unseen.is_active() {
            // First what was missed: the group's checkpoint stays below it.
            self.session.trouble = Trouble::None;
            self.session.phase = Phase::Out { join_at: None };
        } else if due {
            let buffer_size = self
                .buffer_size
                .ask(self.group.as_ref().map(|group| group.message_timeout));
            self.session.phase = Phase::Joining { since: self.now };
            self.out.push(Command::Join { buffer_size });
        }
    }

    /// After leaving because the destination gave no verdict, or for want of memory.
    fn may_come_back(&self) -> bool {
        let answered = self.last_verdict >= self.session.left_at && self.resend.is_open();
        let nothing_asked = !self.waits_for_destination() && self.resend.is_open();
        (answered || nothing_asked) && self.has_room()
    }

    fn pump_in(
        &mut self,
        session: SessionId,
        buffer_size: u32,
        paused: Option<Moment>,
        since: Moment,
    ) {
        let quarter = self.message_timeout() / 4;
        if self.waits_for_destination() {
            self.waiting_since.get_or_insert(self.now);
        } else if self.entries == 0 {
            // What waits for its next try ages at the server all the same.
            self.waiting_since = None;
        }
        let paused = match (paused, self.is_over_budget()) {
            (None, true) => {
                self.out.push(Command::Poll { session, on: false });
                Some(self.now)
            }
            (Some(_), _) if self.has_room() => {
                self.out.push(Command::Poll { session, on: true });
                None
            }
            (paused, _) => paused,
        };
        self.session.phase = Phase::In {
            session,
            buffer_size,
            since,
            paused,
        };
        self.note_session_lasts(since);
        let silent = self
            .waiting_since
            .is_some_and(|since| self.now.saturating_sub(since) >= quarter);
        let stuck = paused.is_some_and(|since| self.now.saturating_sub(since) >= quarter);
        let narrow = self.is_narrow(paused.is_some());
        if silent || stuck {
            self.leave(LeaveReason::Waiting);
        } else if std::mem::take(&mut self.timed_out) {
            self.buffer_size.shrink(self.now, self.message_timeout());
            self.rejoin_with_other_buffer_size();
        } else if narrow {
            self.narrow = None;
            self.buffer_size.shrink(self.now, self.message_timeout());
            if self.buffer_size.ask(Some(self.message_timeout())) < buffer_size {
                self.rejoin_with_other_buffer_size();
            }
        }
    }

    fn rejoin_with_other_buffer_size(&mut self) {
        let buffer_size = self.buffer_size.ask(Some(self.message_timeout()));
        self.report(Report::BufferSize { buffer_size });
        self.leave(LeaveReason::BufferSize);
    }

    fn is_over_budget(&self) -> bool {
        self.entries > 0 && self.bytes >= self.budget.events
    }

    /// A pipeline with nothing buffered may always take one delivery.
    fn has_room(&self) -> bool {
        self.entries == 0 || self.bytes < self.budget.events / 4 * 3
    }

    pub(crate) fn on_tick(&mut self) {
        let Some(buffer_size) = self.session.buffer_size() else {
            return;
        };
        let quick = self.resend.is_open()
            && !self.is_over_budget()
            && self.narrow.is_none()
            && !self.window_is_slow();
        let session = Reading {
            here: self.unacknowledged,
            buffer_size,
            quick,
            round_trip: self.window.round_trip(),
            message_timeout: self.message_timeout(),
        };
        if self.buffer_size.should_grow(self.now, &session) && self.ending.is_none() {
            self.buffer_size.grow(self.now, &session);
            if self.buffer_size.ask(Some(self.message_timeout())) > buffer_size {
                self.rejoin_with_other_buffer_size();
            }
        }
    }

    /// The destination lets appends wait: more deliveries would only wait longer.
    fn window_is_slow(&self) -> bool {
        self.waiting_since
            .is_some_and(|since| self.now.saturating_sub(since) >= Duration::from_secs(1))
    }
}
