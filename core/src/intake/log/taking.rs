//! How a mirror is taken over: the newest checkpoint is read, the source is judged by it, and a checkpoint of this process
//! follows at its exact revision.
//!
//! Never takes over what another process still holds, by this process's own watch.

use std::time::Duration;

use uuid::Uuid;

use super::epochs::{Epochs, Judgement};
use super::holding::{Found, Stage};
use super::recording::Recording;
use super::write::Write;
use super::{Log, Trouble};
use crate::context::Context;
use crate::filter::Rules;
use crate::port::log::{Checkpoint, CheckpointPage, EpochsPage, Proof};
use crate::port::{Expected, LogPosition, Moment, ReadId, Report};
use crate::streams::Streams;

/// A standby looks at the checkpoint again this often.
const STANDBY_LOOKS: Duration = Duration::from_secs(5);

/// A holder whose checkpoint does not change for so long, by the standby's own watch, is gone.
const GIVEN_UP: Duration = Duration::from_secs(45);

impl Log {
    pub(super) fn on_checkpoint_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: CheckpointPage,
    ) {
        match self.holding.stage {
            Stage::Asking { read: asked } if asked == read => {}
            _ => return,
        }
        let (trouble, wait) = match page {
            CheckpointPage::None { expected } => {
                return self.judge_later(cx, expected, None);
            }
            CheckpointPage::Newest {
                revision,
                checkpoint,
                is_gone,
            } => {
                let own = checkpoint.holder.instance == self.settings.holder.instance;
                let free = own || is_gone || checkpoint.released;
                if free || self.is_given_up(cx.now, revision) {
                    return self.judge_later(cx, Expected::Exact(revision), Some(checkpoint));
                }
                self.holding.attempts = 0;
                (Trouble::Standby, STANDBY_LOOKS)
            }
            CheckpointPage::Unreadable(why) => return self.stop_with(cx, streams, why),
            CheckpointPage::Denied => {
                let why = "the destination does not let the user read the mirror's checkpoint";
                return self.stop_with(cx, streams, why.to_owned());
            }
            CheckpointPage::Failed => (Trouble::Destination, self.holding.pause()),
        };
        self.trouble = trouble;
        self.holding.stage = Stage::Out {
            ask_at: cx.now + wait,
        };
    }

    fn judge_later(
        &mut self,
        cx: &mut Context,
        expected: Expected,
        before: Option<Box<Checkpoint>>,
    ) {
        self.holding.attempts = 0;
        self.holding.stage = Stage::Judging {
            read: None,
            at: cx.now,
            found: Found { expected, before },
        };
    }

    /// Whether another's newest checkpoint is that for so long that its holder is gone.
    fn is_given_up(&mut self, now: Moment, revision: u64) -> bool {
        match self.holding.watched {
            Some((seen, since)) if seen == revision => now.saturating_sub(since) >= GIVEN_UP,
            _ => {
                self.holding.watched = Some((revision, now));
                false
            }
        }
    }

    /// The source was judged by the newest checkpoint: it is taken over, or the mirror stops.
    pub(super) fn judged(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        found: Found,
        page: EpochsPage,
    ) {
        if page == EpochsPage::Failed {
            self.trouble = Trouble::Source;
            self.holding.stage = Stage::Judging {
                read: None,
                at: cx.now + self.holding.pause(),
                found,
            };
            return;
        }
        match judge(found.before.as_deref(), &page) {
            Ok(()) => self.take_over(cx, found, epochs_of(page).origin()),
            Err(why) => self.stop_with(cx, streams, why),
        }
    }

    /// It carries mark and rules of the checkpoint before it: its own rules are compared after that.
    fn take_over(&mut self, cx: &mut Context, found: Found, origin: Option<Uuid>) {
        let mut checkpoint = found.before.unwrap_or_else(|| {
            Box::new(Checkpoint {
                mark: None,
                mark_epoch: None,
                highest: None,
                origin,
                taken_over: true,
                released: false,
                rules: self.settings.rules().to_string(),
                holder: self.settings.holder.clone(),
            })
        });
        checkpoint.taken_over = true;
        checkpoint.released = false;
        checkpoint.holder = self.settings.holder.clone();
        let write = Write::new(cx, found.expected, checkpoint);
        self.holding.stage = Stage::Taking(write);
    }

    /// The mirror was taken over: it goes on from the mark, or from the beginning if more is wanted than before.
    pub(super) fn begin(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.holding.done = None;
        if let Some(last) = self.holding.last() {
            let rules: Result<Rules, _> = last.rules.parse();
            if rules.is_ok_and(|rules| self.settings.rules().are_within(&rules)) {
                self.holding.done = last.mark.clone();
            } else if last.mark.is_some() {
                cx.report(Report::BeginsAgain);
            }
        }
        self.begin_at_mark(cx, streams);
        if !matches!(self.trouble, Trouble::Stopped(_)) {
            // What stopped it may be so still: only an open subscription shows that it is not.
            self.trouble = Trouble::None;
        }
        self.again = false;
        self.forget_record(Recording::begin(cx.now));
        self.reading.start(cx.now);
    }
}

pub(super) fn epochs_of(page: EpochsPage) -> Epochs {
    match page {
        EpochsPage::Epochs { epochs, .. } => Epochs::new(epochs),
        EpochsPage::Denied | EpochsPage::Failed => Epochs::default(),
    }
}

/// Whether the source is the one that this checkpoint is about, if there is one. Text for the operator if it is not.
pub(super) fn judge(checkpoint: Option<&Checkpoint>, page: &EpochsPage) -> Result<(), String> {
    // Without the right to read epochs, the record beside the mark is compared when reading starts there.
    let (Some(checkpoint), EpochsPage::Epochs { epochs, end }) = (checkpoint, page) else {
        return Ok(());
    };
    let mark = checkpoint.mark.as_ref().zip(checkpoint.mark_epoch);
    let mark = mark.map(|(mark, epoch)| Proof {
        position: mark.position,
        epoch,
    });
    let proofs = [
        ("the mark", mark),
        ("the highest position copied", checkpoint.highest),
    ];
    let log = Epochs::new(epochs.clone());
    if checkpoint.origin.is_some() && checkpoint.origin != log.origin() {
        return Err(
            "the source is not the one that was copied: its log began as another one".to_owned(),
        );
    }
    for (name, proof) in proofs {
        let Some(proof) = proof else { continue };
        let what = match log.judge(&proof, *end) {
            Judgement::Same => continue,
            Judgement::Unknown => "lies in an epoch that the source has never had",
            Judgement::Cut => "was cut off, and the source's log went on without it",
            Judgement::Short => "lies after the end of the source's log",
        };
        let LogPosition { commit, prepare } = proof.position;
        return Err(format!(
            "the source is not the one that was copied: {name}, {commit}/{prepare}, {what}"
        ));
    }
    Ok(())
}
