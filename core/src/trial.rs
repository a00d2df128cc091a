//! Whether the destination answers, and in which order frozen appends are sent again.
//!
//! A small state machine of its own: it is told of ends, answers and probes, and says what to try next.
//! Never drops an append: each stays frozen until it is answered.

use std::collections::VecDeque;
use std::time::Duration;

use super::port::{AppendId, Moment};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An append that ends its call alone this often, while the server answers a read each time, is refused. Twice is no
/// proof: a proxy or a server that restarts does that, too. Without pauses between, since an event that is refused has to
/// be parked before ditto leaves the group for waiting, a quarter of the message timeout.
const ALONE_IS_REFUSED: u32 = 3;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    /// Everything may be sent.
    Open,
    /// One at a time; nothing new.
    OneByOne,
}

/// State of the destination as appends and looks experienced it.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    care: Care,
    /// Frozen appends that are not on their way, oldest first.
    resend: VecDeque<AppendId>,
    /// The one that is sent alone.
    alone: Option<AppendId>,
    /// It ended its call alone so often in a row with the server answering.
    alone_ended: (Option<AppendId>, u32),
    /// Calls that ended without an answer between them.
    ended_in_a_row: u32,
    /// The server was seen not to answer, or not to be ready: then an ended call names no culprit.
    away: bool,
    attempts: u32,
    retry_at: Option<Moment>,
    probe_first: bool,
    probing: bool,
}

impl Trial {
    pub(super) fn new() -> Self {
        Self {
            care: Care::Open,
            resend: VecDeque::new(),
            alone: None,
            alone_ended: (None, 0),
            ended_in_a_row: 0,
            away: false,
            attempts: 0,
            retry_at: None,
            probe_first: false,
            probing: false,
        }
    }

    /// True if new appends and looks may be sent.
    pub(super) fn is_open(&self) -> bool {
        self.care == Care::Open && self.resend.is_empty()
    }

    /// True if the destination is known not to answer.
    pub(super) fn is_away(&self) -> bool {
        self.away
    }

    /// When to ask [`Trial::next`] again.
    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// A call ended with these appends on it.
    pub(super) fn call_ended(&mut self, now: Moment, unanswered: Vec<AppendId>) {
        let alone = self.alone.take_if(|alone| unanswered.contains(alone));
        self.freeze(unanswered);
        if let Some(alone) = alone {
            // Was it the append or the server? A read tells.
            if self.alone_ended.0 != Some(alone) {
                self.alone_ended = (Some(alone), 0);
            }
            self.alone_ended.1 += 1;
            self.care = Care::OneByOne;
            self.probe_first = true;
            self.retry_at = None;
            return;
        }
        self.ended_in_a_row += 1;
        if self.ended_in_a_row > 1 {
            self.care = Care::OneByOne;
            self.pause(now);
        }
    }

    /// An append was answered with "not ready": a read would be answered all the same, so it is tried itself.
    pub(super) fn not_ready(&mut self, now: Moment, append: AppendId) {
        self.alone.take_if(|alone| *alone == append);
        self.freeze(vec![append]);
        self.away = true;
        self.care = Care::OneByOne;
        self.probe_first = false;
        if self.retry_at.is_none_or(|at| at <= now) {
            self.pause(now);
        }
    }

    /// Nobody knows what became of these appends. Unlike an ended call this blames none of them: a server without a
    /// leader answers reads and leaves appends unanswered (`protocol.md` §14.2).
    pub(super) fn no_answer(&mut self, now: Moment, appends: Vec<AppendId>) {
        self.alone.take_if(|alone| appends.contains(alone));
        self.freeze(appends);
        self.alone_ended = (None, 0);
        self.ended_in_a_row += 1;
        if self.ended_in_a_row > 1 {
            self.away = true;
            self.care = Care::OneByOne;
            self.probe_first = false;
            if self.retry_at.is_none_or(|at| at <= now) {
                self.pause(now);
            }
        }
    }

    /// A look was not answered.
    pub(super) fn look_failed(&mut self, now: Moment) {
        if self.care == Care::Open {
            self.away = true;
            self.care = Care::OneByOne;
            self.probe_first = true;
            self.pause(now);
        }
    }

    /// An append got a real answer.
    pub(super) fn answered(&mut self, append: AppendId) {
        self.resend.retain(|frozen| *frozen != append);
        self.alone.take_if(|alone| *alone == append);
        if self.alone_ended.0 == Some(append) {
            self.alone_ended = (None, 0);
        }
        self.ended_in_a_row = 0;
        self.recovered();
    }

    /// A look was answered: reads work, which says nothing of appends.
    pub(super) fn look_answered(&mut self) {
        if self.resend.is_empty() && self.alone.is_none() {
            self.recovered();
        }
    }

    /// The answer to a probe.
    pub(super) fn probed(&mut self, now: Moment, reachable: bool) -> Verdict {
        if !std::mem::take(&mut self.probing) {
            return Verdict::None;
        }
        if !reachable {
            self.away = true;
            self.alone_ended = (None, 0);
            self.probe_first = true;
            self.pause(now);
            return Verdict::None;
        }
        self.probe_first = false;
        self.retry_at = None;
        match self.alone_ended {
            (Some(append), ALONE_IS_REFUSED..) => {
                self.alone_ended = (None, 0);
                self.resend.retain(|frozen| *frozen != append);
                Verdict::Refuse(append)
            }
            _ => {
                if self.resend.is_empty() && self.alone.is_none() {
                    self.recovered();
                }
                Verdict::None
            }
        }
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Moment) -> Next {
        if self.retry_at.is_some_and(|at| at > now) || self.probing || self.alone.is_some() {
            return Next::Wait;
        }
        self.retry_at = None;
        if self.care == Care::Open {
            return if self.resend.is_empty() {
                Next::Wait
            } else {
                Next::Send(self.resend.drain(..).collect())
            };
        }
        if self.probe_first {
            self.probing = true;
            return Next::Probe;
        }
        match self.resend.pop_front() {
            Some(append) => {
                self.alone = Some(append);
                Next::Send(vec![append])
            }
            None => {
                self.recovered();
                Next::Wait
            }
        }
    }

    fn freeze(&mut self, appends: Vec<AppendId>) {
        for append in appends {
            if !self.resend.contains(&append) {
                self.resend.push_back(append);
            }
        }
        self.resend.make_contiguous().sort_unstable();
    }

    fn pause(&mut self, now: Moment) {
        self.attempts += 1;
        self.retry_at = Some(now + back_off(self.attempts));
    }

    /// After an outage everything goes on at once; while a culprit is sought, one by one until all were tried.
    fn recovered(&mut self) {
        self.attempts = 0;
        if self.away || self.resend.is_empty() {
            self.care = Care::Open;
            self.away = false;
            self.retry_at = None;
            self.probe_first = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: AppendId = AppendId(1);
    const B: AppendId = AppendId(2);

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_first_end_sends_everything_again_at_once_and_the_second_one_by_one() {
        let mut trial = Trial::new();
        trial.call_ended(at(1), vec![A, B]);
        assert_eq!(trial.next(at(1)), Next::Send(vec![A, B]));
        trial.call_ended(at(2), vec![A, B]);
        assert_eq!(trial.next(at(2)), Next::Wait, "a pause first");
        assert_eq!(trial.next(at(3)), Next::Send(vec![A]));
        trial.answered(A);
        assert!(!trial.is_open(), "the culprit is still sought");
        assert_eq!(trial.next(at(3)), Next::Send(vec![B]));
        trial.answered(B);
        assert!(trial.is_open());
    }

    #[test]
    fn what_ends_the_call_alone_three_times_while_reads_are_answered_is_refused() {
        let mut trial = Trial::new();
        trial.call_ended(at(1), vec![A, B]);
        trial.next(at(1));
        trial.call_ended(at(1), vec![A, B]);
        let mut verdicts = Vec::new();
        for round in 0..3 {
            assert_eq!(trial.next(at(10)), Next::Send(vec![A]), "round {round}");
            trial.call_ended(at(10), vec![A]);
            assert_eq!(trial.next(at(10)), Next::Probe);
            verdicts.push(trial.probed(at(10), true));
        }
        let none = Verdict::None;
        assert_eq!(verdicts, [none, none, Verdict::Refuse(A)]);
        assert_eq!(trial.next(at(12)), Next::Send(vec![B]), "the others go on");
    }

    #[test]
    fn what_is_answered_after_it_ended_its_call_alone_begins_anew() {
        let mut trial = Trial::new();
        trial.call_ended(at(1), vec![A]);
        trial.next(at(1));
        trial.call_ended(at(1), vec![A]);
        trial.next(at(10));
        trial.call_ended(at(10), vec![A]);
        trial.next(at(10));
        assert_eq!(trial.probed(at(10), true), Verdict::None);
        assert_eq!(trial.next(at(20)), Next::Send(vec![A]));
        trial.answered(A);
        assert!(trial.is_open());
        trial.look_failed(at(21));
        trial.next(at(30));
        assert_eq!(trial.probed(at(30), true), Verdict::None);
        assert!(trial.is_open(), "nobody is suspected any more");
    }

    #[test]
    fn a_server_that_was_away_makes_no_culprit() {
        let mut trial = Trial::new();
        trial.call_ended(at(1), vec![A]);
        trial.next(at(1));
        trial.call_ended(at(1), vec![A]);
        for round in 0..10 {
            let now = at(100 * (round + 1));
            assert_eq!(trial.next(now), Next::Send(vec![A]), "round {round}");
            trial.call_ended(now, vec![A]);
            assert_eq!(trial.next(now), Next::Probe);
            assert_eq!(trial.probed(now, false), Verdict::None);
            assert!(trial.is_away());
            let later = now + Duration::from_secs(31);
            assert_eq!(
                trial.next(later),
                Next::Probe,
                "asked again before the append is risked"
            );
            assert_eq!(trial.probed(later, true), Verdict::None);
        }
        assert_eq!(trial.next(at(5000)), Next::Send(vec![A]));
        trial.answered(A);
        assert!(trial.is_open());
    }

    #[test]
    fn silence_blames_no_append_however_often() {
        let mut trial = Trial::new();
        for round in 1..10 {
            trial.no_answer(at(100 * round), vec![A]);
            let later = at(100 * round + 40);
            assert_eq!(trial.next(later), Next::Send(vec![A]), "round {round}");
        }
        trial.answered(A);
        assert!(trial.is_open());
    }

    #[test]
    fn not_ready_is_tried_again_with_the_append_itself() {
        let mut trial = Trial::new();
        trial.not_ready(at(1), A);
        trial.not_ready(at(1), B);
        assert_eq!(trial.next(at(1)), Next::Wait);
        assert_eq!(trial.next(at(2)), Next::Send(vec![A]));
        assert_eq!(trial.next(at(2)), Next::Wait, "one at a time");
        trial.answered(A);
        assert_eq!(
            trial.next(at(2)),
            Next::Send(vec![B]),
            "after an outage all go on at once"
        );
    }

    #[test]
    fn pauses_double_up_to_thirty_seconds() {
        let pauses: Vec<u128> = [1, 2, 3, 8, 9, 100]
            .iter()
            .map(|n| back_off(*n).as_millis())
            .collect();
        assert_eq!(pauses, [200, 400, 800, 25_600, 30_000, 30_000]);
    }
}
