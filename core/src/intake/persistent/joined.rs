//! While joined: is there room, does the destination answer, is the buffer size right? And when to come back.
//!
//! Leaves before the server parks healthy events (protocol §8.6). Never leaves for one slow stream.

use std::time::Duration;

use crate::context::Context;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::buffer_size::Reading;
use crate::intake::persistent::session::{Phase, Trouble};
use crate::port::{Command, LeaveReason, Moment, Report, SessionId};
use crate::streams::Streams;

impl Persistent {
    pub(super) fn pump_session(&mut self, cx: &mut Context, streams: &mut Streams) {
        if self.ending.is_some() {
            self.pump_ending(cx, streams);
            return;
        }
        match self.session.phase.clone() {
            Phase::Out { join_at } => self.pump_out(cx, streams, join_at),
            Phase::In {
                session,
                buffer_size,
                paused,
                since,
            } => self.pump_in(cx, streams, session, buffer_size, paused, since),
            Phase::Joining { .. } | Phase::Leaving { .. } | Phase::Finished => {}
        }
    }

    fn pump_out(&mut self, cx: &mut Context, streams: &mut Streams, join_at: Option<Moment>) {
        if self.session.ask_at.is_some_and(|at| at <= cx.now) && self.session.is_stopped() {
            self.session.asked = self.session.asked.saturating_add(1);
            self.session.ask_later(cx.now);
            if self.parked.is_tombstoned() {
                self.read_queue(cx);
            } else {
                cx.out.push(Command::AskGroup);
            }
        }
        let due = match join_at {
            Some(at) => at <= cx.now,
            None => !self.session.is_stopped() && self.may_come_back(cx, streams),
        };
        if due && self.unseen.is_active() {
            // First what was missed: the group's checkpoint stays below it.
            self.session.trouble = Trouble::None;
            self.session.phase = Phase::Out { join_at: None };
        } else if due {
            let buffer_size = self
                .buffer_size
                .ask(self.group.as_ref().map(|group| group.message_timeout));
            self.session.phase = Phase::Joining { since: cx.now };
            cx.out.push(Command::Join { buffer_size });
        }
    }

    /// After leaving because the destination gave no verdict, or for want of memory.
    fn may_come_back(&self, cx: &Context, streams: &Streams) -> bool {
        let answered = streams.last_verdict() >= self.session.left_at && streams.is_open();
        let nothing_asked = !streams.waits_for_destination(cx) && streams.is_open();
        (answered || nothing_asked) && cx.memory.has_room()
    }

    fn pump_in(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        session: SessionId,
        buffer_size: u32,
        paused: Option<Moment>,
        since: Moment,
    ) {
        let quarter = self.message_timeout() / 4;
        streams.note_waiting(cx);
        let paused = match (paused, cx.memory.is_full()) {
            (None, true) => {
                cx.out.push(Command::Poll { session, on: false });
                Some(cx.now)
            }
            (Some(_), _) if cx.memory.has_room() => {
                cx.out.push(Command::Poll { session, on: true });
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
        self.note_session_lasts(cx, since);
        let silent = streams
            .waiting_since()
            .is_some_and(|since| cx.now.saturating_sub(since) >= quarter);
        let stuck = paused.is_some_and(|since| cx.now.saturating_sub(since) >= quarter);
        let narrow = self.is_narrow(cx, paused.is_some());
        if silent || stuck {
            self.leave(cx, LeaveReason::Waiting);
        } else if std::mem::take(&mut self.timed_out) {
            self.buffer_size.shrink(cx.now, self.message_timeout());
            self.rejoin_with_other_buffer_size(cx);
        } else if narrow {
            self.narrow = None;
            self.buffer_size.shrink(cx.now, self.message_timeout());
            if self.buffer_size.ask(Some(self.message_timeout())) < buffer_size {
                self.rejoin_with_other_buffer_size(cx);
            }
        }
    }

    fn rejoin_with_other_buffer_size(&mut self, cx: &mut Context) {
        let buffer_size = self.buffer_size.ask(Some(self.message_timeout()));
        cx.report(Report::BufferSize { buffer_size });
        self.leave(cx, LeaveReason::BufferSize);
    }

    pub(super) fn on_tick(&mut self, cx: &mut Context, streams: &mut Streams) {
        let Some(buffer_size) = self.session.buffer_size() else {
            return;
        };
        let quick = streams.is_open()
            && !cx.memory.is_full()
            && self.narrow.is_none()
            && !self.window_is_slow(cx, streams);
        let session = Reading {
            here: self.unacknowledged,
            buffer_size,
            quick,
            round_trip: streams.round_trip(),
            message_timeout: self.message_timeout(),
        };
        if self.buffer_size.should_grow(cx.now, &session) && self.ending.is_none() {
            self.buffer_size.grow(cx.now, &session);
            if self.buffer_size.ask(Some(self.message_timeout())) > buffer_size {
                self.rejoin_with_other_buffer_size(cx);
            }
        }
    }

    /// The destination lets appends wait: more deliveries would only wait longer.
    fn window_is_slow(&self, cx: &Context, streams: &Streams) -> bool {
        streams
            .waiting_since()
            .is_some_and(|since| cx.now.saturating_sub(since) >= Duration::from_secs(1))
    }
}
