//! Checkpoints of the holder: what they say is sampled, then proven by the leader's epochs, then written at the exact
//! revision of the one before.
//!
//! A checkpoint that is not answered is sent again as it was. Never says that it holds after a refusal.

use super::Log;
use super::holding::{AT_LEAST_EVERY, LEASE, Saving, Stage, Write};
use super::send;
use super::taking::{epochs_of, judge};
use crate::context::Context;
use crate::port::log::{Checkpoint, EpochsPage, LogCommand, Mark};
use crate::port::{AppendOutcome, Expected, LogPosition, ReadId, WriteId};
use crate::streams::Streams;

impl Log {
    /// Says how far it is: sampled first, then proven by the leader, then written.
    pub(super) fn save(&mut self, cx: &mut Context) {
        let read = ReadId(cx.next_id());
        let before = self.holding.last().and_then(|last| last.highest);
        let highest = self
            .positions
            .highest()
            .max(before.map(|proof| proof.position));
        if let Stage::Held { saving, .. } = &mut self.holding.stage {
            *saving = Saving::Proving {
                read,
                mark: self.positions.mark().cloned(),
                highest,
            };
            send(cx, LogCommand::ReadEpochs { read });
        }
    }

    /// The epochs of a checkpoint's positions are known: it is written, unless the source is another one by now.
    pub(super) fn proven(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        revision: u64,
        (mark, highest): (Option<Mark>, Option<LogPosition>),
        page: EpochsPage,
    ) {
        let verdict = match (&page, self.holding.last()) {
            (EpochsPage::Failed, _) => {
                self.holding.again_later(cx.now, revision);
                return;
            }
            (_, Some(last)) => judge(last, &page),
            (_, None) => Ok(()),
        };
        if let Err(why) = verdict {
            return self.stop_with(cx, streams, why);
        }
        let epochs = epochs_of(page);
        if epochs.origin().is_some() && !self.is_proven(&epochs) {
            // A leader began, and may have cut off what was read: the last checkpoint is said once more.
            self.read_from_checkpoint(cx);
            if let Some(mut checkpoint) = self.holding.last.clone() {
                checkpoint.taken_over = false;
                self.write(cx, revision, checkpoint);
                return;
            }
        }
        let mark_epoch = mark
            .as_ref()
            .and_then(|mark| Some(epochs.prove(mark.position)?.epoch));
        let checkpoint = Box::new(Checkpoint {
            mark,
            mark_epoch,
            highest: highest.and_then(|highest| epochs.prove(highest)),
            origin: epochs.origin(),
            taken_over: false,
            rules: self.settings.filter.to_string(),
            holder: self.settings.holder.clone(),
            accepted: false,
        });
        self.holding.copied = false;
        self.write(cx, revision, checkpoint);
    }

    fn write(&mut self, cx: &mut Context, revision: u64, checkpoint: Box<Checkpoint>) {
        let write = Write::new(cx, Expected::Exact(revision), checkpoint);
        self.holding.stage = Stage::Held {
            revision,
            saving: Saving::Writing(write),
        };
    }

    pub(super) fn on_checkpoint_written(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        id: WriteId,
        outcome: AppendOutcome,
    ) {
        let (found, write) = match self.holding.stage.clone() {
            Stage::Taking { found, write } if write.id == id => (Some(found), write),
            Stage::Held {
                saving: Saving::Writing(write),
                ..
            } if write.id == id => (None, write),
            _ => return,
        };
        match outcome {
            AppendOutcome::Written(revision) | AppendOutcome::Present(revision) => {
                self.accepted(cx, revision, write);
                if let Some(found) = found {
                    self.begin(cx, found.before);
                }
            }
            AppendOutcome::WrongRevision => self.lost(cx, streams),
            AppendOutcome::NotReady | AppendOutcome::NoAnswer => self.holding.send_later(cx.now),
            AppendOutcome::Denied => {
                let why = "the destination does not let the user write the mirror's checkpoint";
                self.stop_with(cx, streams, why.to_owned());
            }
            AppendOutcome::Deleted => {
                let why = "the stream of the mirror's checkpoint was deleted for good";
                self.stop_with(cx, streams, why.to_owned());
            }
            AppendOutcome::TooLarge { .. } => {
                let why = "the destination refuses the mirror's checkpoint: too large";
                self.stop_with(cx, streams, why.to_owned());
            }
            AppendOutcome::Refused(words) => {
                let why = format!("the destination refuses the mirror's checkpoint: {words}");
                self.stop_with(cx, streams, why);
            }
        }
    }

    fn accepted(&mut self, cx: &mut Context, revision: u64, write: Write) {
        self.holding.lease_until = write.first_sent + LEASE;
        self.holding.saved_at = write.first_sent;
        self.holding.last = Some(write.checkpoint);
        self.holding.attempts = 0;
        self.holding.watched = None;
        self.holding.stage = Stage::Held {
            revision,
            saving: Saving::At(write.first_sent + AT_LEAST_EVERY),
        };
        self.pump_lease(cx);
    }
}

impl Write {
    pub(super) fn new(cx: &mut Context, expected: Expected, checkpoint: Box<Checkpoint>) -> Self {
        let write = Self {
            id: WriteId(cx.next_id()),
            expected,
            checkpoint,
            first_sent: cx.now,
            attempts: 0,
            again_at: None,
        };
        write.send(cx);
        write
    }

    /// Sends it again, as it was: the same event at the same revision.
    pub(super) fn send_if_due(&mut self, cx: &mut Context) {
        if self.again_at.is_some_and(|at| at <= cx.now) {
            self.again_at = None;
            self.send(cx);
        }
    }

    fn send(&self, cx: &mut Context) {
        send(
            cx,
            LogCommand::WriteCheckpoint {
                write: self.id,
                expected: self.expected,
                checkpoint: self.checkpoint.clone(),
            },
        );
    }
}
