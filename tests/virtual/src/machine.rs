//! The network as one machine sees it: what ditto's client and the development server are handed.
//!
//! Never holds anything up: that is the network's.

use std::io;
use std::net::SocketAddr;

use devstore::Arrivals;
use ditto::eventstore::client::simulated::{Dialler, Dialling};

use crate::network::Network;

/// The network as one machine sees it.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) network: Network,
    pub(crate) address: SocketAddr,
}

impl Dialler for Machine {
    fn dial(&self, address: SocketAddr) -> Dialling {
        Box::pin(self.network.clone().dial(self.address, address))
    }
}

impl devstore::Network for Machine {
    fn listen(&self, address: SocketAddr) -> io::Result<Arrivals> {
        self.network.listen(address)
    }
}
