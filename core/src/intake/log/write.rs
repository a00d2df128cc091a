//! A write of what the mirror keeps at the destination, sent until it is answered: a checkpoint, or changes of the record of
//! held streams.
//!
//! Sent again it is the same: the same events at the same revision. Never decides what follows from an answer.

use super::send;
use crate::context::Context;
use crate::pause::back_off;
use crate::port::log::{Checkpoint, HeldChange, LogCommand};
use crate::port::{Expected, Moment, WriteId};

/// What can be written so.
pub(super) trait Kept: Clone {
    /// The command that writes it.
    fn command(self, write: WriteId, expected: Expected) -> LogCommand;
}

impl Kept for Box<Checkpoint> {
    fn command(self, write: WriteId, expected: Expected) -> LogCommand {
        LogCommand::WriteCheckpoint {
            write,
            expected,
            checkpoint: self,
        }
    }
}

impl Kept for Vec<HeldChange> {
    fn command(self, write: WriteId, expected: Expected) -> LogCommand {
        LogCommand::WriteHeld {
            write,
            expected,
            changes: self,
        }
    }
}

/// A write that was sent and is not answered.
#[derive(Clone, Debug)]
pub(super) struct Write<T> {
    pub(super) id: WriteId,
    pub(super) what: T,
    pub(super) first_sent: Moment,
    expected: Expected,
    attempts: u32,
    /// When it is sent again; `None`: its answer is awaited.
    again_at: Option<Moment>,
}

impl<T: Kept> Write<T> {
    /// Sends it for the first time.
    pub(super) fn new(cx: &mut Context, expected: Expected, what: T) -> Self {
        let write = Self {
            id: WriteId(cx.next_id()),
            what,
            first_sent: cx.now,
            expected,
            attempts: 0,
            again_at: None,
        };
        write.send(cx);
        write
    }

    /// Nobody knows whether it was written: it is sent again after a pause.
    pub(super) fn send_later(&mut self, now: Moment) {
        self.attempts += 1;
        self.again_at = Some(now + back_off(self.attempts));
    }

    pub(super) fn send_if_due(&mut self, cx: &mut Context) {
        if self.again_at.is_some_and(|at| at <= cx.now) {
            self.again_at = None;
            self.send(cx);
        }
    }

    pub(super) fn due(&self) -> Option<Moment> {
        self.again_at
    }

    fn send(&self, cx: &mut Context) {
        send(cx, self.what.clone().command(self.id, self.expected));
    }
}
