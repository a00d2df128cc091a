//! Numbers of the subscription's stream that can no longer be read and that this process did not see done: the stream
//! was truncated before the group delivered them, and the group says nothing of it (protocol §8.10).
//!
//! What was lost keeps ditto out of the group, whose checkpoint stays below it, until its streams are found in the source's
//! log and each is copied or held. Never closes such a number for another reason, unless the operator accepts it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::context::Context;
use crate::event::StreamName;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::Purpose;
use crate::intake::persistent::forward::Forwarding;
use crate::intake::persistent::session::Trouble;
use crate::pause::back_off;
use crate::pause::stopped_pause;
use crate::port::{
    Command, Feed, LeaveReason, LogPage, LogPosition, Mode, Moment, PipelineState, ReadId, Report,
};
use crate::seam::Claim;
use crate::streams::Streams;

/// Found streams whose event is being read at once.
const READ_AT_ONCE: usize = 16;

/// A page of the log is answered within this time: a server looks at a million records a second (protocol §15.7) and
/// says nothing before it has found one.
pub const SEARCH_TIME: Duration = Duration::from_secs(600);

/// What is known of such numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Unseen {
    /// First and last of the numbers that are lost to the subscription's stream.
    lost: Option<(u64, u64)>,
    search: Search,
    failures: u32,
    retry_at: Option<Moment>,
}

/// The search of the log for the streams of lost numbers: one page at a time.
#[derive(Clone, Debug, Default)]
struct Search {
    read: Option<ReadId>,
    /// When that must be answered.
    until: Option<Moment>,
    /// Where the next page begins.
    next: Option<LogPosition>,
    /// The page at hand is the last one.
    is_last: bool,
    /// Of the page at hand, what is not read yet: streams, each with its highest revision; without exact revisions every
    /// event.
    found: VecDeque<(StreamName, u64)>,
    /// Streams of the page at hand that are being copied.
    copying: BTreeSet<StreamName>,
    /// Events found so far.
    events: u64,
    /// Why the log cannot be searched.
    problem: Option<String>,
}

impl Search {
    /// The page at hand is done.
    fn is_idle(&self) -> bool {
        self.read.is_none() && self.found.is_empty() && self.copying.is_empty()
    }
}

impl Unseen {
    /// Numbers are lost, and their streams are not all copied yet.
    pub(super) fn is_active(&self) -> bool {
        self.lost.is_some()
    }

    pub(super) fn retry_at(&self) -> Option<Moment> {
        self.retry_at
    }

    /// What waited was dropped: the streams are looked for from the log's beginning again.
    pub(super) fn search_again(&mut self) {
        self.search = Search {
            problem: self.search.problem.take(),
            ..Search::default()
        };
    }
}

impl Persistent {
    pub(super) fn pump_unseen(&mut self, cx: &mut Context, streams: &mut Streams) {
        if self.ending.is_some() || self.unseen.retry_at.is_some_and(|at| at > cx.now) {
            return;
        }
        self.unseen.retry_at = None;
        if self.unseen.is_active() && self.session.trouble == Trouble::None {
            self.pump_search(cx, streams);
        }
    }

    /// Numbers `from..first` cannot be read any more. True if something was lost by that: then its numbers stay open.
    pub(super) fn not_seen_between(&mut self, cx: &mut Context, from: u64, first: u64) -> bool {
        if !self.minds_lost_numbers(cx) {
            if let Some((from, to)) = self.numbers.undelivered_within(from, first) {
                cx.report(Report::Gone { from, to });
            }
            return false;
        }
        let accepted = cx.settings.accept_unseen_below.min(first);
        if let Some((from, to)) = self.numbers.undelivered_within(from, accepted) {
            self.numbers.close(from, to, &[]);
            cx.report(Report::UnseenAccepted { from, to });
        }
        let Some((from, to)) = self.numbers.undelivered_within(from, first) else {
            return false;
        };
        let joined = self
            .unseen
            .lost
            .map_or((from, to), |(low, high)| (low.min(from), high.max(to)));
        if self.unseen.lost.replace(joined) != Some(joined) {
            cx.report(Report::Unseen { from, to });
            self.unseen.search = Search::default();
        }
        self.leave(cx, LeaveReason::Waiting);
        true
    }

    fn unseen_failed(&mut self, cx: &mut Context) {
        cx.source_failing = true;
        self.unseen.failures += 1;
        self.unseen.retry_at = Some(cx.now + back_off(self.unseen.failures));
    }

    fn pump_search(&mut self, cx: &mut Context, streams: &mut Streams) {
        if cx.settings.mode == Mode::AppendOnly {
            let why = "the destination cannot show which events are missing";
            self.unseen.search.problem = Some(why.to_owned());
            return;
        }
        self.copy_found(cx, streams);
        if !self.unseen.search.is_idle() {
            return;
        }
        if self.unseen.search.is_last {
            return self.unseen_found(cx);
        }
        let read = ReadId(cx.next_id());
        self.unseen.search.read = Some(read);
        self.unseen.search.until = Some(cx.now + SEARCH_TIME);
        self.reads.insert(read, Purpose::Log);
        let after = self.unseen.search.next;
        cx.out.push(Command::SearchLog { read, after });
    }

    pub(super) fn on_log_searched(&mut self, cx: &mut Context, read: ReadId, page: LogPage) {
        self.take_read(read);
        if self.unseen.search.read != Some(read) {
            return;
        }
        let search = &mut self.unseen.search;
        search.read = None;
        match page {
            LogPage::Events { found, next } => {
                search.problem = None;
                search.events += found.len() as u64;
                search.is_last = next.is_none();
                search.next = next;
                search.found = if cx.settings.mode == Mode::Exact {
                    highest(found).into()
                } else {
                    found.into()
                };
                self.unseen.failures = 0;
                cx.source_failing = false;
                cx.progress += 1;
            }
            LogPage::Unsearchable(why) => {
                search.problem = Some(why);
                self.unseen.retry_at = Some(cx.now + stopped_pause(self.unseen.failures));
                self.unseen.failures += 1;
            }
            LogPage::Failed => self.unseen_failed(cx),
        }
    }

    /// Each stream that was found is copied up to its tail, as if that had been delivered. Without exact revisions there
    /// are no gaps to repair: there each event is, one after the other, for that keeps their order.
    fn copy_found(&mut self, cx: &mut Context, streams: &mut Streams) {
        let exact = cx.settings.mode == Mode::Exact;
        let at_once = if exact { READ_AT_ONCE } else { 1 };
        while self.forwards.len() + self.forwards_read() < at_once && cx.memory.has_reserve() {
            let Some((name, revision)) = self.unseen.search.found.pop_front() else {
                break;
            };
            if name.is_system() || streams.is_settled(&name, revision) {
                continue;
            }
            let claim = Claim::unasked(cx.now);
            self.unseen.search.copying.insert(name.clone());
            let revision = (!exact || cx.settings.feed == Feed::Parts).then_some(revision);
            self.forwards
                .push_back(Forwarding::new(name, revision, claim));
            self.pump_forwards(cx);
        }
        if !self.forwards.is_empty() || self.forwards_read() > 0 {
            return;
        }
        while let Some(name) = self.unseen.search.copying.first()
            && !streams.is_busy(name)
        {
            self.unseen.search.copying.pop_first();
        }
    }

    /// Everything that was found is copied or held: the numbers are done, and the group may go on.
    fn unseen_found(&mut self, cx: &mut Context) {
        let Some((from, to)) = self.unseen.lost.take() else {
            return;
        };
        let events = std::mem::take(&mut self.unseen.search).events;
        self.numbers.close(from, to, &[]);
        cx.report(Report::UnseenFound { from, to, events });
    }

    /// A search that finds nothing for long has a long time limit of its own.
    pub(super) fn search_until(&self) -> Option<Moment> {
        self.unseen.search.read.and(self.unseen.search.until)
    }

    /// What an operator is shown while numbers are lost.
    pub(super) fn unseen_state(&self) -> Option<PipelineState> {
        let (from, to) = self.unseen.lost?;
        let what = format!(
            "numbers {from} to {to} of the subscription's stream can no longer be read and were not copied by number"
        );
        Some(match &self.unseen.search.problem {
            None => PipelineState::Searching(format!(
                "{what}; copying their streams from the source's log"
            )),
            Some(why) => PipelineState::Stopped(format!(
                "{what}, and their streams cannot be found: {why} (to continue without them, set accept_unseen_below = {} for this subscription)",
                to + 1
            )),
        })
    }
}

/// Each stream once, with the highest revision found.
fn highest(found: Vec<(StreamName, u64)>) -> Vec<(StreamName, u64)> {
    let mut streams = BTreeMap::new();
    for (name, revision) in found {
        let highest = streams.entry(name).or_insert(revision);
        *highest = revision.max(*highest);
    }
    streams.into_iter().collect()
}
