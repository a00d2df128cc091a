//! Who holds a mirror: its checkpoint at the destination, the lease that comes with it, and standing by.
//!
//! The newest checkpoint alone decides where to go on. Each one is appended at the exact revision of the one before, so of
//! two that hold a mirror one is refused. Whoever is refused holds it no longer. Nothing is written later than [`LEASE`] after
//! the last accepted checkpoint was first sent: an answer to one that was sent again renews nothing. Never takes a mirror
//! over, and never goes on with it, before the source was judged (protocol §15.1).

use std::time::Duration;

use super::recording::Recording;
use super::write::Write;
use super::{Log, Trouble, send};
use crate::context::Context;
use crate::pause::{back_off, stopped_pause};
use crate::port::log::{Checkpoint, EpochsPage, LogCommand, Mark};
use crate::port::{Expected, LogPosition, Moment, ReadId, Side};
use crate::streams::Streams;

/// A checkpoint follows the one before after this time if events were copied since.
const EVERY: Duration = Duration::from_secs(5);

/// It follows after this time whatever happens.
const AT_LEAST_EVERY: Duration = Duration::from_secs(15);

/// Nothing is written later than this after the last accepted checkpoint was first sent.
pub(super) const LEASE: Duration = Duration::from_secs(20);

/// The newest checkpoint, as it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) expected: Expected,
    pub(super) before: Option<Box<Checkpoint>>,
}

/// How far it was when a checkpoint was begun.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) mark: Option<Mark>,
    pub(super) highest: Option<LogPosition>,
    /// In which log.
    pub(super) log: u64,
}

/// The steps of a checkpoint of the holder's.
#[derive(Clone, Debug)]
pub(super) enum Saving {
    /// None is under way; the next one begins at this time, or sooner once events were copied.
    At(Moment),
    /// What it will say is known; the leader is asked in which epochs its positions lie.
    Proving {
        read: ReadId,
        sample: Sample,
    },
    Writing(Write<Box<Checkpoint>>),
}

/// Where this process stands towards the mirror.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// It is not known who holds it; asked at this time.
    Out { ask_at: Moment },
    /// The newest checkpoint is being read.
    Asking { read: ReadId },
    /// The source is judged by what the newest checkpoint says; asked again at this time if nothing is under way.
    Judging {
        read: Option<ReadId>,
        at: Moment,
        found: Found,
    },
    /// The checkpoint that takes it over is under way.
    Taking(Write<Box<Checkpoint>>),
    /// This process holds it.
    Held { revision: u64, saving: Saving },
}

/// The mirror's checkpoint, as this process sees it.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    pub(super) stage: Stage,
    /// The last one that was accepted.
    pub(super) last: Option<Box<Checkpoint>>,
    /// Everything up to here is done under the present rules, as an accepted checkpoint says; `None`: nothing is.
    pub(super) done: Option<Mark>,
    /// Until when events may be written.
    pub(super) lease_until: Moment,
    /// The lease is over, and this process holds the mirror as far as it knows: nothing is written.
    overdue: bool,
    /// The side that kept the next checkpoint waiting last.
    pub(super) late_for: Side,
    /// Events were copied since the last checkpoint was sampled.
    pub(super) copied: bool,
    /// Somebody else's newest checkpoint, and since when it is that.
    pub(super) watched: Option<(u64, Moment)>,
    pub(super) attempts: u32,
}

impl Holding {
    pub(super) fn new() -> Self {
        Self {
            stage: Stage::Out {
                ask_at: Moment::ZERO,
            },
            last: None,
            done: None,
            lease_until: Moment::ZERO,
            overdue: false,
            late_for: Side::Destination,
            copied: false,
            watched: None,
            attempts: 0,
        }
    }

    /// This process holds the mirror, as far as it knows.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.stage, Stage::Held { .. })
    }

    /// A checkpoint is under way.
    pub(super) fn is_saving(&self) -> bool {
        matches!(
            self.stage,
            Stage::Held {
                saving: Saving::Proving { .. } | Saving::Writing(_),
                ..
            }
        )
    }

    /// The side for which nothing is written, because no checkpoint was accepted in time.
    pub(super) fn overdue(&self) -> Option<Side> {
        self.overdue.then_some(self.late_for)
    }

    /// Time since the last accepted checkpoint was first sent, while this process holds the mirror.
    pub(super) fn checkpoint_age(&self, now: Moment) -> Option<Duration> {
        let sent = self.lease_until.saturating_sub(LEASE);
        self.is_held().then(|| now.saturating_sub(sent))
    }

    /// What the last checkpoint says.
    pub(super) fn last(&self) -> Option<&Checkpoint> {
        self.last.as_deref()
    }

    /// An event was copied: the next checkpoint does not wait for its longest time.
    pub(super) fn note_copied(&mut self) {
        if !self.copied {
            self.copied = true;
            self.save_sooner(|at| at.saturating_sub(AT_LEAST_EVERY - EVERY));
        }
    }

    /// The next checkpoint begins now.
    pub(super) fn save_now(&mut self, now: Moment) {
        self.save_sooner(|_| now);
    }

    fn save_sooner(&mut self, sooner: impl Fn(Moment) -> Moment) {
        if let Stage::Held {
            saving: Saving::At(at),
            ..
        } = &mut self.stage
        {
            *at = sooner(*at);
        }
    }

    pub(super) fn due(&self) -> Option<Moment> {
        let stage = match &self.stage {
            Stage::Out { ask_at } => Some(*ask_at),
            Stage::Judging { read: None, at, .. } => Some(*at),
            Stage::Taking(write) => write.due(),
            Stage::Held { saving, .. } => match saving {
                Saving::At(at) => Some(*at),
                Saving::Proving { .. } => None,
                Saving::Writing(write) => write.due(),
            },
            Stage::Asking { .. } | Stage::Judging { .. } => None,
        };
        let lease = self.is_held().then_some(self.lease_until);
        stage.into_iter().chain(lease).min()
    }
}

impl Log {
    pub(super) fn pump_holding(&mut self, cx: &mut Context) {
        match &mut self.holding.stage {
            Stage::Out { ask_at } if *ask_at <= cx.now && self.ending.is_none() => {
                let read = ReadId(cx.next_id());
                self.holding.stage = Stage::Asking { read };
                send(cx, LogCommand::ReadCheckpoint { read });
            }
            Stage::Judging { read, at, .. } if read.is_none() && *at <= cx.now => {
                let id = ReadId(cx.next_id());
                *read = Some(id);
                send(cx, LogCommand::ReadEpochs { read: id });
            }
            Stage::Taking(write)
            | Stage::Held {
                saving: Saving::Writing(write),
                ..
            } => write.send_if_due(cx),
            Stage::Held {
                saving: Saving::At(at),
                ..
            } if *at <= cx.now => self.save(cx),
            _ => {}
        }
    }

    /// The lease decides whether anything may be written.
    pub(super) fn pump_lease(&mut self, cx: &mut Context) {
        let may = self.holding.is_held() && cx.now < self.holding.lease_until;
        if cx.may_write && !may {
            send(cx, LogCommand::Abort);
        }
        cx.may_write = may;
        self.holding.overdue = self.holding.is_held() && !may;
    }

    pub(super) fn on_epochs_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: EpochsPage,
    ) {
        if self.on_epochs_for_states(cx, read, &page) {
            return;
        }
        match self.holding.stage.clone() {
            Stage::Judging {
                read: Some(asked),
                found,
                ..
            } if asked == read => self.judged(cx, streams, found, page),
            Stage::Held {
                saving:
                    Saving::Proving {
                        read: asked,
                        sample,
                    },
                revision,
            } if asked == read => self.proven(cx, streams, revision, sample, page),
            _ => self.on_epochs_of_start(cx, streams, read, page),
        }
    }

    /// Another process holds the mirror.
    pub(super) fn lost(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.hold_no_longer(cx, streams, Trouble::Standby, cx.now);
    }

    /// Stops with a reason that an operator has to mend, and asks again later.
    pub(super) fn stop_with(&mut self, cx: &mut Context, streams: &mut Streams, why: String) {
        let ask_at = cx.now + stopped_pause(self.stops);
        self.stops += 1;
        self.hold_no_longer(cx, streams, Trouble::Stopped(why), ask_at);
    }

    /// Nothing more is sent, what waits is dropped, and the newest checkpoint is asked for at this time.
    fn hold_no_longer(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        trouble: Trouble,
        ask_at: Moment,
    ) {
        self.trouble = trouble;
        self.holding.stage = Stage::Out { ask_at };
        self.pump_lease(cx);
        self.leave(cx, None);
        self.drop_waiting(cx, streams);
        self.give_up_searches(cx, streams);
        self.forget_record(Recording::closed());
    }
}

impl Holding {
    pub(super) fn pause(&mut self) -> Duration {
        self.attempts += 1;
        back_off(self.attempts)
    }

    pub(super) fn again_later(&mut self, now: Moment, revision: u64) {
        let at = now + self.pause();
        self.stage = Stage::Held {
            revision,
            saving: Saving::At(at),
        };
    }

    /// The time of the checkpoint after one that was first sent then.
    pub(super) fn after(&self, first_sent: Moment) -> Saving {
        let every = if self.copied { EVERY } else { AT_LEAST_EVERY };
        Saving::At(first_sent + every)
    }

    pub(super) fn send_later(&mut self, now: Moment) {
        if let Stage::Taking(write)
        | Stage::Held {
            saving: Saving::Writing(write),
            ..
        } = &mut self.stage
        {
            write.send_later(now);
        }
    }
}
