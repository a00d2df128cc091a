//! The daemon's one loop: subscription tasks, reloads, readiness, status, watchdog, shutdown.
//!
//! Never runs a pipeline itself, and never waits for one.

mod shutdown;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use tracing::{error, info};

use super::budget::shares;
use super::launch::Launch;
use super::notify::Notifier;
use super::reading::{Load, Reading, report};
use super::reload::{Reload, plan};
use super::runtime::Pulse;
use super::signals::Control;
use super::subscription_task::{SubscriptionTask, Wanted};
use crate::config::load::Loaded;
use crate::config::settings::{PipelineSettings, Settings, SubscriptionKey};
use crate::log::{Log, message_id};
use crate::metrics::Metrics;
use crate::status::{Entry, ProcessStatus, Verdict};
use ditto_core::port::PipelineState;
use ditto_values::problem::Problems;

/// READY is said after this long even if a subscription has not been heard of.
const LONGEST_START: Duration = Duration::from_secs(10);
/// Budget, metrics and the pipelines' pulse are looked after this often, or as often as the watchdog needs.
const TICK: Duration = Duration::from_millis(500);

/// What the supervisor works with.
pub struct Parts {
    /// Starts runs of pipelines.
    pub launcher: Arc<dyn Launch>,
    /// Where they run.
    pub pipelines: Handle,
    /// The state of the process and of each pipeline, which all views show.
    pub status: Arc<ProcessStatus>,
    /// Every series that `/metrics` serves.
    pub metrics: Arc<Metrics>,
    /// The way to systemd.
    pub notifier: Notifier,
    /// What to do; a closed channel means stop.
    pub control: mpsc::Receiver<Control>,
    /// Reads the configuration anew.
    pub load: Load,
    /// For the log's level and its losses; `None` in tests.
    pub log: Option<Arc<Log>>,
    /// The configuration file, for messages.
    pub file: PathBuf,
    /// End once all is copied that the sources had at the start.
    pub until_caught_up: bool,
}

/// How the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finish {
    /// Whether everything in flight was brought to an answer.
    pub clean: bool,
    /// Streams that are held.
    pub held: usize,
    /// It was to end once all is copied, and something cannot be copied before an operator acts.
    pub stuck: bool,
}

/// Runs until told to stop.
pub async fn run(settings: Settings, parts: Parts) -> Finish {
    let mut supervisor = Supervisor::new(settings, parts);
    supervisor.begin();
    supervisor.work().await;
    supervisor.stop().await
}

struct Supervisor {
    settings: Settings,
    parts: Parts,
    kept: BTreeMap<SubscriptionKey, Kept>,
    subscription_tasks: JoinSet<(SubscriptionKey, bool)>,
    reading: Reading,
    pulse: Pulse,
    ticks: Interval,
    /// Until READY was said.
    ready_by: Option<Instant>,
}

/// One subscription or mirror in the supervisor's books.
struct Kept {
    wanted: watch::Sender<Wanted>,
    budget: watch::Sender<usize>,
    reloads: watch::Sender<u64>,
    entry: Arc<Entry>,
    /// Wanted again while its subscription task was ending.
    next: Option<Arc<PipelineSettings>>,
}

impl Supervisor {
    fn new(settings: Settings, parts: Parts) -> Self {
        let wanted = parts.notifier.watchdog_interval();
        let period = wanted.map_or(TICK, |limit| limit.min(TICK));
        let mut ticks = interval(period.max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            settings,
            pulse: Pulse::new(parts.pipelines.clone()),
            parts,
            kept: BTreeMap::new(),
            subscription_tasks: JoinSet::new(),
            reading: Reading::default(),
            ticks,
            ready_by: Some(Instant::now() + LONGEST_START),
        }
    }

    fn begin(&mut self) {
        self.configured();
        let pipelines: Vec<_> = self.settings.pipelines().collect();
        if pipelines.is_empty() {
            info!(ditto.file = %self.parts.file.display(), "no subscriptions or mirrors configured; waiting for a reload");
        }
        for pipeline in pipelines {
            self.add(pipeline);
        }
    }

    async fn work(&mut self) {
        let mut changes = self.parts.status.watch();
        changes.mark_changed();
        loop {
            tokio::select! {
                control = self.parts.control.recv() => match control {
                    Some(Control::Reload) => self.begin_reload(),
                    Some(Control::Stop) | None => return,
                },
                loaded = self.reading.end() => self.reload(loaded),
                Ok(()) = changes.changed() => self.report(),
                _ = self.ticks.tick() => {
                    self.tick();
                    if self.parts.until_caught_up && self.has_come_to_its_end() {
                        return;
                    }
                }
                Some(ended) = self.subscription_tasks.join_next() => self.subscription_task_ended(ended),
            }
        }
    }

    fn add(&mut self, settings: PipelineSettings) {
        let key = settings.key();
        let entry = self.parts.status.add(&key);
        let (wanted, wanted_by_task) = watch::channel(Wanted::Run(Arc::new(settings)));
        let (budget, budget_of_run) = watch::channel(self.settings.daemon.max_buffered_bytes / 2);
        let (reloads, reloads_for_task) = watch::channel(0);
        let subscription_task = SubscriptionTask {
            key: key.clone(),
            wanted: wanted_by_task,
            budget: budget_of_run,
            reloads: reloads_for_task,
            entry: entry.clone(),
            metrics: self
                .parts
                .metrics
                .subscription(key.stream.as_str(), &key.group),
            launcher: self.parts.launcher.clone(),
            pipelines: self.parts.pipelines.clone(),
            drain: self.settings.daemon.shutdown_timeout,
        };
        let named = key.clone();
        self.subscription_tasks
            .spawn(async move { (named, subscription_task.keep().await) });
        self.kept.insert(
            key,
            Kept {
                wanted,
                budget,
                reloads,
                entry,
                next: None,
            },
        );
        self.share_budget();
    }

    /// A subscription task ends when its subscription or mirror was removed; anything else is a mistake in ditto, and mended.
    fn subscription_task_ended(
        &mut self,
        ended: Result<(SubscriptionKey, bool), tokio::task::JoinError>,
    ) {
        let keys: Vec<SubscriptionKey> = match ended {
            Ok((key, _)) => vec![key],
            // Whose it was is not told: it is the one whose receiver is gone.
            Err(error) => {
                error!(message_id = message_id::SUBSCRIPTION_RESTARTED, ditto.reason = %error, "a subscription's supervisor task failed; restarting it");
                let gone = |kept: &Kept| kept.wanted.is_closed();
                let those = self.kept.iter().filter(|(_, kept)| gone(kept));
                those.map(|(key, _)| key.clone()).collect()
            }
        };
        for key in keys {
            let Some(kept) = self.kept.remove(&key) else {
                continue;
            };
            self.parts.status.remove(&key);
            let again = match (kept.next, &*kept.wanted.borrow()) {
                (Some(next), _) => Some(next),
                (None, Wanted::Run(settings)) => Some(settings.clone()),
                (None, Wanted::Stop(_)) => None,
            };
            match again {
                Some(settings) => self.add((*settings).clone()),
                None => {
                    let text = key.words("the subscription was removed", "the mirror was removed");
                    info!(ditto.stream = %key.stream, ditto.group = %key.group, "{text}");
                }
            }
        }
        self.share_budget();
    }

    fn begin_reload(&mut self) {
        // First of all, before any reading: systemctl may already be waiting for it.
        self.parts.notifier.reloading();
        self.reading.begin(&self.parts.load, &self.parts.file);
    }

    fn reload(&mut self, loaded: Result<Loaded, Problems>) {
        loaded.iter().for_each(report);
        let outcome = plan(&self.settings, loaded);
        let verdict = match outcome {
            Reload::Unchanged => {
                info!(ditto.file = %self.parts.file.display(), "the configuration is unchanged");
                Verdict::Unchanged
            }
            Reload::Apply(change) => {
                let (settings, difference) = *change;
                info!(
                    message_id = message_id::RELOADED,
                    ditto.file = %self.parts.file.display(),
                    ditto.added = difference.added.len(),
                    ditto.removed = difference.removed.len(),
                    ditto.changed = difference.changed.len(),
                    "the new configuration is in use"
                );
                self.settings = settings;
                self.apply(difference);
                self.configured();
                Verdict::Applied
            }
            Reload::Refused(lines) => {
                for line in &lines {
                    error!(
                        message_id = message_id::RELOAD_REFUSED,
                        "the new configuration is refused; keeping the old one: {line}"
                    );
                }
                Verdict::Refused(lines)
            }
        };
        if !matches!(verdict, Verdict::Refused(_)) {
            for kept in self.kept.values() {
                kept.reloads.send_modify(|count| *count += 1);
            }
        }
        self.parts.metrics.process.reload(&verdict);
        self.parts.status.reloaded(verdict);
        if self.ready_by.is_none() {
            let status = self.parts.status.summary();
            self.parts.notifier.ready(&status);
        }
    }

    fn apply(&mut self, difference: crate::config::diff::Difference) {
        if let (Some(log), Some(settings)) = (&self.parts.log, &difference.log) {
            log.set_level(&settings.level);
        }
        let deadline = Instant::now() + self.settings.daemon.shutdown_timeout;
        for key in difference.removed {
            if let Some(kept) = self.kept.get_mut(&key) {
                kept.next = None;
                kept.wanted.send_replace(Wanted::Stop(deadline));
            }
        }
        for settings in difference.added.into_iter().chain(difference.changed) {
            match self.kept.get_mut(&settings.key()) {
                // Removed a moment ago and still ending: its subscription task may have seen that already.
                Some(kept) if matches!(*kept.wanted.borrow(), Wanted::Stop(_)) => {
                    kept.next = Some(Arc::new(settings));
                }
                Some(kept) => {
                    kept.wanted.send_replace(Wanted::Run(Arc::new(settings)));
                }
                None => self.add(settings),
            }
        }
    }

    fn configured(&self) {
        self.parts.metrics.process.configured(SystemTime::now());
    }

    fn tick(&mut self) {
        self.feed_watchdog();
        if let Some(log) = &self.parts.log {
            let process = &self.parts.metrics.process;
            process.lines_dropped(log.dropped());
            if let Some(lines) = log.otlp() {
                process.otlp_lines(lines.sent, lines.dropped);
            }
        }
        self.share_budget();
        self.parts.status.sample(Instant::now());
        self.report();
    }

    /// All is copied, or cannot be.
    fn has_come_to_its_end(&self) -> bool {
        let views = self.parts.status.views();
        views
            .iter()
            .all(|view| view.has_reached_goal() || view.needs_reload)
    }

    /// Only if the pipelines' runtime lives too: a frozen one is what the watchdog is for.
    fn feed_watchdog(&mut self) {
        if self.pulse.is_beating() {
            self.parts.status.beat();
            self.parts.notifier.watchdog();
        }
    }

    fn report(&mut self) {
        let views = self.parts.status.views();
        let status = self.parts.status.summary();
        let heard_of_all = views
            .iter()
            .all(|view| view.state != PipelineState::Connecting);
        if self
            .ready_by
            .is_some_and(|by| heard_of_all || Instant::now() >= by)
        {
            self.ready_by = None;
            info!(ditto.status = %status, "ready");
            self.parts.notifier.ready(&status);
        } else {
            self.parts.notifier.status(&status);
        }
    }

    fn share_budget(&self) {
        let used: Vec<usize> = self
            .kept
            .values()
            .map(|kept| kept.entry.bytes_buffered())
            .collect();
        let shares = shares(self.settings.daemon.max_buffered_bytes, &used);
        let events = shares.iter().map(|share| ditto_core::events_of(*share));
        self.parts.metrics.process.buffered_limit(events.sum());
        for (kept, share) in self.kept.values().zip(shares) {
            kept.budget
                .send_if_modified(|known| std::mem::replace(known, share) != share);
        }
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
