//! Checkpoints of the holder: what they say is sampled, then proven by the leader's epochs, then written at the exact
//! revision of the one before.
//!
//! A checkpoint that is not answered is sent again as it was. Never says that it holds after a refusal.

use std::time::Duration;

use super::holding::{LEASE, Sample, Saving, Stage};
use super::taking::{epochs_of, judge};
use super::write::Write;
use super::{Log, refused, send};
use crate::context::Context;
use crate::port::log::{Checkpoint, EpochsPage, LogCommand, Mark, Record};
use crate::port::{AppendOutcome, Expected, ReadId, Side, WriteId};
use crate::streams::Streams;

impl Log {
    /// Says how far it is: sampled first, then proven by the leader, then written.
    pub(super) fn save(&mut self, cx: &mut Context) {
        self.note_witness();
        self.states.note_sampled();
        let read = ReadId(cx.next_id());
        let before = self.holding.last().and_then(|last| last.highest);
        let highest = self
            .positions
            .highest()
            .max(before.map(|proof| proof.position));
        if let Stage::Held { saving, .. } = &mut self.holding.stage {
            *saving = Saving::Proving {
                read,
                sample: Sample {
                    mark: self.positions.mark().cloned(),
                    highest,
                    log: self.log,
                },
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
        sample: Sample,
        page: EpochsPage,
    ) {
        if page == EpochsPage::Failed {
            self.holding.late_for = Side::Source;
            return self.holding.again_later(cx.now, revision);
        }
        if let Err(why) = judge(self.holding.last(), &page) {
            return self.stop_with(cx, streams, why);
        }
        let Sample { mark, highest, log } = sample;
        let epochs = epochs_of(page);
        // A leader began, and may have cut off what was read.
        let cut = epochs.origin().is_some() && !self.is_proven(&epochs);
        // Without epochs, the record beside the mark is all that the source can be recognised by.
        let unknown = epochs.origin().is_none() && record_of(mark.as_ref()).is_none();
        let last = self.holding.last().and_then(|last| last.mark.as_ref());
        // It was sampled in a log that may have been another one.
        let outdated = log != self.log;
        if cut || outdated || (unknown && record_of(last).is_some()) {
            return self.say_again(cx, revision, cut);
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
            released: self.ending.is_some(),
            rules: self.settings.rules().to_string(),
            holder: self.settings.holder.clone(),
        });
        self.holding.copied = false;
        self.write(cx, revision, checkpoint);
    }

    /// The last checkpoint is said once more, which keeps the lease.
    fn say_again(&mut self, cx: &mut Context, revision: u64, reopen: bool) {
        if let Some(mut checkpoint) = self.holding.last.clone() {
            checkpoint.taken_over = false;
            checkpoint.released = self.ending.is_some();
            self.write(cx, revision, checkpoint);
        }
        if reopen {
            self.reopen(cx, Duration::ZERO);
        }
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
        let (taking, write) = match self.holding.stage.clone() {
            Stage::Taking(write) if write.id == id => (true, write),
            Stage::Held {
                saving: Saving::Writing(write),
                ..
            } if write.id == id => (false, write),
            _ => return,
        };
        match outcome {
            AppendOutcome::Written(revision) | AppendOutcome::Present(revision) => {
                self.accepted(cx, revision, write);
                if taking {
                    self.begin(cx, streams);
                }
            }
            AppendOutcome::WrongRevision => self.lost(cx, streams),
            AppendOutcome::NotReady | AppendOutcome::NoAnswer => {
                self.holding.late_for = Side::Destination;
                self.holding.send_later(cx.now);
            }
            refusal => {
                let why = refused(&refusal, "the mirror's checkpoint");
                self.stop_with(cx, streams, why);
            }
        }
    }

    fn accepted(&mut self, cx: &mut Context, revision: u64, write: Write<Box<Checkpoint>>) {
        self.holding.lease_until = write.first_sent + LEASE;
        self.states.note_saved();
        let rules = self.settings.rules().to_string();
        if !write.what.taken_over && write.what.rules == rules {
            self.holding.done = write.what.mark.clone();
        }
        self.holding.last = Some(write.what);
        self.holding.attempts = 0;
        self.holding.watched = None;
        self.holding.stage = Stage::Held {
            revision,
            saving: self.holding.after(write.first_sent),
        };
        self.pump_lease(cx);
    }
}

fn record_of(mark: Option<&Mark>) -> Option<&Record> {
    mark?.record.as_ref()
}
