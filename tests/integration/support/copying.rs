//! A pipeline under way between two servers, and what an operator sees of it.

use std::sync::Arc;
use std::time::Duration;

use ditto::config::cluster::ClusterSettings;
use ditto::config::settings::{
    DaemonSettings, Destination, HttpSettings, LogSettings, NewGroup, PipelineSettings,
    Replication, Settings, SubscriptionSettings,
};
use ditto::daemon::{Launch, Launcher, Run};
use ditto::pipeline::replicate::Outcome;
use ditto_core::event::StreamName;
use ditto_core::port::PipelineState;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::heard::Heard;
use super::servers::cluster;
use super::shown::Shown;
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

pub(crate) struct Copying {
    task: JoinHandle<Outcome>,
    stop: watch::Sender<Option<Instant>>,
    _budget: watch::Sender<usize>,
    stream: StreamName,
    pub(crate) seen: Shown,
}

impl Copying {
    pub(crate) fn start(servers: &Servers, settings: SubscriptionSettings) -> Self {
        Self::with_budget(servers, settings, BUDGET)
    }

    /// Starts it with so many bytes to hold.
    pub(crate) fn with_budget(
        servers: &Servers,
        settings: impl Into<PipelineSettings>,
        bytes: usize,
    ) -> Self {
        let (source, destination) = (cluster(&servers.source), cluster(&servers.destination));
        Self::between(source, destination, settings, bytes)
    }

    /// Starts it between servers as configured.
    pub(crate) fn between(
        source: ClusterSettings,
        destination: ClusterSettings,
        settings: impl Into<PipelineSettings>,
        bytes: usize,
    ) -> Self {
        Self::observed(source, destination, settings, bytes, None)
    }

    /// Starts it between servers as configured, with somebody who hears of every single happening.
    pub(crate) fn heard_by(
        heard: &Arc<Heard>,
        source: ClusterSettings,
        destination: ClusterSettings,
        settings: impl Into<PipelineSettings>,
        bytes: usize,
    ) -> Self {
        Self::observed(source, destination, settings, bytes, Some(heard))
    }

    fn observed(
        source: ClusterSettings,
        destination: ClusterSettings,
        settings: impl Into<PipelineSettings>,
        bytes: usize,
        heard: Option<&Arc<Heard>>,
    ) -> Self {
        log();
        let settings = settings.into();
        let (stop, stopping) = watch::channel(None);
        let (budget, budgeted) = watch::channel(bytes);
        let seen = Shown::new(&settings.key());
        let observer = match heard {
            Some(heard) => seen.observer.clone().and_heard_by(heard.clone()),
            None => seen.observer.clone(),
        };
        let stream = settings.key().stream;
        let asked = Settings {
            source,
            destination: Destination::EventStore(destination),
            daemon: DaemonSettings::default(),
            subscriptions: Vec::new(),
            mirrors: Vec::new(),
            http: HttpSettings::default(),
            log: LogSettings::default(),
        };
        let launcher = Launcher::new(&asked, seen.metrics.clone());
        let run = launcher.launch(Run {
            settings,
            observer,
            budget: budgeted,
            stop: stopping,
        });
        Self {
            task: tokio::spawn(run),
            stop,
            _budget: budget,
            stream,
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
            state if wanted(&state) => Ok(()),
            state => Err(format!("it is {state:?}")),
        })
        .await;
    }

    /// Waits until it runs.
    pub(crate) async fn until_running(&self) {
        self.until_state("it runs", |state| *state == PipelineState::Running)
            .await;
    }

    /// Waits until the status shows that all that the subscription's stream has now is done, and with it every stream that this
    /// has left held.
    pub(crate) async fn until_done(&self, servers: &Servers) {
        let last = servers
            .source
            .store()
            .stream_info(self.stream.as_str())
            .last;
        super::until("the status shows that all is done", || {
            match self.seen.reading().and_then(|reading| reading.done_up_to) {
                done if done >= last => Ok(()),
                done => Err(format!("{done:?} of {last:?}")),
            }
        })
        .await;
    }

    /// Waits until all is done; then no stream may be held, and nothing may have been parked or passed.
    pub(crate) async fn until_done_without_loss(&self, servers: &Servers) {
        self.until_done(servers).await;
        assert_eq!(self.seen.held(), []);
        assert_eq!(self.seen.total("ditto_events_failed_total"), 0);
    }
}

/// As a process that is killed.
impl Drop for Copying {
    fn drop(&mut self) {
        self.task.abort();
    }
}
