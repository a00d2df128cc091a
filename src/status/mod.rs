//! What the process and every subscription are doing, as last heard: the one source of STATUS, readiness, `/status`, the page,
//! `ditto status` and every gauge. Those are views of it and have no state of their own.
//!
//! Written by observers, keepers and the supervisor, read by everybody else. Never asks a server. What is not known is `None`.

mod history;
mod reload;
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
pub use reload::{LastReload, Verdict};
pub use summary::answers;
use summary::summary;

/// What was seen of a group counts as known for so long: it is looked at every 5 s, and every 30 s while its subscription is
/// stopped.
const KNOWN_FOR: Duration = Duration::from_secs(45);

/// Ticks of 100 ns in a second.
const TICKS_PER_SECOND: i64 = 10_000_000;

/// All subscriptions' present state.
#[derive(Debug)]
pub struct Board {
    subscriptions: Mutex<BTreeMap<SubscriptionKey, Arc<Entry>>>,
    changes: watch::Sender<u64>,
    beat: Mutex<Instant>,
    reload: Mutex<Option<LastReload>>,
}

/// One subscription's place on the board.
#[derive(Debug)]
pub(crate) struct Entry {
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
    /// Those of them that were read from the source to close a gap.
    pub repaired: u64,
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
            reload: Mutex::default(),
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
    pub(crate) fn sample(&self, now: Instant) {
        for entry in self.lock().values() {
            let mut view = entry.view();
            if let Some(rate) = entry.history().note(now, &view) {
                view.rate = rate;
            }
        }
    }

    pub(crate) fn add(&self, key: &SubscriptionKey) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            view: Mutex::new(SubscriptionView {
                key: key.clone(),
                state: PipelineState::Connecting,
                since: Instant::now(),
                status: None,
                group: None,
                oldest_open: None,
                copied: 0,
                repaired: 0,
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

    pub(crate) fn remove(&self, key: &SubscriptionKey) {
        self.lock().remove(key);
        changed(&self.changes);
    }

    /// The line of `systemctl status`.
    #[must_use]
    pub fn summary(&self) -> String {
        summary(&self.views(), self.last_reload().as_ref())
    }

    /// The last reload; `None` before the first.
    #[must_use]
    pub fn last_reload(&self) -> Option<LastReload> {
        self.reload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn reloaded(&self, verdict: Verdict) {
        let mut last = self.reload.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(LastReload::after(last.as_ref(), verdict));
        drop(last);
        changed(&self.changes);
    }

    /// How long ago the pipelines' runtime gave its last sign of life.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.beat
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }

    pub(crate) fn beat(&self) {
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
    pub(crate) fn begin(&self) {
        let mut view = self.view();
        view.status = None;
        view.group = None;
        drop(view);
        self.state(PipelineState::Connecting);
    }

    pub(crate) fn state(&self, state: PipelineState) {
        let mut view = self.view();
        if view.state != state {
            view.state = state;
            view.since = Instant::now();
            drop(view);
            changed(&self.changes);
        }
    }

    pub(crate) fn status(&self, status: &Status) {
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

    /// The run is over: nothing is in flight or in memory any more.
    pub(crate) fn ended(&self) {
        if let Some(status) = &mut self.view().status {
            status.appends_in_flight = 0;
            status.events_in_flight = 0;
            status.events_buffered = 0;
            status.bytes_buffered = 0;
            status.repairs = 0;
        }
    }

    pub(crate) fn group(&self, group: &GroupSeen) {
        self.view().group = Some((group.clone(), Instant::now()));
    }

    /// A side did not do what it was asked for.
    pub(crate) fn trouble(&self, side: Side, text: &str) {
        let mut view = self.view();
        text.clone_into(&mut view.troubles[side_index(side)]);
        view.last_error = Some((text.to_owned(), Instant::now()));
    }

    pub(crate) fn copied(&self, events: u64, repaired: u64) {
        let mut view = self.view();
        view.copied += events;
        view.repaired += repaired;
    }

    pub(crate) fn failed(&self, text: String, is_stall: bool) {
        let mut view = self.view();
        view.restarts += 1;
        view.last_error = Some((text.clone(), Instant::now()));
        view.failure = Some(Failure {
            text,
            is_stall,
            progress: None,
        });
    }

    /// Bytes held, for the budget.
    pub(crate) fn bytes_buffered(&self) -> usize {
        let view = self.view();
        view.status
            .as_ref()
            .map_or(0, |status| status.bytes_buffered)
    }
}

impl SubscriptionView {
    /// The group, if it was seen a moment ago and the source answers.
    fn group_now(&self) -> Option<&GroupSeen> {
        let (group, seen) = self.group.as_ref()?;
        let answers = self.answers(Side::Source);
        (answers != Some(false) && seen.elapsed() < KNOWN_FOR).then_some(group)
    }

    /// Events in the group's parked queue; `None` while that is not known.
    #[must_use]
    pub fn parked(&self) -> Option<u64> {
        self.group_now().map(GroupSeen::parked_events)
    }

    /// Events of the subscription's stream that are not done; `None` while that is not known.
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

    /// Age of the oldest event that is not acknowledged, zero if there is none; `None` while the lag is not known.
    #[must_use]
    pub fn lag_time(&self, now: SystemTime) -> Option<Duration> {
        self.lag_events()?;
        let Some(ticks) = self.oldest_open else {
            return Some(Duration::ZERO);
        };
        let since_epoch = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let created = Duration::from_secs((ticks / TICKS_PER_SECOND).try_into().unwrap_or(0));
        Some(since_epoch.saturating_sub(created))
    }

    /// Connected on both sides, or standing by and able to take over: nothing for an operator to do.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self.state {
            PipelineState::Running => true,
            PipelineState::Standby => self.answers(Side::Destination) != Some(false),
            _ => false,
        }
    }

    /// Whether this side answers it; `None` while it was not heard of.
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
            PipelineState::Standby if !self.is_ready() => {
                "another consumer has the group, and the destination does not answer"
            }
            PipelineState::Standby => "another consumer has the group",
            PipelineState::Searching(text) | PipelineState::Stopped(text) => text,
        }
    }
}

/// The words for all states.
pub const STATES: [&str; 6] = [
    "connecting",
    "running",
    "searching",
    "retrying",
    "standby",
    "stopped",
];

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
