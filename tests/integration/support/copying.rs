//! A pipeline under way between two servers, and what it told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ditto::config::cluster::ClusterSettings;
use ditto::config::settings::{
    DaemonSettings, Destination, HttpSettings, LogSettings, NewGroup, Replication, Settings,
    SubscriptionSettings,
};
use ditto::daemon::{Launch, Launcher, Run};
use ditto::metrics::Metrics;
use ditto::pipeline::replicate::Outcome;
use ditto::report::{Listener, Observer};
use ditto_core::event::StreamName;
use ditto_core::port::{PipelineState, Report};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::servers::cluster;
use support::servers::Servers;

pub(crate) const BUDGET: usize = 64 * 1024 * 1024;

/// A subscription with ditto's defaults: created when missing.
pub(crate) fn subscription(stream: &str, group: &str) -> SubscriptionSettings {
    SubscriptionSettings {
        stream: StreamName::from(stream),
        group: group.into(),
        create: true,
        new_group: NewGroup::default(),
        accept_unseen_below: 0,
        replication: Replication::default(),
    }
}

/// With `RUST_LOG` set, shows what the pipelines log.
fn log() {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        // The first test of the process has done it already.
        drop(
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_test_writer()
                .try_init(),
        );
    }
}

/// One pipeline.
pub(crate) struct Copying {
    task: JoinHandle<Outcome>,
    stop: watch::Sender<Option<Instant>>,
    _budget: watch::Sender<usize>,
    pub(crate) seen: Arc<Recorder>,
}

impl Copying {
    /// Starts it.
    pub(crate) fn start(servers: &Servers, settings: SubscriptionSettings) -> Self {
        Self::with_budget(servers, settings, BUDGET)
    }

    /// Starts it with so many bytes to hold.
    pub(crate) fn with_budget(
        servers: &Servers,
        settings: SubscriptionSettings,
        bytes: usize,
    ) -> Self {
        let (source, destination) = (cluster(&servers.source), cluster(&servers.destination));
        Self::between(source, destination, settings, bytes)
    }

    /// Starts it between servers as configured.
    pub(crate) fn between(
        source: ClusterSettings,
        destination: ClusterSettings,
        settings: SubscriptionSettings,
        bytes: usize,
    ) -> Self {
        log();
        let (stop, stopping) = watch::channel(None);
        let (budget, budgeted) = watch::channel(bytes);
        let seen = Arc::new(Recorder::default());
        let asked = Settings {
            source,
            destination: Destination::EventStore(destination),
            daemon: DaemonSettings::default(),
            subscriptions: Vec::new(),
            http: HttpSettings::default(),
            log: LogSettings::default(),
        };
        let launcher = Launcher::new(&asked, Metrics::new().unwrap());
        let run = launcher.launch(Run {
            settings,
            observer: Observer::heard_by(seen.clone()),
            budget: budgeted,
            stop: stopping,
        });
        Self {
            task: tokio::spawn(run),
            stop,
            _budget: budget,
            seen,
        }
    }

    /// Asks it to stop within ten seconds, and waits.
    pub(crate) async fn stop(mut self) -> Outcome {
        self.stop
            .send_replace(Some(Instant::now() + Duration::from_secs(10)));
        (&mut self.task).await.unwrap()
    }

    /// Waits until it ends by itself, which may need the minute after which a standstill is noticed.
    pub(crate) async fn end(mut self) -> Outcome {
        tokio::time::timeout(Duration::from_secs(150), &mut self.task)
            .await
            .unwrap()
            .unwrap()
    }

    /// Waits for a state.
    pub(crate) async fn until_state(&self, what: &str, wanted: impl Fn(&PipelineState) -> bool) {
        super::until(what, || match self.seen.state() {
            Some(state) if wanted(&state) => Ok(()),
            other => Err(format!("it is {other:?}")),
        })
        .await;
    }

    /// Waits until it runs.
    pub(crate) async fn until_running(&self) {
        self.until_state("it runs", |state| *state == PipelineState::Running)
            .await;
    }
}

/// As a process that is killed.
impl Drop for Copying {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Remembers everything that it was told.
#[derive(Default)]
pub(crate) struct Recorder {
    reports: Mutex<Vec<Report>>,
}

impl Recorder {
    /// The present state.
    pub(crate) fn state(&self) -> Option<PipelineState> {
        let reports = self.reports.lock().unwrap();
        reports.iter().rev().find_map(|report| match report {
            Report::State(state) => Some(state.clone()),
            _ => None,
        })
    }

    /// How often the test matches what was told.
    pub(crate) fn count(&self, test: impl Fn(&Report) -> bool) -> usize {
        self.reports
            .lock()
            .unwrap()
            .iter()
            .filter(|report| test(report))
            .count()
    }

    /// Where in what was told the first of this kind is.
    pub(crate) fn first(&self, test: impl Fn(&Report) -> bool) -> Option<usize> {
        self.reports.lock().unwrap().iter().position(test)
    }

    /// Where the last is.
    pub(crate) fn last(&self, test: impl Fn(&Report) -> bool) -> Option<usize> {
        self.reports.lock().unwrap().iter().rposition(test)
    }

    /// Events told as copied.
    pub(crate) fn copied(&self) -> usize {
        let reports = self.reports.lock().unwrap();
        reports
            .iter()
            .map(|report| match report {
                Report::Copied { events, .. } => events.len(),
                _ => 0,
            })
            .sum()
    }
}

impl Listener for Recorder {
    fn report(&self, what: &Report) {
        self.reports.lock().unwrap().push(what.clone());
    }
}
