//! What every subscription is doing, as last heard: the one source of STATUS, readiness, `/status` and lag.
//!
//! Written by observers and keepers, read by everybody else. Never asks a server.

mod history;
mod summary;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::settings::SubscriptionKey;
use ditto_core::port::{GroupSeen, PipelineState, Side, Status};

use history::History;
pub use history::Sample;
pub use summary::answers;
use summary::summary;

/// Ticks of 100 ns in a second.
const TICKS_PER_SECOND: i64 = 10_000_000;

/// All subscriptions' present state.
#[derive(Debug)]
pub struct Board {
    subscriptions: Mutex<BTreeMap<SubscriptionKey, Arc<Entry>>>,
    changes: watch::Sender<u64>,
    beat: Mutex<Instant>,
}

/// One subscription's place on the board.
#[derive(Debug)]
pub(super) struct Entry {
    view: Mutex<SubscriptionView>,
    history: Mutex<History>,
    changes: watch::Sender<u64>,
}

/// One subscription as last heard of.
#[derive(Clone, Debug)]
pub struct SubscriptionView {
    /// Which.
    pub key: SubscriptionKey,
    /// What it is doing.
    pub state: PipelineState,
    /// Since when.
    pub since: Instant,
    /// Its core's last reading in this run.
    pub status: Option<Status>,
    /// The group as last seen in this run, and when.
    pub group: Option<(GroupSeen, Instant)>,
    /// When the source stored the oldest event that is not acknowledged. Kept while there is a lag and nothing is
    /// delivered: the oldest open event is no younger then.
    oldest_open: Option<i64>,
    /// Events copied since the start of the process.
    pub copied: u64,
    /// Events copied in a second, over the last few samples.
    pub rate: f64,
    /// Times that it failed and was started again.
    pub restarts: u64,
    /// What the source and the destination last said against it.
    troubles: [String; 2],
    /// What was last said against it by whomever, and when.
    pub last_error: Option<(String, Instant)>,
    /// Why it last failed, and whether it has shown progress since.
    pub failure: Option<Failure>,
}

/// An unplanned end of a run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Text for the operator.
    pub text: String,
    /// It stood still: `/healthz` says so until something moves.
    pub is_stall: bool,
    /// The progress of the new run when it began; `None` before its first reading.
    progress: Option<u64>,
}

impl Board {
    /// An empty one.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            subscriptions: Mutex::default(),
            changes: watch::Sender::new(0),
            beat: Mutex::new(Instant::now()),
        })
    }

    /// Tells of every change of a state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// All subscriptions, by stream and group.
    #[must_use]
    pub fn views(&self) -> Vec<SubscriptionView> {
        self.lock()
            .values()
            .map(|entry| entry.view().clone())
            .collect()
    }

    /// The last ten minutes of each, by stream and group, oldest sample first.
    #[must_use]
    pub fn histories(&self) -> Vec<(SubscriptionKey, Vec<Sample>)> {
        self.lock()
            .iter()
            .map(|(key, entry)| (key.clone(), entry.history().samples()))
            .collect()
    }

    /// Notes for the histories how everybody is now; called at least as often as they have a sample.
    pub(super) fn sample(&self, now: Instant) {
        for entry in self.lock().values() {
            let mut view = entry.view();
            if let Some(rate) = entry.history().note(now, &view) {
                view.rate = rate;
            }
        }
    }

    pub(super) fn add(&self, key: &SubscriptionKey) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            view: Mutex::new(SubscriptionView {
                key: key.clone(),
                state: PipelineState::Connecting,
                since: Instant::now(),
                status: None,
                group: None,
                oldest_open: None,
                copied: 0,
                rate: 0.0,
                restarts: 0,
                troubles: Default::default(),
                last_error: None,
                failure: None,
            }),
            history: Mutex::default(),
            changes: self.changes.clone(),
        });
        self.lock().insert(key.clone(), entry.clone());
        changed(&self.changes);
        entry
    }

    pub(super) fn remove(&self, key: &SubscriptionKey) {
        self.lock().remove(key);
        changed(&self.changes);
    }

    /// The line of `systemctl status`.
    #[must_use]
    pub fn summary(&self) -> String {
        summary(&self.views())
    }

    /// How long ago the pipelines' runtime gave its last sign of life.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.beat
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    pub(super) fn beat(&self) {
        *self.beat.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SubscriptionKey, Arc<Entry>>> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn view(&self) -> MutexGuard<'_, SubscriptionView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new run begins: what the old one said is void.
    pub(super) fn begin(&self) {
        let mut view = self.view();
        view.status = None;
        view.group = None;
        drop(view);
        self.state(PipelineState::Connecting);
    }

    pub(super) fn state(&self, state: PipelineState) {
        let mut view = self.view();
        if view.state != state {
            view.state = state;
            view.since = Instant::now();
            drop(view);
            changed(&self.changes);
        }
    }

    pub(super) fn status(&self, status: &Status) {
        let mut view = self.view();
        if let Some(failure) = &mut view.failure {
            match failure.progress {
                None => failure.progress = Some(status.progress),
                Some(before) if status.progress > before => failure.is_stall = false,
                Some(_) => {}
            }
        }
        view.status = Some(status.clone());
        if status.oldest_created.is_some() || view.lag_events() == Some(0) {
            view.oldest_open = status.oldest_created;
        }
        drop(view);
        self.state(status.state.clone());
    }

    pub(super) fn group(&self, group: &GroupSeen) {
        self.view().group = Some((group.clone(), Instant::now()));
    }

    /// A side did not do what it was asked for.
    pub(super) fn trouble(&self, side: Side, text: &str) {
        let mut view = self.view();
        text.clone_into(&mut view.troubles[side_index(side)]);
        view.last_error = Some((text.to_owned(), Instant::now()));
    }

    pub(super) fn copied(&self, events: u64) {
        self.view().copied += events;
    }

    pub(super) fn failed(&self, text: String, is_stall: bool) {
        let mut view = self.view();
        view.restarts += 1;
        view.last_error = Some((text.clone(), Instant::now()));
        view.failure = Some(Failure {
            text,
            is_stall,
            progress: None,
        });
    }

    /// Lag in events and in time.
    pub(super) fn lag(&self, now: SystemTime) -> (Option<u64>, Duration) {
        let view = self.view();
        (view.lag_events(), view.lag_time(now))
    }

    /// Bytes held, for the budget.
    pub(super) fn bytes_buffered(&self) -> usize {
        let view = self.view();
        view.status
            .as_ref()
            .map_or(0, |status| status.bytes_buffered)
    }
}

impl SubscriptionView {
    /// Events of the subscription's stream that are not done; `None` until the group was seen.
    #[must_use]
    pub fn lag_events(&self) -> Option<u64> {
        let (group, _) = self.group.as_ref()?;
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

    /// Age of the oldest event that is not acknowledged; zero if there is none.
    #[must_use]
    pub fn lag_time(&self, now: SystemTime) -> Duration {
        let Some(ticks) = self.oldest_open else {
            return Duration::ZERO;
        };
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let created = Duration::from_secs((ticks / TICKS_PER_SECOND).try_into().unwrap_or(0));
        since_epoch.saturating_sub(created)
    }

    /// Connected on both sides, or on purpose not: nothing for an operator to do.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, PipelineState::Running | PipelineState::Standby)
    }

    /// Whether it stood still and has not moved since.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.failure
            .as_ref()
            .is_some_and(|failure| failure.is_stall)
    }

    /// Why it is in its state; empty if that needs no reason.
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
            PipelineState::Standby => "another consumer has the group",
            PipelineState::Searching(text) | PipelineState::Stopped(text) => text,
        }
    }
}

/// The word for a state, in status, metrics and STATUS.
#[must_use]
pub fn state_word(state: &PipelineState) -> &'static str {
    match state {
        PipelineState::Connecting => "connecting",
        PipelineState::Running => "running",
        PipelineState::Retrying(_) => "retrying",
        PipelineState::Standby => "standby",
        PipelineState::Searching(_) => "searching",
        PipelineState::Stopped(_) => "stopped",
    }
}

fn side_index(side: Side) -> usize {
    match side {
        Side::Source => 0,
        Side::Destination => 1,
    }
}

fn changed(changes: &watch::Sender<u64>) {
    changes.send_modify(|count| *count += 1);
}

#[cfg(test)]
mod tests;
