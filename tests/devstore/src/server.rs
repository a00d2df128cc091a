//! The server as a test or `main` holds it: started, asked for its address, stopped.
//!
//! Never outlives its handle: dropping that ends everything it runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use uuid::Uuid;

use crate::groups::Groups;
use crate::net::{self, Listening};
use crate::node::{Counters, Node, Tally};
use crate::options::Options;
use crate::store::Store;

/// A running development server.
#[derive(Debug)]
pub struct Server {
    node: Arc<Node>,
    address: SocketAddr,
    listening: Option<Listening>,
}

impl Server {
    /// Listens, and serves until stopped or dropped.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let advertised = options
            .advertise
            .clone()
            .unwrap_or_else(|| (address.ip().to_string(), address.port()));
        let store = Store::new();
        let groups = Groups::new(store.clone(), options.time_scale);
        let node = Arc::new(Node {
            store,
            groups,
            instance: Uuid::new_v4(),
            advertised,
            options,
            tally: Tally::default(),
        });
        let listening = net::serve(listener, &node);
        Ok(Self {
            node,
            address,
            listening: Some(listening),
        })
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A connection string for it.
    #[must_use]
    pub fn connection_string(&self) -> String {
        format!("esdb://{}?tls=false", self.address)
    }

    /// The data, to look into or to write without a client.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.node.store
    }

    /// What it has counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.node.tally.read()
    }

    /// Breaks every connection and stops listening, as a process that is killed; the data stays.
    pub async fn stop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.end().await;
        }
    }

    /// Listens again on the same address after [`Self::stop`], with the data as it is and no ids remembered.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start_again(&mut self) -> io::Result<()> {
        self.stop().await;
        self.node.store.forget_recent_ids();
        self.node.groups.restart().await;
        let listener = TcpListener::bind(self.address).await?;
        self.listening = Some(net::serve(listener, &self.node));
        Ok(())
    }
}
