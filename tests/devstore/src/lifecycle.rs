//! Starting and ending nodes, as the real server starts and ends (protocol §14), and who leads.
//!
//! Never touches the data: what a restart forgets, it asks the owners to forget.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::cluster::{Cluster, Phase};
use crate::net::{self, Listener, Listening, Network, Tasks};
use crate::node::Node;
use crate::options::{Ending, Options, Startup};

/// How long open calls go on after SIGTERM (protocol §14.1).
const LINGER: Duration = Duration::from_secs(5);
/// How long the operator's shutdown answers, and after what time it breaks the connections.
const REFUSING: Duration = Duration::from_millis(100);
const SILENT: Duration = Duration::from_millis(5100);
/// How long a cluster is without a leader after its leader went away.
const ELECTION: Duration = Duration::from_millis(500);

/// All nodes of a server.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) cluster: Arc<Cluster>,
    slots: Vec<Slot>,
    /// What goes on in the background: slow starts, elections, restarts asked for over HTTP.
    tasks: Tasks,
}

#[derive(Debug)]
struct Slot {
    node: Arc<Node>,
    address: SocketAddr,
    listening: Mutex<Option<Listening>>,
    /// Held by whoever starts or ends the node: restarts may overlap.
    changing: Mutex<()>,
}

impl Lifecycle {
    /// Takes the ports of all nodes and starts them; `None`: on the machine's network.
    pub(crate) async fn start(
        options: Options,
        network: Option<Arc<dyn Network>>,
    ) -> io::Result<Arc<Self>> {
        let mut listeners = Vec::new();
        for index in 0..options.nodes.max(1) {
            let address = nth_address(options.listen, index);
            listeners.push(Listener::bind(network.as_deref(), address).await?);
        }
        let addresses = listeners
            .iter()
            .map(Listener::local_addr)
            .collect::<io::Result<Vec<_>>>()?;
        let startup = options.startup;
        let mut advertised: Vec<_> = addresses
            .iter()
            .map(|at| (at.ip().to_string(), at.port()))
            .collect();
        if let (Some(first), Some(given)) = (advertised.first_mut(), &options.advertise) {
            first.clone_from(given);
        }
        let cluster = Arc::new(Cluster::new(options, advertised, network));
        let slot = |(index, &address)| Slot {
            node: Arc::new(Node::new(index, Arc::clone(&cluster))),
            address,
            listening: Mutex::new(None),
            changing: Mutex::new(()),
        };
        let lifecycle = Arc::new(Self {
            slots: addresses.iter().enumerate().map(slot).collect(),
            cluster,
            tasks: Tasks::default(),
        });
        // Made here, so it cannot be set already.
        lifecycle
            .cluster
            .lifecycle
            .get_or_init(|| Arc::downgrade(&lifecycle));
        for (index, listener) in listeners.into_iter().enumerate() {
            lifecycle.listen(index, listener, startup).await?;
        }
        Ok(lifecycle)
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.slots.iter().map(|slot| &slot.node)
    }

    /// Where a node listens when it does.
    pub(crate) fn address(&self, node: usize) -> Option<SocketAddr> {
        self.slots.get(node).map(|slot| slot.address)
    }

    /// Starts a node that is down, on the address it had.
    pub(crate) async fn begin(self: &Arc<Self>, node: usize, startup: Startup) -> io::Result<()> {
        let Some(slot) = self.slots.get(node) else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        let _changing = slot.changing.lock().await;
        if slot.listening.lock().await.is_some() {
            return Ok(());
        }
        if self
            .slots
            .iter()
            .all(|slot| self.cluster.phase(slot.node.index) == Phase::Down)
        {
            self.cluster.forget();
        }
        let listener = Listener::bind(self.cluster.network.as_deref(), slot.address).await?;
        self.listen(node, listener, startup).await
    }

    /// Ends a node and waits until it is down.
    pub(crate) async fn end(self: &Arc<Self>, node: usize, ending: Ending) {
        let Some(slot) = self.slots.get(node) else {
            return;
        };
        let _changing = slot.changing.lock().await;
        let Some(listening) = slot.listening.lock().await.take() else {
            return;
        };
        let cluster = &self.cluster;
        match ending {
            Ending::Kill => {}
            Ending::Terminate => {
                cluster.set_phase(node, Phase::Terminating);
                listening.linger(cluster.real(LINGER)).await;
            }
            Ending::Shutdown => {
                cluster.set_phase(node, Phase::Refusing);
                cluster.drop_consumers().await;
                tokio::time::sleep(cluster.real(REFUSING)).await;
                cluster.set_phase(node, Phase::Silent);
                tokio::time::sleep(cluster.real(SILENT)).await;
            }
        }
        cluster.set_phase(node, Phase::Down);
        listening.end().await;
        if cluster.leader() == Some(node) {
            self.leaderless().await;
        }
    }

    /// Ends nodes, waits, and starts them again, in the background.
    pub(crate) fn restart(
        self: &Arc<Self>,
        nodes: Vec<usize>,
        ending: Ending,
        down: Duration,
        startup: Startup,
    ) {
        let lifecycle = Arc::clone(self);
        self.tasks.spawn(async move {
            futures_util::future::join_all(nodes.iter().map(|&node| lifecycle.end(node, ending)))
                .await;
            tokio::time::sleep(down).await;
            for node in nodes {
                if let Err(error) = lifecycle.begin(node, startup).await {
                    tracing::error!(node, %error, "failed to listen again");
                }
            }
        });
    }

    /// Makes another node the leader: consumers of groups are dropped, as the old leader does.
    pub(crate) async fn lead(&self, node: usize) -> bool {
        if self.cluster.phase(node) != Phase::Ready || !self.cluster.may_lead(node) {
            return false;
        }
        if self.cluster.leader() != Some(node) {
            self.cluster.set_leader(Some(node));
            self.cluster.drop_consumers().await;
        }
        true
    }

    /// Gives a node that was held back the log that the others have. One whose log holds what theirs do not is restarted, as
    /// a real one is: these records are gone.
    pub(crate) async fn rejoin(self: &Arc<Self>, node: usize) -> io::Result<()> {
        if !self.cluster.has_diverged(node) {
            self.cluster.catch_up(node);
            return Ok(());
        }
        self.end(node, Ending::Kill).await;
        self.cluster.catch_up(node);
        self.begin(node, Startup::default()).await
    }

    /// Stops everything at once.
    pub(crate) fn close(&self) {
        drop(self.tasks.close());
        for slot in &self.slots {
            self.cluster.set_phase(slot.node.index, Phase::Down);
            if let Ok(mut listening) = slot.listening.try_lock() {
                drop(listening.take());
            }
        }
    }

    async fn listen(
        self: &Arc<Self>,
        node: usize,
        listener: Listener,
        startup: Startup,
    ) -> io::Result<()> {
        let Some(slot) = self.slots.get(node) else {
            return Ok(());
        };
        let first = if startup.without_leader.is_zero() {
            self.after_leader(node, startup)
        } else {
            Phase::NoLeader
        };
        self.cluster.set_phase(node, first);
        *slot.listening.lock().await = Some(net::serve(listener, &slot.node)?);
        if first == Phase::Ready {
            return Ok(());
        }
        let lifecycle = Arc::clone(self);
        self.tasks.spawn(async move {
            if first == Phase::NoLeader {
                tokio::time::sleep(startup.without_leader).await;
                let next = lifecycle.after_leader(node, startup);
                lifecycle.advance(node, Phase::NoLeader, next);
            }
            tokio::time::sleep(startup.subsystems).await;
            lifecycle.advance(node, Phase::Starting, Phase::Ready);
        });
        Ok(())
    }

    /// The phase of a node that knows a leader; alone, it becomes the leader, among others an election decides.
    fn after_leader(&self, node: usize, startup: Startup) -> Phase {
        let is_other = |slot: &Slot| slot.node.index != node && slot.node.phase() == Phase::Ready;
        if self.cluster.leader().is_none() && !self.slots.iter().any(is_other) {
            self.cluster.set_leader(Some(node));
        }
        if startup.subsystems.is_zero() {
            Phase::Ready
        } else {
            Phase::Starting
        }
    }

    fn advance(&self, node: usize, from: Phase, to: Phase) {
        if self.cluster.phase(node) == from {
            self.cluster.set_phase(node, to);
        }
    }

    /// The leader is gone: another node leads after an election.
    async fn leaderless(self: &Arc<Self>) {
        self.cluster.set_leader(None);
        self.cluster.drop_consumers().await;
        let lifecycle = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::time::sleep(lifecycle.cluster.real(ELECTION)).await;
            let ready = |slot: &&Slot| {
                let (cluster, node) = (&lifecycle.cluster, slot.node.index);
                cluster.phase(node) == Phase::Ready && cluster.may_lead(node)
            };
            if lifecycle.cluster.leader().is_none()
                && let Some(slot) = lifecycle.slots.iter().find(ready)
            {
                lifecycle.cluster.set_leader(Some(slot.node.index));
            }
        });
    }
}

fn nth_address(first: SocketAddr, index: usize) -> SocketAddr {
    let mut address = first;
    if first.port() != 0 {
        address.set_port(
            first
                .port()
                .saturating_add(u16::try_from(index).unwrap_or(u16::MAX)),
        );
    }
    address
}
