//! Starts one run of a pipeline between the configured servers.
//!
//! Never decides when: that is the subscription task's.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::cluster::ClusterSettings;
use crate::config::settings::{
    Destination, KinesisSettings, MirrorSettings, PipelineSettings, ReadFrom, Settings,
    SubscriptionSettings,
};
use crate::destination::event_store::EventStore;
use crate::eventstore::Side;
use crate::eventstore::client::{Client, NodeRole, connection_name};
use crate::metrics::Metrics;
use crate::pipeline::replicate::{self, Outcome, Pipeline, core_settings, subscription_settings};
use crate::report::Observer;
use crate::source::log::Database;
use crate::source::persistent::Persistent;
use crate::{destination, source};
use ditto_core::LogSettings;
use ditto_core::port::log::Holder;

/// They change once a connection; what a scrape sees may be this old.
const CERTIFICATES_LOOKED_AT: Duration = Duration::from_secs(5);

/// What one run of a pipeline needs from the daemon.
pub struct Run {
    /// What to copy, and how.
    pub settings: PipelineSettings,
    /// Status and counters of the pipeline.
    pub observer: Observer,
    /// Bytes of events that the pipeline may hold.
    pub budget: watch::Receiver<usize>,
    /// `Some`: be done by then.
    pub stop: watch::Receiver<Option<Instant>>,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// A run under way.
pub type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Makes runs; a seam, so that the supervisor is tested without servers.
pub trait Launch: Send + Sync + 'static {
    /// Begins a run, with clients of its own. Polled on the pipelines' runtime.
    fn launch(&self, run: Run) -> Running;
}

/// Runs between the configured source and destination.
#[derive(Debug)]
pub struct Launcher {
    source: ClusterSettings,
    destination: Destination,
    metrics: Arc<Metrics>,
}

impl Launcher {
    /// Takes the two sides of the settings.
    #[must_use]
    pub fn new(settings: &Settings, metrics: Arc<Metrics>) -> Self {
        Self {
            source: settings.source.clone(),
            destination: settings.destination.clone(),
            metrics,
        }
    }
}

impl Launch for Launcher {
    fn launch(&self, run: Run) -> Running {
        match (run.settings.clone(), self.destination.clone()) {
            (
                PipelineSettings::Subscription(subscription),
                Destination::EventStore(destination),
            ) => self.to_event_store(run, subscription, destination),
            (PipelineSettings::Subscription(subscription), Destination::Kinesis(destination)) => {
                self.to_kinesis(run, subscription, destination)
            }
            (PipelineSettings::Mirror(mirror), Destination::EventStore(destination)) => {
                self.mirror_to_event_store(run, mirror, destination)
            }
            // Such a configuration is not valid, so nobody gets here.
            (PipelineSettings::Mirror(_), Destination::Kinesis(destination)) => {
                refused(format!("a mirror cannot write to a {destination}"))
            }
        }
    }
}

impl Launcher {
    #[cfg(feature = "kinesis")]
    fn to_kinesis(
        &self,
        run: Run,
        subscription: SubscriptionSettings,
        destination: KinesisSettings,
    ) -> Running {
        use destination::kinesis::{Kinesis, KinesisDryRun};

        let source = self.source.clone();
        let metrics = self.metrics.clone();
        Box::pin(async move {
            let client = Client::connect(Side::Source, source);
            let clients = [client.clone()];
            let source = source::open(client, subscription.clone());
            let observer = run.observer.clone();
            let on_throttled = Arc::new(move |records| observer.throttled(records));
            let calls = subscription.replication.appends_in_flight;
            let destination = Kinesis::new(destination, calls, on_throttled);
            let copying = async {
                if subscription.replication.read_only {
                    let destination = KinesisDryRun::new(destination);
                    copy(run, &subscription, source, Arc::new(destination)).await
                } else {
                    copy(run, &subscription, source, Arc::new(destination)).await
                }
            };
            watched(metrics, clients, copying).await
        })
    }

    /// A configuration with this destination is not valid without the feature, so nobody gets here.
    #[cfg(not(feature = "kinesis"))]
    fn to_kinesis(
        &self,
        _run: Run,
        _subscription: SubscriptionSettings,
        destination: KinesisSettings,
    ) -> Running {
        refused(format!("this ditto was built without {destination}"))
    }

    fn mirror_to_event_store(
        &self,
        run: Run,
        mirror: MirrorSettings,
        destination: ClusterSettings,
    ) -> Running {
        let source = self.source.clone();
        let metrics = self.metrics.clone();
        Box::pin(async move {
            let log = LogSettings {
                filter: mirror.filter.clone(),
                states: mirror.states,
                holder: Holder {
                    name: connection_name(&destination),
                    // Another run of this process is another holder: it knows nothing of what the one before sent.
                    instance: Uuid::new_v4(),
                },
            };
            let source_client = Client::connect(Side::Source, source);
            let destination_client = Client::connect(Side::Destination, destination);
            let clients = [source_client.clone(), destination_client.clone()];
            let source = Database::new(source_client, &mirror.filter, mirror.read_from.map(role));
            let destination = Arc::new(EventStore::new(destination_client));
            let copying = async {
                if mirror.replication.read_only {
                    let destination = destination::dry_run::DryRun::new(destination);
                    follow(run, &mirror, log, source, Arc::new(destination)).await
                } else {
                    follow(run, &mirror, log, source, destination).await
                }
            };
            watched(metrics, clients, copying).await
        })
    }

    fn to_event_store(
        &self,
        run: Run,
        subscription: SubscriptionSettings,
        destination: ClusterSettings,
    ) -> Running {
        let source = self.source.clone();
        let metrics = self.metrics.clone();
        // Clients are made inside of the run, so that their tasks live on the runtime that it is polled on.
        Box::pin(async move {
            let source_client = Client::connect(Side::Source, source);
            let destination_client = Client::connect(Side::Destination, destination);
            let clients = [source_client.clone(), destination_client.clone()];
            let source = source::open(source_client, subscription.clone());
            let destination = Arc::new(EventStore::new(destination_client));
            let copying = async {
                if subscription.replication.read_only {
                    let destination = destination::dry_run::DryRun::new(destination);
                    copy(run, &subscription, source, Arc::new(destination)).await
                } else {
                    copy(run, &subscription, source, destination).await
                }
            };
            watched(metrics, clients, copying).await
        })
    }
}

/// A run that ends at once, with the reason.
fn refused(text: String) -> Running {
    Box::pin(std::future::ready(Outcome::Refused(text)))
}

/// Copies, and measures meanwhile what these clients see.
async fn watched<const COUNT: usize>(
    metrics: Arc<Metrics>,
    clients: [Client; COUNT],
    copying: impl Future<Output = Outcome>,
) -> Outcome {
    tokio::select! {
        outcome = copying => outcome,
        never = watch_certificates(metrics, clients) => match never {},
    }
}

/// Measures until when the certificates are valid that the servers show.
async fn watch_certificates<const COUNT: usize>(
    metrics: Arc<Metrics>,
    clients: [Client; COUNT],
) -> Infallible {
    let mut ticks = tokio::time::interval(CERTIFICATES_LOOKED_AT);
    loop {
        ticks.tick().await;
        for client in &clients {
            if let Some(expiry) = client.certificate_expiry() {
                let side = client.side().as_str();
                metrics.process.certificate_expiry(side, expiry);
            }
        }
    }
}

async fn copy<S: Persistent, D: destination::Destination>(
    run: Run,
    subscription: &SubscriptionSettings,
    source: S,
    destination: Arc<D>,
) -> Outcome {
    replicate::run(Pipeline {
        key: subscription.key(),
        settings: subscription_settings(subscription, D::NUMBERED),
        source: Arc::new(source),
        destination,
        observer: run.observer,
        budget: run.budget,
        stop: run.stop,
    })
    .await
}

async fn follow<S: source::log::Log, D: destination::Keeper>(
    run: Run,
    mirror: &MirrorSettings,
    log: LogSettings,
    source: S,
    destination: Arc<D>,
) -> Outcome {
    let pipeline = Pipeline {
        key: mirror.key(),
        settings: core_settings(&mirror.replication, D::NUMBERED),
        source: Arc::new(source),
        destination,
        observer: run.observer,
        budget: run.budget,
        stop: run.stop,
    };
    replicate::mirror(mirror.name.clone(), log, pipeline).await
}

fn role(read_from: ReadFrom) -> NodeRole {
    match read_from {
        ReadFrom::Leader => NodeRole::Leader,
        ReadFrom::Follower => NodeRole::Follower,
        ReadFrom::ReadOnlyReplica => NodeRole::ReadOnlyReplica,
    }
}
