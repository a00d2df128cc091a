//! What an operator reads in the log about one pipeline: constant texts with fields, and one summary a minute.
//!
//! Here is what concerns the pipeline as a whole; `reports` has the lines about streams and events. Never decides anything.

use std::collections::HashSet;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::away::Away;
use crate::config::settings::SubscriptionKey;
use crate::log::message_id;
use crate::source::Refusal;
use ditto_core::event::StreamName;
use ditto_core::port::{JoinRefusal, Moment, PipelineState, Side, Status};

const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

/// The log of one pipeline.
#[derive(Debug)]
pub(super) struct Journal {
    key: SubscriptionKey,
    /// False with `read_only`: everything is told as what would be done.
    writes: bool,
    copied: u64,
    summed_up: Moment,
    attempts: u64,
    away: Away,
    refusal: Option<JoinRefusal>,
    calls_ended: u64,
    warnings: HashSet<String>,
    differs: HashSet<StreamName>,
}

macro_rules! line {
    ($journal:expr, $level:ident, $($rest:tt)*) => {
        $level!(ditto.stream = %$journal.key.stream, ditto.group = %$journal.key.group, $($rest)*)
    };
}

mod reports;

impl Journal {
    /// The log of this subscription.
    pub(super) fn new(key: SubscriptionKey, writes: bool) -> Self {
        Self {
            key,
            writes,
            copied: 0,
            summed_up: Moment::ZERO,
            attempts: 0,
            away: Away::default(),
            refusal: None,
            calls_ended: 0,
            warnings: HashSet::new(),
            differs: HashSet::new(),
        }
    }

    /// The server confirmed a session.
    pub(super) fn joined(&mut self, buffer_size: u32, warnings: Vec<String>) {
        line!(self, info, buffer_size, "joined the subscription");
        for text in &warnings {
            if !self.warnings.contains(text) {
                line!(self, warn, hint = %text, "check how the subscription is set up");
            }
        }
        // Only the latest: a warning that went away and came back is news.
        self.warnings = warnings.into_iter().collect();
    }

    /// The server did not let ditto in. The first time is told, and then when the reason changes: the core tries again
    /// for as long as it takes.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.attempts += 1;
        let attempt = self.attempts;
        let Refusal { why, text } = refusal;
        if self.refusal.replace(*why) != Some(*why) {
            line!(self, warn, reason = %text, attempt, "could not join the subscription; trying again");
        } else {
            line!(self, debug, reason = %text, attempt, "could not join the subscription; trying again");
        }
    }

    /// The group could not be looked at.
    pub(super) fn group_unseen(&self, refusal: &Refusal) {
        line!(self, debug, reason = %refusal.text, "could not look at the group");
    }

    /// A session ended as asked.
    pub(super) fn left(&self) {
        line!(self, info, "left the subscription");
    }

    /// A session was ended by the server, or by a broken connection.
    pub(super) fn thrown_out(&self, why: &str) {
        line!(self, warn, reason = %why, "the subscription ended");
    }

    /// A call that carries appends ended. Told once until the destination answers again.
    pub(super) fn call_ended(&mut self, why: &str, unanswered: usize) {
        self.calls_ended += 1;
        let times = self.calls_ended;
        if times == 1 {
            line!(self, warn, reason = %why, unanswered, "appending was interrupted; sending again");
        } else {
            line!(self, debug, reason = %why, unanswered, times, "appending was interrupted; sending again");
        }
    }

    /// Nothing has moved for too long.
    pub(super) fn stalled(&self, status: &Status) {
        line!(
            self,
            error,
            buffered = status.events_buffered,
            in_flight = status.events_in_flight,
            done_up_to = status.done_up_to,
            last_number = status.last_number,
            "nothing has moved for a minute although there is more to copy; restarting this subscription"
        );
    }

    /// The pipeline ended as asked.
    pub(super) fn finished(&self, clean: bool, left: usize) {
        if clean {
            line!(self, info, left, "stopped");
        } else {
            line!(
                self,
                warn,
                left,
                "stopped before everything in flight was answered"
            );
        }
    }

    /// The core has stopped the pipeline for good.
    pub(super) fn refused_for_good(&self, text: &str) {
        line!(self, error, reason = %text, "stopped until the configuration changes or ditto is started again");
    }

    /// Once a minute: what was copied, if anything was.
    pub(super) fn sum_up(&mut self, now: Moment, status: &Status) {
        let since = now.saturating_sub(self.summed_up);
        if since < SUMMARY_INTERVAL {
            return;
        }
        self.summed_up = now;
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

    fn state(&mut self, state: &PipelineState) {
        match state {
            PipelineState::Connecting => line!(self, info, "connecting"),
            PipelineState::Running => {
                self.refusal = None;
                self.away = Away::default();
                let attempts = std::mem::take(&mut self.attempts);
                let calls_ended = std::mem::take(&mut self.calls_ended);
                line!(self, info, attempts, calls_ended, "running");
            }
            // Told with its reason.
            PipelineState::Retrying(_) => {}
            PipelineState::Standby => {
                line!(self, info, "another consumer has the group; standing by");
            }
            // Told with the numbers that are searched for.
            PipelineState::Searching(_) => {}
            PipelineState::Stopped(text) => {
                line!(self, error, message_id = message_id::SUBSCRIPTION_BLOCKED, reason = %text, "subscription stopped; checking again every 30 s");
            }
        }
    }

    /// A side that was said to be away does not answer a probe either. Told once for each reason until it runs again.
    pub(super) fn unreachable(&mut self, side: Side, why: &str) {
        if self.away.was_said(side) && self.away.is_new_reason(side, why) {
            line!(self, warn, side = side.as_str(), reason = %why, "a server is unreachable for another reason; retrying");
        }
    }

    /// A side does not answer. Said once until the subscription runs again.
    pub(super) fn retrying(&mut self, side: Side, why: &str) {
        if !self.away.is_news(side) {
            return;
        }
        self.away.is_new_reason(side, why);
        match side {
            Side::Source => {
                line!(
                    self,
                    warn,
                    message_id = message_id::RETRYING,
                    side = "source",
                    reason = %why,
                    "the source does not answer; trying again until it does"
                )
            }
            Side::Destination => {
                line!(
                    self,
                    warn,
                    message_id = message_id::RETRYING,
                    side = "destination",
                    reason = %why,
                    "the destination does not answer; trying again until it does"
                )
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
