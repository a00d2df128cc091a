//! A process of ditto: its own client, loop, source and destination, on one machine of the network.
//!
//! Killed, it is gone without a word; frozen, it does nothing until it goes on. Never asked whether it is right.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ditto::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};
use ditto::config::settings::{OnMissingHistory, Replication, SubscriptionKey};
use ditto::destination::event_store::EventStore;
use ditto::eventstore::Side;
use ditto::eventstore::client::Client;
use ditto::metrics::Metrics;
use ditto::pipeline::replicate::{self, Outcome, Pipeline, core_settings};
use ditto::report::Observer;
use ditto::source::log::Database;
use ditto::status::ProcessStatus;
use ditto_core::LogSettings;
use ditto_core::event::StreamName;
use ditto_core::filter::StreamFilter;
use ditto_core::port::log::Holder;
use ditto_core::port::{HeldReason, PipelineState};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use uuid::Uuid;

use crate::machine::Machine;
use crate::mistake::{Mistake, Mistaken};
use crate::network::Network;
use crate::plan::Plan;
use crate::watched::{Processes, Watched};

/// The name of the mirror.
pub(crate) const MIRROR: &str = "all";

/// What a process is started with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) network: Network,
    pub(crate) plan: Arc<Plan>,
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) mistake: Option<Mistake>,
    pub(crate) processes: Processes,
}

/// A process that runs.
pub(crate) struct Process {
    machine: SocketAddr,
    instance: Uuid,
    network: Network,
    processes: Processes,
    task: JoinHandle<()>,
    gate: Arc<Gate>,
    status: Arc<ProcessStatus>,
    /// Why its last run ended, if one did.
    ended: Arc<Mutex<Option<Outcome>>>,
}

impl Process {
    pub(crate) fn start(setup: &Setup, machine: SocketAddr, instance: Uuid) -> Self {
        let gate = Arc::new(Gate::default());
        let status = ProcessStatus::new();
        let ended = Arc::default();
        let running = supervise(
            setup.clone(),
            machine,
            instance,
            status.clone(),
            Arc::clone(&ended),
        );
        Self {
            machine,
            instance,
            network: setup.network.clone(),
            processes: setup.processes.clone(),
            task: tokio::spawn(Gated {
                gate: gate.clone(),
                inner: Box::pin(running),
            }),
            gate,
            status,
            ended,
        }
    }

    pub(crate) fn machine(&self) -> SocketAddr {
        self.machine
    }

    pub(crate) fn freeze(&self, on: bool) {
        self.gate.close(on);
        self.network.freeze(self.machine, on);
    }

    /// As last reported.
    pub(crate) fn state(&self) -> PipelineState {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match &*ended {
            Some(Outcome::Refused(why)) => PipelineState::Stopped(why.clone()),
            _ => self
                .status
                .views()
                .pop()
                .map_or(PipelineState::Connecting, |view| view.state),
        }
    }

    /// The streams that it holds for this reason.
    pub(crate) fn held_as(&self, why: HeldReason) -> BTreeSet<String> {
        let held = self.held().into_iter();
        held.filter(|(_, _, reason, _)| *reason == why)
            .map(|(stream, ..)| stream.to_string())
            .collect()
    }

    /// Whether it holds any stream.
    pub(crate) fn holds(&self) -> bool {
        !self.held().is_empty()
    }

    /// What it says of itself, for whoever looks for a mistake.
    pub(crate) fn says(&self) -> String {
        format!("{:?}, held: {:?}", self.state(), self.held())
    }

    fn held(&self) -> Vec<(StreamName, u64, HeldReason, String)> {
        let view = self.status.views().pop();
        view.and_then(|view| view.status)
            .map(|status| status.held_streams)
            .unwrap_or_default()
    }
}

/// As a process that is killed: not a word more.
impl Drop for Process {
    fn drop(&mut self) {
        self.task.abort();
        self.network.freeze(self.machine, false);
        self.network.kill(self.machine);
        self.processes.ended(number(self.machine), self.instance);
    }
}

/// What tells the machines apart.
fn number(machine: SocketAddr) -> usize {
    machine.port().into()
}

/// Runs the mirror, and again as the daemon does when a run has ended.
async fn supervise(
    setup: Setup,
    machine: SocketAddr,
    instance: Uuid,
    status: Arc<ProcessStatus>,
    ended: Arc<Mutex<Option<Outcome>>>,
) {
    let key = SubscriptionKey {
        stream: StreamName::from("$all"),
        group: MIRROR.into(),
    };
    // The series end with them.
    let Ok(metrics) = Metrics::new() else { return };
    let (_keep, stop) = watch::channel(None);
    let (_budget, budget) = watch::channel(setup.plan.budget);
    let replication = Replication {
        on_missing_history: OnMissingHistory::Fill,
        max_append_events: setup.plan.max_append_events,
        ..Replication::default()
    };
    loop {
        let filter = StreamFilter::all();
        let source = client(&setup, machine, Side::Source, &setup.source);
        let destination = client(&setup, machine, Side::Destination, &setup.destination);
        let log = LogSettings {
            filter: filter.clone(),
            states: None,
            holder: Holder {
                name: format!("virtual/{instance}"),
                instance,
            },
        };
        let pipeline = Pipeline {
            key: key.clone(),
            settings: core_settings(&replication, true),
            source: Arc::new(Mistaken::new(
                Database::new(source, &filter, None),
                setup.mistake,
            )),
            destination: Arc::new(Watched {
                destination: EventStore::new(destination),
                machine: number(machine),
                instance,
                processes: setup.processes.clone(),
            }),
            observer: Observer::shown_in(&status, &metrics, &key),
            budget: budget.clone(),
            stop: stop.clone(),
        };
        let outcome = replicate::mirror(MIRROR.into(), log, pipeline).await;
        tracing::info!(?outcome, "a run has ended");
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        sleep(Duration::from_secs(5)).await;
        *ended.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn client(setup: &Setup, machine: SocketAddr, side: Side, nodes: &str) -> Client {
    let limit = setup.plan.call_limit;
    let limit = limit.map_or_else(String::new, |ms| format!("&defaultDeadline={ms}"));
    let text = format!("esdb://{nodes}?tls=false&connectionName=ditto{limit}");
    let settings = ConnectionString::parse(&text)
        .ok()
        .and_then(|string| ClusterSettings::new(string, ClusterKeys::default()).ok());
    #[expect(clippy::expect_used, reason = "the text is made here")]
    let settings = settings.expect("a connection string");
    let network = Machine {
        network: setup.network.clone(),
        address: machine,
    };
    Client::over(Arc::new(network), side, settings)
}

/// What a frozen process waits at.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, Option<Waker>)>,
}

impl Gate {
    fn close(&self, on: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = on;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

/// A process that may be frozen.
struct Gated<F> {
    gate: Arc<Gate>,
    inner: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Gated<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut state = self
                .gate
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if state.0 {
                state.1 = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        pin!(self.inner.as_mut()).poll(cx)
    }
}
