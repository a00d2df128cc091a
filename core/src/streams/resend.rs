//! Frozen appends that are not on their way: when each is sent again, and which of them ends its call by itself.
//!
//! A small state machine of its own: it is told of ends, answers and probes, and says what to try next.
//! Never drops an append: each stays frozen until it is answered.
//!
//! Two questions are kept apart. *Is the server there?* (`server`) is asked of all appends at once: while it is away nothing
//! new is sent, and one frozen append (or a read) tries it. *Which append ends its call?* (`culprit`) is asked of single ones:
//! whoever was twice on a lane that ended while no other did is suspect, and goes alone over a call of its own while all
//! others go on.

mod culprit;
mod server;

use std::collections::VecDeque;

use self::culprit::Culprits;
use self::server::Server;
use crate::port::{AppendId, Moment};

/// Several lanes that end this often in a row without an answer between, while reads are answered: then each append on
/// them is suspect, for two that end their calls keep two lanes from ever ending alone.
const ALL_SUSPECT_AFTER: u32 = 4;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing before [`Resend::retry_at`] or the next answer.
    Wait,
    /// Send these frozen appends again.
    Send(Vec<AppendId>),
    /// Send this frozen append again, over a call of its own.
    SendAlone(AppendId),
    /// Ask whether the server answers a read.
    Probe,
}

/// What a probe that was answered leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No append is to blame: it is sent again, or was answered.
    None,
    /// This append ends the call by itself.
    Refuse(AppendId),
}

/// The destination as appends and lookups experienced it, and what waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Resend {
    /// Frozen appends that are not on their way, oldest first, but for suspects.
    frozen: VecDeque<AppendId>,
    server: Server,
    culprits: Culprits,
}

impl Resend {
    /// True if new appends and lookups may be sent. Suspects hold up nobody.
    pub(super) fn is_open(&self) -> bool {
        !self.server.is_away() && self.frozen.is_empty()
    }

    /// True if the destination is known not to answer.
    pub(super) fn is_away(&self) -> bool {
        self.server.is_away()
    }

    /// True if this append is the one over a call of its own.
    pub(super) fn goes_alone(&self, append: AppendId) -> bool {
        self.culprits.goes_alone(append)
    }

    /// When to ask [`Resend::next`] again.
    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.server.retry_at()
    }

    /// The call of a lane ended with these appends on it.
    pub(super) fn call_ended(&mut self, now: Moment, lane: u32, unanswered: Vec<AppendId>) {
        if self.culprits.ended_alone(&unanswered) {
            // Was it the append or the server? A read tells.
            self.server.probe_now();
            return;
        }
        self.freeze(&unanswered);
        let suspects = self.culprits.lane_ended(lane, unanswered);
        self.frozen.retain(|append| !suspects.contains(append));
        if self.culprits.several_lanes_ended() && self.culprits.rounds() >= ALL_SUSPECT_AFTER {
            self.server.probe_first();
        }
        if self.culprits.rounds() > 1 && !self.frozen.is_empty() {
            self.server.pause(now);
        }
    }

    /// An append was answered with "not ready": a read would be answered all the same, so it is tried itself.
    pub(super) fn not_ready(&mut self, now: Moment, append: AppendId) {
        self.take_back(&[append]);
        self.gone(now);
    }

    /// Nobody knows what became of these appends. Unlike an ended call this blames none of them: a server without a
    /// leader answers reads and leaves appends unanswered (protocol §14.2).
    pub(super) fn no_answer(&mut self, now: Moment, appends: &[AppendId]) {
        self.take_back(appends);
        if self.server.was_silent() {
            self.gone(now);
        }
    }

    /// The server says that it does not know what became of this append. Once that says nothing of the server: another
    /// writer may just have written its events, and then its next try succeeds at once. One that stays undecided while
    /// nothing else is answered means that the server decides nothing: it has no leader, or no majority. That is an answer
    /// all the same, and never counts among the silences.
    pub(super) fn undecided(&mut self, now: Moment, append: AppendId) {
        self.take_back(&[append]);
        if !self.server.was_undecided(append) {
            self.gone(now);
        }
    }

    /// A lookup was not answered.
    pub(super) fn lookup_failed(&mut self, now: Moment) {
        self.server.read_failed(now);
    }

    /// An append got a real answer.
    pub(super) fn answered(&mut self, append: AppendId) {
        self.forget(append);
        self.culprits.lane_works();
        self.server.answered();
        self.recovered();
    }

    /// A lookup was answered: reads work, which says nothing of appends.
    pub(super) fn lookup_answered(&mut self) {
        if self.frozen.is_empty() && self.culprits.nobody_goes_alone() {
            self.recovered();
        }
    }

    /// Nothing was heard for long: a probe tells whether the server is there.
    pub(super) fn ask(&mut self) {
        self.server.ask();
    }

    /// The answer to a probe.
    pub(super) fn probed(&mut self, now: Moment, reachable: bool) -> Verdict {
        if !self.server.take_probe() {
            return Verdict::None;
        }
        if !reachable {
            self.culprits.acquit();
            self.culprits.forget_lanes();
            self.server.probe_failed(now);
            return Verdict::None;
        }
        self.server.probe_succeeded();
        if let Some(append) = self.culprits.proven() {
            self.forget(append);
            // The server is there, and what ended was this append's doing: nothing else has to wait for that.
            self.culprits.forget_lanes();
            self.server.forget_attempts();
            return Verdict::Refuse(append);
        }
        if self.culprits.rounds() >= ALL_SUSPECT_AFTER {
            self.culprits.forget_lanes();
            self.culprits.suspect_all(self.frozen.drain(..));
        }
        self.lookup_answered();
        Verdict::None
    }

    /// What to do now; asked again until there is nothing.
    pub(super) fn next(&mut self, now: Moment) -> Next {
        if self.server.waits(now) {
            return Next::Wait;
        }
        if self.server.begin_probe() {
            return Next::Probe;
        }
        if !self.server.is_away() && !self.frozen.is_empty() {
            return Next::Send(self.frozen.drain(..).collect());
        }
        // While the server is away one append tries it, so that it is not flooded when it comes back; otherwise suspects
        // are tried one after the other.
        if self.culprits.nobody_goes_alone() {
            let trying = if self.server.is_away() {
                self.frozen.pop_front()
            } else {
                None
            };
            self.culprits.choose(trying);
        }
        if let Some(append) = self.culprits.send_alone() {
            return Next::SendAlone(append);
        }
        if self.culprits.nobody_goes_alone() && self.server.is_away() {
            // Nothing is left that could try it: the next lookup or append does.
            self.recovered();
        }
        Next::Wait
    }

    /// The server does not answer, or is not ready.
    fn gone(&mut self, now: Moment) {
        self.culprits.acquit();
        self.server.gone(now);
    }

    /// These appends are not on their way any more.
    fn take_back(&mut self, appends: &[AppendId]) {
        self.culprits.take_back(appends);
        self.freeze(appends);
    }

    fn freeze(&mut self, appends: &[AppendId]) {
        for append in appends {
            if !self.frozen.contains(append) && !self.culprits.is_suspect(*append) {
                self.frozen.push_back(*append);
            }
        }
        self.frozen.make_contiguous().sort_unstable();
    }

    fn forget(&mut self, append: AppendId) {
        self.frozen.retain(|frozen| *frozen != append);
        self.culprits.forget(append);
    }

    /// The server is there: everything goes on at once.
    fn recovered(&mut self) {
        // Whether a suspect ended its call is still to be asked.
        self.server.recovered(self.culprits.is_in_question());
    }
}

#[cfg(test)]
mod tests;
