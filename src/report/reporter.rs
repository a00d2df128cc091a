//! What the loop around the core notices: sessions, calls, sides, the end of a run, and one summary a minute.
//!
//! Never decides anything. What the core reports is in `happening`.

use std::collections::HashSet;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::sides::Sides;
use super::states::Told;
use super::{Call, Observer};
use crate::config::settings::SubscriptionKey;
use crate::log::message_id;
use ditto_core::event::StreamName;
use ditto_core::port::{
    AppendOutcome, GroupSeen, JoinRefusal, LogPosition, Moment, PipelineState, Side, Status,
};

const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// What the source is, as a word for metrics.
const SOURCE: &str = "eventstore";

/// Tells what one run of a pipeline does: in the log, and to its observer. Bounded: it remembers the warnings of the last session and
/// a thousand streams for each kind of trouble.
#[derive(Debug)]
pub struct Reporter {
    pub(super) key: SubscriptionKey,
    pub(super) observer: Observer,
    /// What the destination is, as a word for metrics.
    destination: &'static str,
    /// False with `read_only`: everything is told as what would be done.
    pub(super) writes: bool,
    pub(super) copied: u64,
    /// Gaps closed since the last summary.
    pub(super) gaps: u64,
    /// Events written for these gaps.
    pub(super) gap_events: u64,
    summed_up: Moment,
    attempts: u64,
    sides: Sides,
    refusal: Option<JoinRefusal>,
    calls_ended: u64,
    warnings: HashSet<String>,
    pub(super) differs: HashSet<StreamName>,
    pub(super) told: Told,
}

impl Reporter {
    /// Reports on this subscription, whose destination is such a system and is written to or not.
    #[must_use]
    pub fn new(
        key: SubscriptionKey,
        observer: Observer,
        destination: &'static str,
        writes: bool,
    ) -> Self {
        Self {
            key,
            observer,
            destination,
            writes,
            copied: 0,
            gaps: 0,
            gap_events: 0,
            summed_up: Moment::ZERO,
            attempts: 0,
            sides: Sides::default(),
            refusal: None,
            calls_ended: 0,
            warnings: HashSet::new(),
            differs: HashSet::new(),
            told: Told::default(),
        }
    }

    /// The subscription delivered so many, copied or not.
    pub(crate) fn received(&self, deliveries: u64) {
        self.observer.count(|series| &series.received, deliveries);
    }

    /// A call was answered.
    pub(crate) fn called(&self, call: Call, took: Duration) {
        let system = match call.side() {
            Side::Source => SOURCE,
            Side::Destination => self.destination,
        };
        self.observer.call(call, system, took);
    }

    /// A side does not answer, or not as asked.
    pub(crate) fn trouble(&mut self, side: Side, why: String) {
        self.observer.trouble(side, &why);
        self.sides.note(side, why);
    }

    /// The group, as it was just seen.
    pub(crate) fn group_seen(&self, group: &GroupSeen) {
        self.observer.group(group);
    }

    /// Where the source's log ends, as it was just seen; `None`: not known.
    pub(crate) fn log_end(&self, end: Option<LogPosition>) {
        self.observer.log_end(end);
    }

    /// A reading of the core, once a second.
    pub(crate) fn status(&mut self, now: Moment, status: &Status) {
        self.observer.status(status);
        self.sum_up(now, status);
    }

    /// The server confirmed a session.
    pub(crate) fn joined(&mut self, buffer_size: u32, group: &GroupSeen, warnings: Vec<String>) {
        self.observer.group(group);
        line!(self, info, buffer_size, "joined the subscription");
        for text in &warnings {
            if !self.warnings.contains(text) {
                line!(self, warn, reason = %text, "the subscription's setup needs attention; copying all the same");
            }
        }
        // Only the latest: a warning that went away and came back is news.
        self.warnings = warnings.into_iter().collect();
    }

    /// The server did not let ditto in. The first time is told, and then when the reason changes: the core tries again
    /// for as long as it takes.
    pub(crate) fn refused(&mut self, why: JoinRefusal, text: String) {
        self.attempts += 1;
        let attempt = self.attempts;
        if self.refusal.replace(why) != Some(why) {
            line!(self, warn, reason = %text, attempt, "failed to join the subscription; retrying");
        } else {
            line!(self, debug, reason = %text, attempt, "failed to join the subscription; retrying");
        }
        self.trouble(Side::Source, text);
    }

    /// The log's server confirmed a subscription.
    pub(crate) fn reading(&self) {
        line!(self, info, "reading the source's log");
    }

    /// The log cannot be read. Told in full once the source counts as failing.
    pub(crate) fn unread(&mut self, text: String) {
        line!(self, debug, reason = %text, "failed to read the source's log; retrying");
        self.trouble(Side::Source, text);
    }

    /// The group could not be looked at.
    pub(crate) fn group_unseen(&self, why: &str) {
        line!(self, debug, reason = %why, "failed to read the group's state; retrying");
    }

    /// A session ended as asked.
    pub(crate) fn left(&self) {
        let text = self
            .key
            .words("left the subscription", "stopped reading the source's log");
        line!(self, info, "{text}");
    }

    /// A session was ended by the server, or by a broken connection.
    pub(crate) fn thrown_out(&mut self, why: String) {
        let text = self.key.words(
            "the session ended; joining the subscription again",
            "the session ended; reading the source's log again",
        );
        line!(self, warn, reason = %why, "{text}");
        self.lost(Side::Source, why);
    }

    /// A call that carries appends ended. Told once until the destination answers again.
    pub(crate) fn call_ended(&mut self, why: String, unanswered: usize) {
        self.calls_ended += 1;
        let times = self.calls_ended;
        if times == 1 {
            line!(self, warn, reason = %why, unanswered, "an append call ended; sending its appends again");
        } else {
            line!(self, debug, reason = %why, unanswered, times, "an append call ended; sending its appends again");
        }
        self.lost(Side::Destination, why);
    }

    /// An append was answered. One that the destination answers without having done it is the reason, if that lasts.
    pub(crate) fn append_answered(&mut self, outcome: &AppendOutcome) {
        let why = match outcome {
            AppendOutcome::NoAnswer => "the server does not know whether it wrote an append",
            AppendOutcome::NotReady => "the server is not ready to write",
            _ => return,
        };
        self.trouble(Side::Destination, why.to_owned());
    }

    /// A connection to this side was lost.
    fn lost(&mut self, side: Side, why: String) {
        self.observer
            .count_one(|series| &series.reconnects, side.as_str());
        self.trouble(side, why);
    }

    /// Nothing has moved for too long.
    pub(crate) fn stalled(&self, status: &Status) {
        line!(
            self,
            error,
            buffered = status.events_buffered,
            in_flight = status.events_in_flight,
            done_up_to = status.done_up_to,
            last_number = status.last_number,
            reason = "there is more to copy",
            "{}",
            self.key.words(
                "no progress for a minute; restarting the subscription",
                "no progress for a minute; restarting the mirror",
            )
        );
    }

    /// The pipeline ended as asked.
    pub(crate) fn finished(&mut self, clean: bool, left: usize) {
        self.sum_up_gaps();
        if clean {
            line!(self, info, left, "stopped");
        } else {
            line!(
                self,
                warn,
                left,
                reason = "the time to stop was over",
                "stopped with events in flight; the source delivers them again"
            );
        }
    }

    /// Once a minute: which gaps were closed and what was copied, if anything was.
    fn sum_up(&mut self, now: Moment, status: &Status) {
        let since = now.saturating_sub(self.summed_up);
        if since < SUMMARY_INTERVAL {
            return;
        }
        self.summed_up = now;
        self.sum_up_gaps();
        let copied = std::mem::take(&mut self.copied);
        let lag = lag(status);
        if copied == 0 && lag == Some(0) {
            return;
        }
        let per_second = copied / since.as_secs().max(1);
        line!(
            self,
            info,
            events = copied,
            per_second,
            lag,
            held = status.held.iter().sum::<usize>(),
            read_only = !self.writes,
            "copied in the last minute"
        );
    }

    /// Two daemons on one group close a gap for nearly every event: a line for each would flood the log.
    fn sum_up_gaps(&mut self) {
        let gaps = std::mem::take(&mut self.gaps);
        let events = std::mem::take(&mut self.gap_events);
        if gaps > 0 {
            line!(
                self,
                info,
                gaps,
                events,
                read_only = !self.writes,
                "gaps in streams closed in the last minute"
            );
        }
    }

    pub(super) fn state(&mut self, state: &PipelineState) {
        match state {
            PipelineState::Connecting => line!(self, info, "connecting"),
            PipelineState::Running => {
                self.refusal = None;
                self.sides.answer();
                let attempts = std::mem::take(&mut self.attempts);
                let calls_ended = std::mem::take(&mut self.calls_ended);
                line!(self, info, attempts, calls_ended, "running");
            }
            PipelineState::Retrying(side) => self.retrying(*side),
            PipelineState::Standby => {
                let text = self.key.words(
                    "another consumer has the group; standing by",
                    "another process has the mirror; standing by",
                );
                line!(self, info, "{text}");
            }
            // Told with the numbers that are searched for.
            PipelineState::Searching(_) => {}
            PipelineState::Stopped(text) => {
                let line = self.key.words(
                    "subscription stopped; checking again within 30 s",
                    "mirror stopped; checking again within 30 s",
                );
                line!(self, error, message_id = message_id::SUBSCRIPTION_BLOCKED, reason = %text, "{line}");
            }
        }
        self.observer.state(state);
    }

    /// A side does not answer a probe. Logged once for each reason, after it was logged that the side does not answer.
    pub(crate) fn unreachable(&mut self, side: Side, why: String) {
        if self.sides.is_new_reason(side, &why) {
            line!(self, warn, side = side.as_str(), reason = %why, "a server is unreachable for another reason; retrying");
        }
        self.trouble(side, why);
    }

    /// A side does not answer. Logged once until the subscription runs again.
    fn retrying(&mut self, side: Side) {
        let Some(why) = self.sides.is_news(side) else {
            return;
        };
        let side_word = side.as_str();
        match side {
            Side::Source => {
                line!(self, warn, message_id = message_id::RETRYING, side = side_word, reason = %why, "the source is unreachable or failing requests; retrying");
            }
            Side::Destination => {
                line!(self, warn, message_id = message_id::RETRYING, side = side_word, reason = %why, "the destination is unreachable or failing requests; retrying");
            }
        }
    }
}

/// Events of the subscription's stream that are not done; `None` while that is not known.
fn lag(status: &Status) -> Option<u64> {
    let Some(last) = status.last_number else {
        return Some(0);
    };
    match status.done_up_to {
        Some(done) => Some(last.saturating_sub(done)),
        None => Some(last + 1),
    }
}
