//! The server as a test or `main` holds it: started, asked for its addresses, ended, started again.
//!
//! Never outlives its handle: dropping that ends everything it runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ditto_protocol::gossip::member_info::VNodeState;

use crate::faults::Faults;
use crate::lifecycle::Lifecycle;
use crate::net::Network;
use crate::node::Counters;
use crate::options::{Ending, Options, Startup, User};
use crate::store::Store;

/// A running development server, of one node or several.
#[derive(Debug)]
pub struct Server {
    lifecycle: Arc<Lifecycle>,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.lifecycle.close();
    }
}

impl Server {
    /// Listens, and serves until ended or dropped.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn start(options: Options) -> io::Result<Self> {
        Self::start_over(options, None).await
    }

    /// The same on a network that a test plays.
    ///
    /// # Errors
    /// Somebody listens on an address.
    pub async fn start_on(options: Options, network: Arc<dyn Network>) -> io::Result<Self> {
        Self::start_over(options, Some(network)).await
    }

    async fn start_over(options: Options, network: Option<Arc<dyn Network>>) -> io::Result<Self> {
        let lifecycle = Lifecycle::start(options, network).await?;
        let address = lifecycle
            .address(0)
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { lifecycle, address })
    }

    /// The address of the first node.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The addresses of all nodes.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        (0..)
            .map_while(|node| self.lifecycle.address(node))
            .collect()
    }

    /// A connection string for it: all nodes as seeds if there are several.
    #[must_use]
    pub fn connection_string(&self) -> String {
        let addresses: Vec<String> = self.addresses().iter().map(ToString::to_string).collect();
        let tls = self.lifecycle.cluster.options.tls.is_some();
        format!("esdb://{}?tls={tls}", addresses.join(","))
    }

    /// The data, to look into or to write without a client.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.lifecycle.cluster.store
    }

    /// What it does wrong on purpose.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.lifecycle.cluster.faults
    }

    /// Has users log in from now on; `None`: nobody has to.
    pub fn set_users(&self, users: Option<Vec<User>>) {
        self.lifecycle.cluster.users.set(users);
    }

    /// What it has counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.lifecycle.nodes().map(|node| node.tally.read()).sum()
    }

    /// The node that leads now.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        self.lifecycle.cluster.leader()
    }

    /// Moves the leadership; false if that node is not ready.
    pub async fn lead(&self, node: usize) -> bool {
        self.lifecycle.lead(node).await
    }

    /// Leaves a node that does not lead with what its log holds now, and returns that log: what is written from now on it
    /// does not have, and what is written to its log the others do not have. `None` if that node leads, or is none.
    #[must_use]
    pub fn hold_back(&self, node: usize) -> Option<Store> {
        self.lifecycle.cluster.hold_back(node)
    }

    /// Gives a node that was held back the log that the others have. If its own holds other records, these are gone, and the
    /// node is restarted for it.
    ///
    /// # Errors
    /// Its address cannot be listened on.
    pub async fn rejoin(&self, node: usize) -> io::Result<()> {
        self.lifecycle.rejoin(node).await
    }

    /// Has gossip call a node this, whatever it is; `None`: what it is. Such a node is not elected unless it is called a
    /// follower. False if there is no such node.
    pub fn set_state(&self, node: usize, state: Option<VNodeState>) -> bool {
        self.lifecycle.cluster.call(node, state)
    }

    /// Ends one node, and waits until it is down.
    pub async fn end_node(&self, node: usize, ending: Ending) {
        self.lifecycle.end(node, ending).await;
    }

    /// Starts a node that is down, on the address it had.
    ///
    /// # Errors
    /// There is no such node, or its address cannot be listened on.
    pub async fn begin_node(&self, node: usize, startup: Startup) -> io::Result<()> {
        self.lifecycle.begin(node, startup).await
    }

    /// Ends every node, and waits until all are down. The data stays.
    pub async fn end(&self, ending: Ending) {
        let nodes = 0..self.addresses().len();
        futures_util::future::join_all(nodes.map(|node| self.lifecycle.end(node, ending))).await;
    }

    /// Starts every node that is down, with the data as it is: groups go on from their checkpoints, and no ids are
    /// remembered (protocol §14.3).
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn begin(&self, startup: Startup) -> io::Result<()> {
        for node in 0..self.addresses().len() {
            self.lifecycle.begin(node, startup).await?;
        }
        Ok(())
    }

    /// Breaks every connection and stops listening, as processes that are killed.
    pub async fn stop(&self) {
        self.end(Ending::Kill).await;
    }

    /// Listens again after [`Self::stop`], ready at once.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn start_again(&self) -> io::Result<()> {
        self.begin(Startup::default()).await
    }
}
