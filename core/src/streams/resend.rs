//! Whether the destination answers, which frozen append ends its call, and in which order they are sent again.
//!
//! A small state machine of its own: it is told of ends, answers and probes, and says what to try next.
//! Never drops an append: each stays frozen until it is answered.
//!
//! Two questions are kept apart. *Is the server there?* is asked of all appends at once: while it is away nothing new is
//! sent, and one frozen append (or a read) tries it. *Which append ends its call?* is asked of single ones: whoever was
//! twice on a lane that ended while no other did is suspect, and goes alone over a call of its own while all others go on.

mod undecided;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::port::{AppendId, Moment};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An append that ends its call alone this often, while the server answers a read each time, is refused. Twice is no
/// proof: a proxy or a server that restarts does that, too. Without pauses between, since an event that is refused has to
/// be parked before ditto leaves the group for waiting, a quarter of the message timeout.
const ALONE_IS_REFUSED: u32 = 3;

/// Ends of a lane of its own that make an append suspect.
const SUSPECT_AFTER: u32 = 2;

/// Several lanes that end this often in a row without an answer between, while reads are answered: then each append on
/// them is suspect, for two that end their calls keep two lanes from ever ending alone.
const ALL_SUSPECT_AFTER: u32 = 4;

/// The pause before attempt number `attempts` (from 1): 0.2 s, doubling to 30 s.
pub(super) fn back_off(attempts: u32) -> Duration {
    FIRST_PAUSE
        .saturating_mul(1 << attempts.saturating_sub(1).min(8))
        .min(LONGEST_PAUSE)
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing now.
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
    /// Go on.
    None,
    /// This append ends the call by itself.
    Refuse(AppendId),
}

/// An append that goes over a call of its own: a suspect, or the one that tries a server that was away.
#[derive(Clone, Copy, Debug)]
struct Alone {
    append: AppendId,
    suspect: bool,
    /// It is on its way.
    sent: bool,
    /// It ended its call so often in a row with the server answering.
    ended: u32,
}

/// A lane that ended since the last answer.
#[derive(Clone, Debug, Default)]
struct Ended {
    times: u32,
    /// What was on it the last time.
    appends: Vec<AppendId>,
}

/// State of the destination as appends and looks experienced it.
#[derive(Clone, Debug)]
pub(super) struct Resend {
    /// Frozen appends that are not on their way, oldest first, but for suspects.
    resend: VecDeque<AppendId>,
    /// Frozen appends that may end their calls.
    suspects: VecDeque<AppendId>,
    alone: Option<Alone>,
    /// Ends of a lane, no other having ended, that each unanswered append has seen.
    ends: BTreeMap<AppendId, u32>,
    /// Lanes that ended since the last answer.
    recent: BTreeMap<u32, Ended>,
    /// Calls that were given up for their silence since the last answer.
    silences: u32,
    /// Appends that the server answered with "not known" since the last real answer.
    undecided: BTreeSet<AppendId>,
    /// The server was seen not to answer, or not to be ready: then an ended call names no culprit.
    away: bool,
    attempts: u32,
    retry_at: Option<Moment>,
    probe_first: bool,
    probing: bool,
}

impl Resend {
    pub(super) fn new() -> Self {
        Self {
            resend: VecDeque::new(),
            suspects: VecDeque::new(),
            alone: None,
            ends: BTreeMap::new(),
            recent: BTreeMap::new(),
            silences: 0,
            undecided: BTreeSet::new(),
            away: false,
            attempts: 0,
            retry_at: None,
            probe_first: false,
            probing: false,
        }
    }

    /// True if new appends and looks may be sent. Suspects hold up nobody.
    pub(super) fn is_open(&self) -> bool {
        !self.away && self.resend.is_empty()
    }

    /// True if the destination is known not to answer.
    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    /// True if this append is the one over a call of its own.
    pub(super) fn goes_alone(&self, append: AppendId) -> bool {
        self.alone.is_some_and(|alone| alone.append == append)
    }

    /// When to ask [`Resend::next`] again.
    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// The call of a lane ended with these appends on it.
    pub(super) fn call_ended(&mut self, now: Moment, lane: u32, unanswered: Vec<AppendId>) {
        if let Some(alone) = self.alone.as_mut()
            && alone.sent
            && unanswered == [alone.append]
        {
            // Was it the append or the server? A read tells.
            alone.sent = false;
            alone.ended += 1;
            self.probe_first = true;
            self.retry_at = None;
            return;
        }
        if self.recent.len() == 1 && self.recent.contains_key(&lane) {
            self.count_ends();
        }
        self.freeze(&unanswered);
        let ended = self.recent.entry(lane).or_default();
        ended.times += 1;
        ended.appends = unanswered;
        if self.recent.len() == 1 {
            self.suspect(lane);
        } else if self.rounds() >= ALL_SUSPECT_AFTER {
            self.probe_first = true;
        }
        if self.rounds() > 1 && !self.resend.is_empty() {
            self.pause(now);
        }
    }

    /// An append was answered with "not ready": a read would be answered all the same, so it is tried itself.
    pub(super) fn not_ready(&mut self, now: Moment, append: AppendId) {
        self.not_on_its_way(&[append]);
        self.freeze(&[append]);
        self.gone(now);
    }

    /// Nobody knows what became of these appends. Unlike an ended call this blames none of them: a server without a
    /// leader answers reads and leaves appends unanswered (protocol §14.2).
    pub(super) fn no_answer(&mut self, now: Moment, appends: &[AppendId]) {
        self.not_on_its_way(appends);
        self.freeze(appends);
        self.silences += 1;
        if self.silences > 1 {
            self.gone(now);
        }
    }

    /// A lookup was not answered.
    pub(super) fn lookup_failed(&mut self, now: Moment) {
        if !self.away {
            self.away = true;
            self.probe_first = true;
            self.pause(now);
        }
    }

    /// An append got a real answer.
    pub(super) fn answered(&mut self, append: AppendId) {
        self.forget(append);
        if self.recent.len() == 1 {
            self.count_ends();
        }
        self.recent.clear();
        self.silences = 0;
        self.undecided.clear();
        self.recovered();
    }

    /// A lookup was answered: reads work, which says nothing of appends.
    pub(super) fn lookup_answered(&mut self) {
        if self.resend.is_empty() && self.alone.is_none() {
            self.recovered();
        }
    }

    /// Nothing was heard for long: a probe tells whether the server is there.
    pub(super) fn ask(&mut self) {
        if self.retry_at.is_none() && !self.probing {
            self.probe_first = true;
        }
    }

    /// The answer to a probe.
    pub(super) fn probed(&mut self, now: Moment, reachable: bool) -> Verdict {
        if !std::mem::take(&mut self.probing) {
            return Verdict::None;
        }
        if !reachable {
            if let Some(alone) = self.alone.as_mut() {
                alone.ended = 0;
            }
            self.away = true;
            self.recent.clear();
            self.pause(now);
            self.probe_first = true;
            return Verdict::None;
        }
        self.probe_first = false;
        self.retry_at = None;
        if let Some(Alone {
            append,
            ended: ALONE_IS_REFUSED..,
            ..
        }) = self.alone
        {
            self.forget(append);
            // The server is there, and what ended was this append's doing: nothing else has to wait for that.
            self.recent.clear();
            self.attempts = 0;
            return Verdict::Refuse(append);
        }
        if self.rounds() >= ALL_SUSPECT_AFTER {
            self.recent.clear();
            self.suspects.extend(self.resend.drain(..));
        }
        self.lookup_answered();
        Verdict::None
    }

    /// What to do now; asked again until there is nothing.
    pub(super) fn next(&mut self, now: Moment) -> Next {
        if self.retry_at.is_some_and(|at| at > now) || self.probing {
            return Next::Wait;
        }
        self.retry_at = None;
        if self.probe_first {
            self.probing = true;
            return Next::Probe;
        }
        if !self.away && !self.resend.is_empty() {
            return Next::Send(self.resend.drain(..).collect());
        }
        if self.alone.is_none() {
            self.alone = self.next_alone();
        }
        match self.alone.as_mut() {
            Some(alone) if !alone.sent => {
                alone.sent = true;
                Next::SendAlone(alone.append)
            }
            Some(_) => Next::Wait,
            None => {
                if self.away {
                    // Nothing is left that could try it: the next lookup or append does.
                    self.recovered();
                }
                Next::Wait
            }
        }
    }

    /// While the server is away one append tries it, so that it is not flooded when it comes back; otherwise suspects are
    /// tried one after the other.
    fn next_alone(&mut self) -> Option<Alone> {
        let trying = if self.away {
            self.resend.pop_front()
        } else {
            None
        };
        let append = trying.or_else(|| self.suspects.pop_front())?;
        Some(Alone {
            append,
            suspect: trying.is_none(),
            sent: false,
            ended: 0,
        })
    }

    /// How often a lane has ended since the last answer.
    fn rounds(&self) -> u32 {
        let times = self.recent.values().map(|ended| ended.times);
        times.max().unwrap_or(0)
    }

    /// The end of a lane while no other ended counts against what was on it.
    fn count_ends(&mut self) {
        for append in self.recent.values().flat_map(|ended| &ended.appends) {
            *self.ends.entry(*append).or_default() += 1;
        }
    }

    /// What was on the lane that ended, and on one that ended alone before, is suspect.
    fn suspect(&mut self, lane: u32) {
        let Some(ended) = self.recent.get(&lane) else {
            return;
        };
        let twice = |append: &&AppendId| {
            let before = self.ends.get(*append).copied().unwrap_or(0);
            before + 1 >= SUSPECT_AFTER && !self.suspects.contains(append)
        };
        let suspects: Vec<AppendId> = ended.appends.iter().filter(twice).copied().collect();
        self.resend.retain(|append| !suspects.contains(append));
        self.suspects.extend(suspects);
    }

    /// The server does not answer, or is not ready.
    fn gone(&mut self, now: Moment) {
        self.away = true;
        self.probe_first = false;
        if let Some(alone) = self.alone.as_mut() {
            alone.ended = 0;
        }
        if self.retry_at.is_none_or(|at| at <= now) {
            self.pause(now);
        }
    }

    fn not_on_its_way(&mut self, appends: &[AppendId]) {
        let back = self.alone.take_if(|alone| appends.contains(&alone.append));
        if let Some(alone) = back.filter(|alone| alone.suspect) {
            self.suspects.push_front(alone.append);
        }
    }

    fn freeze(&mut self, appends: &[AppendId]) {
        for append in appends {
            if !self.resend.contains(append) && !self.suspects.contains(append) {
                self.resend.push_back(*append);
            }
        }
        self.resend.make_contiguous().sort_unstable();
    }

    fn forget(&mut self, append: AppendId) {
        self.resend.retain(|frozen| *frozen != append);
        self.suspects.retain(|frozen| *frozen != append);
        self.alone.take_if(|alone| alone.append == append);
        self.ends.remove(&append);
        for ended in self.recent.values_mut() {
            ended.appends.retain(|unanswered| *unanswered != append);
        }
    }

    fn pause(&mut self, now: Moment) {
        self.attempts += 1;
        self.retry_at = Some(now + back_off(self.attempts));
    }

    /// The server is there: everything goes on at once.
    fn recovered(&mut self) {
        self.attempts = 0;
        self.away = false;
        self.retry_at = None;
        // Whether a suspect ended its call is still to be asked.
        let asks = self
            .alone
            .is_some_and(|alone| !alone.sent && alone.ended > 0);
        self.probe_first &= asks;
    }
}

#[cfg(test)]
mod tests;
