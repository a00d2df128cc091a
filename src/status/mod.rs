//! What the process and every subscription are doing, as last heard: the one source of STATUS, readiness, `/status`, the page,
//! `ditto status` and every gauge. Those are views of it and have no state of their own.
//!
//! Written by observers, subscription tasks and the supervisor, read by everybody else. Never asks a server. What is not known is `None`.

mod history;
mod reload;
mod summary;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::settings::SubscriptionKey;
use ditto_core::port::{GroupSeen, LogPosition, PipelineState, Side, Status};

use history::History;
pub use history::Sample;
pub use reload::{LastReload, Verdict};
pub use summary::answers;
use summary::summary;
pub use view::{Failure, SubscriptionView};
use view::{Goal, side_index};

/// All subscriptions' present state.
#[derive(Debug)]
pub struct ProcessStatus {
    subscriptions: Mutex<BTreeMap<SubscriptionKey, Arc<Entry>>>,
    changes: watch::Sender<u64>,
    beat: Mutex<Instant>,
    reload: Mutex<Option<LastReload>>,
}

/// The status of one subscription, as its run and its task write it.
#[derive(Debug)]
pub(crate) struct Entry {
    view: Mutex<SubscriptionView>,
    history: Mutex<History>,
    changes: watch::Sender<u64>,
}

impl ProcessStatus {
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

    /// Returns a receiver that changes with every state.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns all subscriptions, by stream and group.
    #[must_use]
    pub fn views(&self) -> Vec<SubscriptionView> {
        self.lock()
            .values()
            .map(|entry| entry.view().clone())
            .collect()
    }

    /// Returns the last ten minutes of each subscription, by stream and group, oldest sample first.
    #[must_use]
    pub fn histories(&self) -> Vec<(SubscriptionKey, Vec<Sample>)> {
        self.lock()
            .iter()
            .map(|(key, entry)| (key.clone(), entry.history().samples()))
            .collect()
    }

    /// Adds a sample to each history that is due for one; to be called at least that often.
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
                needs_reload: false,
                since: Instant::now(),
                status: None,
                group: None,
                log_end: None,
                goal: None,
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

    /// Returns the line of `systemctl status`.
    #[must_use]
    pub fn summary(&self) -> String {
        summary(&self.views(), self.last_reload().as_ref())
    }

    /// Returns the last reload; `None` before the first.
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

    /// Returns the time since the pipelines' runtime last gave a sign of life.
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
        view.log_end = None;
        drop(view);
        self.state(PipelineState::Connecting);
    }

    pub(crate) fn state(&self, state: PipelineState) {
        self.set(state, false);
    }

    /// Stopped with this reason until a reload or a restart.
    pub(crate) fn stopped_for_good(&self, reason: String) {
        self.set(PipelineState::Stopped(reason), true);
    }

    fn set(&self, state: PipelineState, needs_reload: bool) {
        let mut view = self.view();
        if view.state != state || view.needs_reload != needs_reload {
            view.state = state;
            view.needs_reload = needs_reload;
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
        if status.oldest_created.is_some() || view.is_done() {
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
        let mut view = self.view();
        view.goal.get_or_insert(Goal::Number(group.last_number));
        view.group = Some((group.clone(), Instant::now()));
    }

    pub(crate) fn log_end(&self, end: Option<LogPosition>) {
        if let Some(end) = end {
            let mut view = self.view();
            view.goal.get_or_insert(Goal::Position(end));
            view.log_end = Some((end, Instant::now()));
        }
    }

    /// A request to a side failed.
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

fn changed(changes: &watch::Sender<u64>) {
    changes.send_modify(|count| *count += 1);
}

#[cfg(test)]
mod tests;
