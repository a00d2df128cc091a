//! One subscription as it is shown: what is known of it, in which words, and what is not known.
//!
//! Pure. Does not change a state.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::config::settings::SubscriptionKey;
use ditto_core::port::{GroupSeen, LogPosition, LogStatus, PipelineState, Side, Status};

/// What was seen of a group counts as known for so long: it is looked at every 5 s, and every 30 s while its subscription is
/// stopped.
const KNOWN_FOR: Duration = Duration::from_secs(45);

/// Ticks of 100 ns in a second.
pub(super) const TICKS_PER_SECOND: i64 = 10_000_000;

/// One subscription as last heard of.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    /// Stream and group.
    pub key: SubscriptionKey,
    /// State, as last reported.
    pub state: PipelineState,
    /// Stopped, and not checked again before a reload or a restart.
    pub needs_reload: bool,
    /// When the state began.
    pub since: Instant,
    /// Last reading of the core in this run; `None` before the first.
    pub status: Option<Status>,
    /// The group as last read in this run, and when; `None` before the first time.
    pub group: Option<(GroupSeen, Instant)>,
    /// Position of the last record of a mirror's source, and when it was read in this run; `None` before the first time.
    pub log_end: Option<(LogPosition, Instant)>,
    /// Where the source ended when it was first seen.
    pub(super) goal: Option<Goal>,
    /// When the source stored the oldest event that is not acknowledged. Kept while there is a lag and nothing is
    /// delivered: the oldest open event is no younger then.
    pub(super) oldest_open: Option<i64>,
    /// Events copied since the start of the process.
    pub copied: u64,
    /// Copied events that were read from the source to close a gap.
    pub repaired: u64,
    /// Events copied per second, over the last few samples.
    pub rate: f64,
    /// Restarts after a panic or a stall.
    pub restarts: u64,
    /// Last error of the source and of the destination; empty before the first.
    pub(super) troubles: [String; 2],
    /// Last error of any origin, and when; `None` before the first.
    pub last_error: Option<(String, Instant)>,
    /// Last restart; `None` before the first.
    pub failure: Option<Failure>,
}

/// Where a source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// Number of the last event of a subscription's stream; `None`: it had none.
    Number(Option<u64>),
    /// Position of the log's last record.
    Position(LogPosition),
}

/// An unplanned end of a run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Text for the operator.
    pub text: String,
    /// The run made no progress: `/healthz` fails until the new one does.
    pub is_stall: bool,
    /// The progress of the new run when it began; `None` before its first reading.
    pub(super) progress: Option<u64>,
}

impl SubscriptionView {
    /// The group, if it was seen a moment ago and the source answers.
    fn group_now(&self) -> Option<&GroupSeen> {
        let (group, seen) = self.group.as_ref()?;
        let answers = self.answers(Side::Source);
        (answers != Some(false) && seen.elapsed() < KNOWN_FOR).then_some(group)
    }

    /// Returns the number of events in the group's parked queue; `None` while that is not known.
    #[must_use]
    pub fn parked(&self) -> Option<u64> {
        self.group_now().map(GroupSeen::parked_events)
    }

    /// Returns the lag in events; `None` while that is not known.
    #[must_use]
    pub fn lag_events(&self) -> Option<u64> {
        let group = self.group_now()?;
        let status = self.status.as_ref();
        let last = status
            .and_then(|status| status.last_number)
            .max(group.last_number);
        let Some(last) = last else {
            return Some(0);
        };
        let done = status
            .and_then(|status| status.done_up_to)
            .max(group.checkpoint);
        // Numbers before the group's start are nobody's; from "end" on there is nothing before the first delivery.
        let first_open = done
            .map(|done| done + 1)
            .or(group.start)
            .unwrap_or(last + 1);
        Some((last + 1).saturating_sub(first_open))
    }

    /// How far a mirror is; `None` of a subscription, and before the first reading.
    #[must_use]
    pub fn log(&self) -> Option<&LogStatus> {
        self.status.as_ref()?.log.as_ref()
    }

    /// Returns whether a mirror has copied all that its source had; `None` of a subscription, and while that is not known.
    #[must_use]
    pub fn is_caught_up(&self) -> Option<bool> {
        let log = self.log()?;
        (self.answers(Side::Source) != Some(false)).then_some(log.caught_up && log.open == 0)
    }

    /// Returns the bytes of the source's log after a mirror's mark, of all streams; `None` of a subscription, and while that is
    /// not known.
    #[must_use]
    pub fn lag_bytes(&self) -> Option<u64> {
        let (end, seen) = self.log_end?;
        let log = self.log()?;
        let is_known = self.answers(Side::Source) != Some(false) && seen.elapsed() < KNOWN_FOR;
        let mark = log.mark.map_or(0, |mark| mark.commit);
        is_known.then(|| end.commit.saturating_sub(mark))
    }

    /// Whether all is copied that the source had when it was first seen, but for streams that are held.
    #[must_use]
    pub fn has_reached_goal(&self) -> bool {
        let status = self.status.as_ref();
        let reached = match self.goal {
            None => return false,
            Some(Goal::Number(last)) => status.is_some_and(|status| status.done_up_to >= last),
            Some(Goal::Position(end)) => self.log().is_some_and(|log| log.mark >= Some(end)),
        };
        let is_open = status.is_none_or(|status| status.events_buffered > 0);
        reached || (self.is_done() && !is_open)
    }

    /// Whether nothing is left to copy.
    pub(super) fn is_done(&self) -> bool {
        self.is_caught_up() == Some(true) || self.lag_events() == Some(0)
    }

    /// Whether the lag is known.
    fn knows_lag(&self) -> bool {
        match self.log() {
            Some(log) => self.is_caught_up() == Some(true) || log.open > 0,
            None => self.lag_events().is_some(),
        }
    }

    /// Returns the age of the oldest event that is not acknowledged, zero if there is none; `None` while the lag is not known.
    #[must_use]
    pub fn lag_time(&self, now: SystemTime) -> Option<Duration> {
        if !self.knows_lag() {
            return None;
        }
        let Some(ticks) = self.oldest_open else {
            return Some(Duration::ZERO);
        };
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let created = Duration::from_secs((ticks / TICKS_PER_SECOND).try_into().unwrap_or(0));
        Some(since_epoch.saturating_sub(created))
    }

    /// Returns whether both sides are connected, or this is a standby that can take over.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self.state {
            PipelineState::Running => true,
            PipelineState::Standby => self.answers(Side::Destination) != Some(false),
            _ => false,
        }
    }

    /// Returns whether this side answers; `None` before it answered or failed to.
    #[must_use]
    pub fn answers(&self, side: Side) -> Option<bool> {
        // A change of state is told at once, a reading comes once a second.
        match &self.state {
            PipelineState::Retrying(away) if *away == side => return Some(false),
            PipelineState::Running => return Some(true),
            _ => {}
        }
        let status = self.status.as_ref()?;
        match side {
            Side::Source => status.source_answers,
            Side::Destination => status.destination_answers,
        }
    }

    /// Returns whether the last run made no progress, and the new one has made none yet.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.failure
            .as_ref()
            .is_some_and(|failure| failure.is_stall)
    }

    /// Returns the reason for the state; empty if it needs none.
    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.state {
            PipelineState::Connecting => self.failure.as_ref().map_or("", |failure| &failure.text),
            PipelineState::Running => "",
            PipelineState::Retrying(side) => {
                match (side, self.troubles[side_index(*side)].as_str()) {
                    (Side::Source, "") => "the source does not answer",
                    (Side::Destination, "") => "the destination does not answer",
                    (_, trouble) => trouble,
                }
            }
            PipelineState::Standby if !self.is_ready() => self.key.words(
                "another consumer has the group, and the destination does not answer",
                "another process has the mirror, and the destination does not answer",
            ),
            PipelineState::Standby => self.key.words(
                "another consumer has the group",
                "another process has the mirror",
            ),
            PipelineState::Searching(text) | PipelineState::Stopped(text) => text,
        }
    }
}

pub(super) fn side_index(side: Side) -> usize {
    match side {
        Side::Source => 0,
        Side::Destination => 1,
    }
}
