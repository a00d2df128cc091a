//! One seed: both servers, ditto, and the plan carried out between them, from the beginning until all is well again.
//!
//! Everything runs on one thread, by a clock that leaps to the next moment at which something happens.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use devstore::store::Store;
use devstore::{Ending, Fault, Options, Server as Devstore, Startup};
use ditto_core::port::HeldReason;
use simulation::dice::Dice;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::judge::{End, Truth, digest};
use crate::machine::Machine;
use crate::mistake::Mistake;
use crate::network::{Lines, Network};
use crate::plan::{Host, Plan, Server, Step};
use crate::process::{Process, Setup};
use crate::watched::Processes;

/// Time after which everything must be well again.
const SOON: Duration = Duration::from_secs(3 * 60);
/// The same where a stream is held: those are looked at every ten minutes.
const HELD: Duration = Duration::from_secs(25 * 60);
/// What is well stays so for that long: what is stopped is looked at every 30 s.
const STAYS: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_secs(5);

const SOURCE: SocketAddr = at(1, 2113);
const DESTINATION: SocketAddr = at(2, 3113);
const HOSTS: [SocketAddr; 2] = [at(3, 1), at(4, 2)];

const fn at(machine: u8, port: u16) -> SocketAddr {
    SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, machine)),
        port,
    )
}

/// What one seed was like.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was wrong; `None`: nothing.
    pub violation: Option<String>,
    /// Events at the destination.
    pub copied: usize,
    /// What ditto says at the end.
    pub(crate) says: String,
    /// How long it took, by its own clock.
    pub took: Duration,
    /// One number for everything that was sent and stored.
    pub digest: u64,
}

/// The servers, and what is known of them.
pub(crate) struct World {
    setup: Setup,
    pub(crate) source: Arc<Devstore>,
    destination: Arc<Devstore>,
    pub(crate) dice: Dice,
    pub(crate) truth: Truth,
}

/// Runs one seed.
pub(crate) async fn run(seed: u64, mistake: Option<Mistake>, strict: bool) -> Report {
    let began = Instant::now();
    let plan = Arc::new(Plan::new(seed));
    tracing::info!(?plan, "seed {seed}");
    let network = Network::new(seed, plan.lines);
    let mut world = World::start(seed, plan.clone(), network.clone(), mistake).await;
    let mut processes: Vec<Process> = Vec::new();
    let mut frozen: Option<Process> = None;
    let mut restarts: Vec<JoinHandle<()>> = Vec::new();
    world.truth.strict = strict;
    world.begin(&mut processes, Host::First);
    for (at, step) in &plan.steps {
        sleep_until(began + (*at).min(plan.healed)).await;
        tracing::info!(?step, "step");
        match step {
            Step::Kill => processes.clear(),
            Step::Start(host) => world.begin(&mut processes, *host),
            Step::Freeze if frozen.is_none() => {
                frozen = processes.pop();
                frozen.iter().for_each(|process| process.freeze(true));
            }
            Step::Thaw => {
                frozen.iter().for_each(|process| process.freeze(false));
                processes.extend(frozen.take());
            }
            Step::Exchange | Step::Restore(_) => world.replace(step).await,
            Step::Restart {
                server,
                ending,
                down,
                nodes,
            } => {
                let server = world.server(*server);
                restarts.push(tokio::spawn(restart(server, *ending, *down, *nodes)));
            }
            step => world.carry_out(step).await,
        }
    }
    sleep_until(began + plan.healed).await;
    tracing::info!("all is well from now on");
    drop(frozen);
    world.heal();
    for restart in restarts {
        // One that failed has left the server down, and that is found.
        drop(restart.await);
    }
    // One process alone: two would only take turns.
    processes.truncate(1);
    if processes.is_empty() {
        world.begin(&mut processes, Host::First);
    }
    let settled = world.settle(&processes).await;
    let violation = world.setup.processes.wrong().or(settled);
    Report {
        violation,
        copied: world.copied(),
        says: processes.first().map(Process::says).unwrap_or_default(),
        took: began.elapsed(),
        digest: world.digest(),
    }
}

impl World {
    async fn start(seed: u64, plan: Arc<Plan>, network: Network, mistake: Option<Mistake>) -> Self {
        let source = Options {
            listen: SOURCE,
            nodes: plan.nodes,
            ..Options::playing(plan.generation)
        };
        let destination = Options {
            listen: DESTINATION,
            ..Options::playing(plan.generation)
        };
        let start = async |options: Options| {
            let machine = Machine {
                network: network.clone(),
                address: options.listen,
            };
            let started = Devstore::start_on(options, Arc::new(machine)).await;
            #[expect(clippy::expect_used, reason = "nobody else listens on this network")]
            Arc::new(started.expect("a server"))
        };
        let (source, destination) = (start(source).await, start(destination).await);
        let nodes = |server: &Devstore| {
            let nodes: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
            nodes.join(",")
        };
        Self {
            setup: Setup {
                network,
                source: nodes(&source),
                destination: nodes(&destination),
                plan,
                mistake,
                processes: Processes::default(),
            },
            source,
            destination,
            dice: Dice::new(seed, 4),
            truth: Truth::default(),
        }
    }

    /// Starts ditto there, unless it runs there.
    fn begin(&mut self, processes: &mut Vec<Process>, host: Host) {
        let machine = HOSTS[usize::from(host == Host::Second)];
        if processes.iter().all(|process| process.machine() != machine) {
            let instance = self.id();
            processes.push(Process::start(&self.setup, machine, instance));
        }
    }

    fn server(&self, server: Server) -> Arc<Devstore> {
        match server {
            Server::Source => self.source.clone(),
            Server::Destination => self.destination.clone(),
        }
    }

    async fn carry_out(&mut self, step: &Step) {
        let network = &self.setup.network;
        match step {
            Step::Write {
                stream,
                events,
                bytes,
            } => self.write(&name(*stream), *events, *bytes),
            Step::Truncate { stream, permille } => self.truncate(&name(*stream), *permille),
            Step::Scavenge => {
                self.source.store().scavenge();
            }
            Step::Cut {
                server,
                there,
                back,
            } => self.cut(*server, *there, *back),
            Step::Heal(server) => self.cut(*server, false, false),
            Step::Break(server) => {
                for node in self.server(*server).addresses() {
                    HOSTS
                        .iter()
                        .for_each(|host| network.break_between(*host, node));
                }
            }
            Step::Worse(times) => {
                let Lines {
                    latency,
                    jitter,
                    lost,
                } = self.setup.plan.lines;
                network.set_lines(Lines {
                    latency: latency * *times,
                    jitter: jitter * *times,
                    lost: (lost * u64::from(*times)).min(300),
                });
            }
            Step::FreezeServer(server) => self.freeze(*server, true),
            Step::ThawServer(server) => self.freeze(*server, false),
            Step::Lead(node) => {
                self.source.lead(*node).await;
            }
            Step::Fault {
                server,
                kind,
                times,
                lasts,
            } => {
                let fault = Fault::new(kind.clone()).times(*times).lasting(*lasts);
                self.server(*server).faults().add(fault);
            }
            // What is about processes, or takes its time, is carried out by whoever holds them.
            _ => {}
        }
    }

    fn cut(&self, server: Server, there: bool, back: bool) {
        for node in self.server(server).addresses() {
            for host in HOSTS {
                self.setup.network.cut(host, node, there);
                self.setup.network.cut(node, host, back);
            }
        }
    }

    fn freeze(&self, server: Server, on: bool) {
        for node in self.server(server).addresses() {
            self.setup.network.freeze(node, on);
        }
    }

    fn heal(&self) {
        self.setup.network.set_lines(self.setup.plan.lines);
        for server in [Server::Source, Server::Destination] {
            self.cut(server, false, false);
            self.freeze(server, false);
            self.server(server).faults().clear();
        }
    }

    /// Another database answers at the source's address, or this one as it was.
    async fn replace(&mut self, step: &Step) {
        self.source.end(Ending::Kill).await;
        let store = self.source.store();
        match step {
            Step::Restore(records) => {
                let page = store.read_all_backward(None, *records);
                let lost: Vec<_> = page.map(|page| page.events).unwrap_or_default();
                if let Some(first) = lost.last() {
                    let (from, to) = (first.position, store.end());
                    tracing::info!(from, to, "the source loses what stands there");
                    let kept = store.copy_until(first.position);
                    store.become_copy_of(&kept);
                    self.truth.lost(lost.iter().map(|record| record.id));
                }
            }
            _ => {
                store.become_copy_of(&Store::new());
                self.truth.exchanged();
            }
        }
        if let Err(error) = self.source.begin(Startup::default()).await {
            tracing::error!(%error, "the source does not start");
        }
        let streams = self.setup.plan.streams;
        for _ in 0..10 {
            let stream = self.dice.index(streams);
            self.write(&name(stream), 2, 10);
        }
    }

    /// Waits until everything is as it must be, and stays so; what is not, if that never comes.
    async fn settle(&self, processes: &[Process]) -> Option<String> {
        let healed = Instant::now();
        let soon = SOON + self.setup.plan.slowest(self.truth.written());
        let mut well: Option<Instant> = None;
        loop {
            let state = processes.first().map(Process::state).unwrap_or_default();
            let held = |why| {
                let process = processes.first();
                process.map_or_else(BTreeSet::new, |process| process.held_as(why))
            };
            let end = End {
                source: self.source.store(),
                destination: self.destination.store(),
                truth: &self.truth,
                unverified: held(HeldReason::Unverified),
                refused: if self.setup.plan.ends_calls() {
                    held(HeldReason::Refused)
                } else {
                    BTreeSet::new()
                },
            };
            match end.verdict(&state) {
                Ok(()) if well.is_some_and(|since| since.elapsed() >= STAYS) => return None,
                Ok(()) => {
                    well.get_or_insert_with(Instant::now);
                }
                Err(what) => {
                    well = None;
                    let holds = processes.first().is_some_and(Process::holds);
                    if healed.elapsed() >= if holds { HELD } else { soon } {
                        return Some(what);
                    }
                }
            }
            sleep(LOOK).await;
        }
    }

    fn copied(&self) -> usize {
        self.destination.store().record_count()
    }

    fn digest(&self) -> u64 {
        let stored = digest(self.destination.store());
        self.setup.network.digest() ^ stored
    }
}

fn name(stream: usize) -> String {
    format!("customer-{stream}")
}

async fn restart(server: Arc<Devstore>, ending: Ending, down: Duration, nodes: usize) {
    let all = server.addresses().len();
    let ended = if nodes == 0 {
        0..all
    } else {
        0..nodes.min(all)
    };
    for node in ended.clone() {
        server.end_node(node, ending).await;
    }
    sleep(down).await;
    for node in ended {
        if let Err(error) = server.begin_node(node, Startup::default()).await {
            tracing::error!(%error, "a server does not start");
        }
    }
}
