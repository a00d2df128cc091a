//! How the record of held streams is read and written: read when the mirror is taken over, before the log is, and changed
//! before the mark passes what was held.
//!
//! Each change is written at the exact revision of the one before, as checkpoints are; one that is not answered is sent again
//! as it was. Never writes without a lease.

use super::looks::{AGAIN, EVERY};
use super::record::HeldRecord;
use super::write::Write;
use super::{Log, Trouble, refused, send};
use crate::context::Context;
use crate::pause::back_off;
use crate::port::log::{HELD_BYTES, HELD_STREAMS, HeldChange, HeldPage, HeldStream, LogCommand};
use crate::port::{AppendOutcome, Expected, LogPosition, Moment, ReadId, Report, WriteId};
use crate::seam::Extent;
use crate::streams::Streams;

/// What the record is called in words for the operator.
const NAME: &str = "the mirror's record of held streams";

/// Where this process stands towards the record.
#[derive(Clone, Debug)]
enum Step {
    /// The mirror is not held.
    Closed,
    /// It is read at this time.
    ReadAt(Moment),
    Reading(ReadId),
    Known(Expected),
    Writing(Write<Vec<HeldChange>>),
}

/// Reading and writing the record.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    step: Step,
    attempts: u32,
}

impl Recording {
    /// The mirror is not held.
    pub(super) fn closed() -> Self {
        Self {
            step: Step::Closed,
            attempts: 0,
        }
    }

    /// The mirror was taken over.
    pub(super) fn begin(now: Moment) -> Self {
        Self {
            step: Step::ReadAt(now),
            attempts: 0,
        }
    }

    /// What is on record was read.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.step, Step::Known(_) | Step::Writing(_))
    }

    pub(super) fn due(&self) -> Option<Moment> {
        match &self.step {
            Step::ReadAt(at) => Some(*at),
            Step::Writing(write) => write.due(),
            Step::Closed | Step::Reading(_) | Step::Known(_) => None,
        }
    }
}

impl Log {
    /// Nothing of the record is known any more; it is read if the mirror is held.
    pub(super) fn forget_record(&mut self, recording: Recording) {
        self.recording = recording;
        self.record = HeldRecord::default();
    }

    /// What is on record is known, and nobody before this process changes it any more: the log may be read.
    pub(super) fn is_record_known(&self) -> bool {
        self.recording.is_read() && self.record.is_safe()
    }

    pub(super) fn pump_record(&mut self, cx: &mut Context, streams: &mut Streams) {
        match &mut self.recording.step {
            Step::ReadAt(at) if *at <= cx.now => {
                let read = ReadId(cx.next_id());
                self.recording.step = Step::Reading(read);
                send(cx, LogCommand::ReadHeld { read });
            }
            Step::Known(expected) if cx.may_write && self.ending.is_none() => {
                let expected = *expected;
                self.change_record(cx, streams, expected);
            }
            Step::Writing(write) if cx.may_write => write.send_if_due(cx),
            _ => {}
        }
    }

    fn change_record(&mut self, cx: &mut Context, streams: &mut Streams, expected: Expected) {
        if self.record.is_over() {
            let why = format!(
                "more streams are held than {NAME} takes: {HELD_STREAMS}, with {HELD_BYTES} bytes of names and reasons"
            );
            return self.stop_with(cx, streams, why);
        }
        let changes = self.record.changes();
        if changes.is_empty() {
            return;
        }
        self.recording.step = Step::Writing(Write::new(cx, expected, changes));
    }

    pub(super) fn on_held_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        asked: ReadId,
        page: HeldPage,
    ) {
        if !matches!(self.recording.step, Step::Reading(read) if read == asked) {
            return;
        }
        match page {
            HeldPage::Held {
                streams: on_record,
                expected,
            } => {
                for held in self.record.adopt(on_record) {
                    if self.settings.filter.wants(&held.stream) {
                        streams.hold_as_before(cx, &held);
                        self.record.looks.at(&held.stream, cx.now);
                    }
                }
                self.recording.attempts = 0;
                self.recording.step = Step::Known(expected);
                if self.trouble == Trouble::Destination {
                    self.trouble = Trouble::None;
                }
            }
            HeldPage::Unreadable(why) => self.stop_with(cx, streams, why),
            HeldPage::Denied => {
                let why = format!("the destination does not let the user read {NAME}");
                self.stop_with(cx, streams, why);
            }
            HeldPage::Failed => {
                self.recording.attempts += 1;
                if self.trouble == Trouble::None {
                    self.trouble = Trouble::Destination;
                }
                self.recording.step = Step::ReadAt(cx.now + back_off(self.recording.attempts));
            }
        }
    }

    pub(super) fn on_held_written(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        id: WriteId,
        outcome: AppendOutcome,
    ) {
        let write = match &mut self.recording.step {
            Step::Writing(write) if write.id == id => write,
            _ => return,
        };
        match outcome {
            AppendOutcome::Written(last) | AppendOutcome::Present(last) => {
                let changes = std::mem::take(&mut write.what);
                self.recording.step = Step::Known(Expected::Exact(last));
                for position in self.record.accepted(changes) {
                    self.done(cx, position);
                }
            }
            // An earlier holder's last word came late. If another process holds the mirror by now, the next checkpoint tells.
            AppendOutcome::WrongRevision => {
                self.record.refused();
                self.recording.step = Step::ReadAt(cx.now);
            }
            AppendOutcome::NotReady | AppendOutcome::NoAnswer => {
                write.send_later(cx.now);
            }
            refusal => self.stop_with(cx, streams, refused(&refusal, NAME)),
        }
    }

    /// An event was not written. That its stream is held, or lacks it, has to be on record before the mark passes it; alone it
    /// is passed over: a placeholder stands in its place.
    pub(super) fn set_aside(
        &mut self,
        cx: &mut Context,
        position: LogPosition,
        held: HeldStream,
        extent: Extent,
    ) {
        if extent == Extent::Event {
            cx.report(Report::Passed {
                stream: held.stream,
                revision: held.revision,
                reason: held.kind,
            });
            self.done(cx, position);
            return;
        }
        let look_at = match extent {
            Extent::Rest => cx.now + AGAIN,
            _ => cx.now + EVERY,
        };
        if self.record.pass(held, position, look_at) {
            self.done(cx, position);
        }
    }
}
