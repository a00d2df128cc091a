//! Is the destination's server there?
//!
//! Never knows which append waits for it, or whose doing an end was.

use std::collections::BTreeSet;

use crate::pause::back_off;
use crate::port::{AppendId, Moment};

/// What was heard of the server, and when it is tried again.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    /// It was seen not to answer, or not to be ready: then an ended call names no culprit.
    away: bool,
    /// Calls that were given up for their silence since the last answer.
    silences: u32,
    /// Appends that it answered with "not known" since the last real answer.
    undecided: BTreeSet<AppendId>,
    attempts: u32,
    retry_at: Option<Moment>,
    probe_first: bool,
    probing: bool,
}

impl Server {
    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// Nothing may be tried now: it is paused, or a probe is on its way.
    pub(super) fn waits(&mut self, now: Moment) -> bool {
        if self.retry_at.is_some_and(|at| at > now) || self.probing {
            return true;
        }
        self.retry_at = None;
        false
    }

    pub(super) fn pause(&mut self, now: Moment) {
        self.attempts += 1;
        self.retry_at = Some(now + back_off(self.attempts));
    }

    /// The next thing to try is a read.
    pub(super) fn probe_first(&mut self) {
        self.probe_first = true;
    }

    /// The same, whatever the pause.
    pub(super) fn probe_now(&mut self) {
        self.probe_first = true;
        self.retry_at = None;
    }

    /// The same, unless something is tried soon.
    pub(super) fn ask(&mut self) {
        if self.retry_at.is_none() && !self.probing {
            self.probe_first = true;
        }
    }

    /// True if a read is to be sent now.
    pub(super) fn begin_probe(&mut self) -> bool {
        self.probing = self.probe_first;
        self.probing
    }

    /// True if a probe was on its way.
    pub(super) fn take_probe(&mut self) -> bool {
        std::mem::take(&mut self.probing)
    }

    pub(super) fn probe_failed(&mut self, now: Moment) {
        self.away = true;
        self.pause(now);
        self.probe_first = true;
    }

    pub(super) fn probe_succeeded(&mut self) {
        self.probe_first = false;
        self.retry_at = None;
    }

    /// A lookup was not answered.
    pub(super) fn read_failed(&mut self, now: Moment) {
        if !self.away {
            self.away = true;
            self.probe_first = true;
            self.pause(now);
        }
    }

    /// An append was not answered; true if that is not the first silence.
    pub(super) fn was_silent(&mut self) -> bool {
        self.silences += 1;
        self.silences > 1
    }

    /// It does not know what became of this append; true if that is the first time.
    pub(super) fn was_undecided(&mut self, append: AppendId) -> bool {
        self.undecided.insert(append)
    }

    /// It does not answer, or is not ready.
    pub(super) fn gone(&mut self, now: Moment) {
        self.away = true;
        self.probe_first = false;
        if self.retry_at.is_none_or(|at| at <= now) {
            self.pause(now);
        }
    }

    /// An append got a real answer.
    pub(super) fn answered(&mut self) {
        self.silences = 0;
        self.undecided.clear();
    }

    pub(super) fn forget_attempts(&mut self) {
        self.attempts = 0;
    }

    /// It is there; `asks`: a probe that is wanted for another reason still is.
    pub(super) fn recovered(&mut self, asks: bool) {
        self.attempts = 0;
        self.away = false;
        self.retry_at = None;
        self.probe_first &= asks;
    }
}
