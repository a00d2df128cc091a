//! The client over a network that tests/virtual plays, in place of the machine's.
//!
//! Only with the Cargo feature `simulated`. Changes nothing but where the bytes go.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

use super::addresses::{Openings, Resolver};
use super::{Client, Side};
use crate::config::cluster::ClusterSettings;

/// The bytes of one connection.
pub trait Carried: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Carried for T {}

/// A connection that is being made.
pub type Dialling = Pin<Box<dyn Future<Output = io::Result<Box<dyn Carried>>> + Send>>;

/// Connects to addresses of the network, as one of its machines.
pub trait Dialler: fmt::Debug + Send + Sync + 'static {
    /// Makes a connection to this address. The caller limits the time.
    fn dial(&self, address: SocketAddr) -> Dialling;
}

impl Client {
    /// As [`Client::connect`], over a network that a test plays. Hosts in the settings are addresses.
    #[must_use]
    pub fn over(network: Arc<dyn Dialler>, side: Side, settings: ClusterSettings) -> Self {
        Self::resolving(side, settings, Resolver::Played(Played(network)))
    }
}

/// The network, as the client's connections are made over it.
#[derive(Clone, Debug)]
pub(crate) struct Played(Arc<dyn Dialler>);

impl Played {
    pub(super) fn connector(&self, address: SocketAddr, openings: Openings) -> Connector {
        Connector {
            network: self.0.clone(),
            address,
            openings,
        }
    }
}

/// Connects to one address, whatever the name, and counts how often.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    network: Arc<dyn Dialler>,
    address: SocketAddr,
    openings: Openings,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Carried>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.openings.add();
        let dialling = self.network.dial(self.address);
        Box::pin(async move { Ok(TokioIo::new(dialling.await?)) })
    }
}
