//! Keeps one subscription or mirror in the state that is wanted: running with these settings, or stopped.
//!
//! One task per key, so the old form has always ended before the new one joins. A run that ends unasked, by
//! a panic or a stall, is started again. Never gives up.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::launch::{Launch, Run};
use crate::config::settings::{PipelineSettings, SubscriptionKey};
use crate::log::message_id;
use crate::metrics::SubscriptionMetrics;
use crate::pipeline::replicate::Outcome;
use crate::report::Observer;
use crate::status::Entry;
use ditto_core::port::PipelineState;

/// After its deadline a run gets this long before it is cut off.
const GRACE: Duration = Duration::from_secs(2);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A run that lasted longer did not fail at once: the next pause is short again.
const LASTED: Duration = Duration::from_secs(60);

/// What a subscription task has to bring about.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Run with these settings.
    Run(Arc<PipelineSettings>),
    /// Be stopped by then.
    Stop(Instant),
}

/// What a subscription task works with.
pub(super) struct SubscriptionTask {
    pub(super) key: SubscriptionKey,
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) budget: watch::Receiver<usize>,
    /// Changes when an operator has reloaded: what rests is tried again at once.
    pub(super) reloads: watch::Receiver<u64>,
    pub(super) entry: Arc<Entry>,
    pub(super) metrics: Arc<SubscriptionMetrics>,
    pub(super) launcher: Arc<dyn Launch>,
    pub(super) pipelines: Handle,
    /// How long a run may take to stop when its settings change.
    pub(super) drain: Duration,
}

/// How a run ended, seen from outside.
type Ended = Result<Outcome, JoinError>;

impl SubscriptionTask {
    /// Works until a stop is wanted and done. True if everything in flight was brought to an answer.
    pub(super) async fn keep(mut self) -> bool {
        let mut pause = SHORTEST_PAUSE;
        let mut clean = true;
        loop {
            let settings = match self.wanted.borrow_and_update().clone() {
                Wanted::Stop(_) => return clean,
                Wanted::Run(settings) => settings,
            };
            let began = Instant::now();
            let mut run = self.start(&settings);
            let ended = tokio::select! {
                ended = run.ended() => ended,
                () = changed(&mut self.wanted, &settings) => {
                    clean = self.stop(run).await;
                    continue;
                }
            };
            if began.elapsed() > LASTED {
                pause = SHORTEST_PAUSE;
            }
            let until = self.judge(ended, pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.rest(until, &settings).await;
        }
    }

    fn start(&self, settings: &PipelineSettings) -> Started {
        self.entry.begin();
        let (stop, stopped) = watch::channel(None);
        let running = self.launcher.launch(Run {
            settings: settings.clone(),
            observer: Observer::new(self.entry.clone(), self.metrics.clone()),
            budget: self.budget.clone(),
            stop: stopped,
        });
        let mut task = JoinSet::new();
        task.spawn_on(running, &self.pipelines);
        Started { task, stop }
    }

    /// Brings a run to its end: by the wanted deadline, or by a nearer one that is wanted meanwhile.
    async fn stop(&mut self, mut run: Started) -> bool {
        loop {
            let deadline = match *self.wanted.borrow_and_update() {
                Wanted::Stop(deadline) => deadline,
                Wanted::Run(_) => Instant::now() + self.drain,
            };
            let nearer = |known: &mut Option<Instant>| {
                let is_nearer = known.is_none_or(|known| deadline < known);
                if is_nearer {
                    *known = Some(deadline);
                }
                is_nearer
            };
            run.stop.send_if_modified(nearer);
            let deadline = run.stop.borrow().unwrap_or(deadline);
            tokio::select! {
                ended = run.ended() => {
                    return match ended {
                        Ok(Outcome::Stopped { clean, .. }) => clean,
                        Ok(Outcome::Refused(_)) => true,
                        Ok(Outcome::Stalled) | Err(_) => false,
                    };
                }
                _ = self.wanted.changed() => {}
                () = sleep_until(deadline + GRACE) => {
                    warn!(
                        ditto.stream = %self.key.stream,
                        ditto.group = %self.key.group,
                        ditto.reason = "the time to stop was over",
                        "{}",
                        self.key.words(
                            "the subscription did not stop in time; ending it at once",
                            "the mirror did not stop in time; ending it at once",
                        )
                    );
                    return false;
                }
            }
        }
    }

    /// Says how a run ended that nobody stopped. Returns when to try again; `None`: not before something else is wanted.
    fn judge(&self, ended: Ended, pause: Duration) -> Option<Instant> {
        self.entry.ended();
        let (text, is_stall) = match ended {
            Ok(Outcome::Refused(text)) => {
                error!(
                    message_id = message_id::SUBSCRIPTION_STOPPED,
                    ditto.stream = %self.key.stream,
                    ditto.group = %self.key.group,
                    ditto.reason = %text,
                    "{}",
                    self.key.words(
                        "subscription stopped; it needs a reload or restart",
                        "mirror stopped; it needs a reload or restart",
                    )
                );
                self.entry.stopped_for_good(text);
                return None;
            }
            Ok(Outcome::Stopped { .. }) => ("it ended unexpectedly".to_owned(), false),
            Ok(Outcome::Stalled) => ("it made no progress".to_owned(), true),
            Err(error) if error.is_panic() => ("it panicked".to_owned(), false),
            Err(_) => ("it was cancelled".to_owned(), false),
        };
        let pause = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        error!(
            message_id = message_id::SUBSCRIPTION_RESTARTED,
            ditto.stream = %self.key.stream,
            ditto.group = %self.key.group,
            ditto.reason = %text,
            ditto.pause_ms = pause.as_millis(),
            "{}",
            self.key.words(
                "the subscription failed; restarting it with new connections",
                "the mirror failed; restarting it with new connections",
            )
        );
        self.metrics.count(|series| &series.restarts, 1);
        self.entry.failed(text, is_stall);
        self.entry.state(PipelineState::Connecting);
        Some(Instant::now() + pause)
    }

    async fn rest(&mut self, until: Option<Instant>, settings: &PipelineSettings) {
        let over = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        self.reloads.mark_unchanged();
        tokio::select! {
            () = over => {}
            () = changed(&mut self.wanted, settings) => {}
            Ok(()) = self.reloads.changed() => {}
        }
        let wanted = matches!(*self.wanted.borrow(), Wanted::Run(_));
        if until.is_none() && wanted {
            info!(
                ditto.stream = %self.key.stream,
                ditto.group = %self.key.group,
                "{}",
                self.key.words(
                    "reloaded; starting the stopped subscription again",
                    "reloaded; starting the stopped mirror again",
                )
            );
        }
    }
}

/// A run under way. Dropped, it is cut off.
struct Started {
    task: JoinSet<Outcome>,
    stop: watch::Sender<Option<Instant>>,
}

impl Started {
    async fn ended(&mut self) -> Ended {
        match self.task.join_next().await {
            Some(ended) => ended,
            // There is one task, and its end is taken once.
            None => std::future::pending().await,
        }
    }
}

/// Waits until something else than these settings is wanted. For ever if nobody is left to want anything: then the
/// subscription task is about to be dropped too.
async fn changed(wanted: &mut watch::Receiver<Wanted>, settings: &PipelineSettings) {
    let differs = |wanted: &Wanted| !matches!(wanted, Wanted::Run(other) if **other == *settings);
    if wanted.wait_for(differs).await.is_err() {
        std::future::pending().await
    }
}
