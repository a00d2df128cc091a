//! Connections: one port for HTTP/2 (prior knowledge, or TLS) and HTTP/1.1, as the real server has it
//! (protocol §10).
//!
//! Never looks into a message.

mod body;
mod connection;
mod dispatch;
mod latency;
mod port;
mod socket;
mod tasks;
mod tls;
mod trailers;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::faults::FaultKind;
use crate::node::Node;
use connection::Connections;

pub(crate) use body::{Body, full};
pub(crate) use port::Listener;
pub use port::{Arrivals, Handed, Network};
pub(crate) use tasks::Tasks;
pub(crate) use trailers::UNSENDABLE;

/// Pause after a failed accept (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening port with its connections; ends with the handle.
#[derive(Debug)]
pub(crate) struct Listening {
    accepting: Tasks,
    connections: Tasks,
    stage: watch::Sender<Stage>,
}

/// How far a port is in ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// Connections take nothing new and end when what is open has ended.
    Lingering,
    /// Connections are about to be broken off.
    Breaking,
}

impl Listening {
    /// Takes nothing new; what is open may go on for that time.
    pub(crate) async fn linger(&self, limit: Duration) {
        self.accepting.end().await;
        self.stage.send_replace(Stage::Lingering);
        // Passing the limit is the normal case: subscriptions are always open.
        let _gone = tokio::time::timeout(limit, self.stage.closed()).await;
    }

    /// Breaks all connections and stops listening.
    pub(crate) async fn end(self) {
        self.accepting.end().await;
        self.stage.send_replace(Stage::Breaking);
        self.connections.end().await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        drop(self.accepting.close());
        drop(self.connections.close());
    }
}

/// Serves every connection that comes.
///
/// # Errors
/// The certificate is none.
pub(crate) fn serve(listener: Listener, node: &Arc<Node>) -> io::Result<Listening> {
    let (stage, stages) = watch::channel(Stage::Serving);
    let listening = Listening {
        accepting: Tasks::default(),
        connections: Tasks::default(),
        stage,
    };
    let connections = Connections::new(node, listening.connections.clone(), stages)?;
    listening
        .accepting
        .spawn(accept(listener, connections, Arc::clone(node)));
    Ok(listening)
}

/// Accepts connections; while a fault has them refused, nothing listens.
async fn accept(mut listener: Listener, connections: Connections, node: Arc<Node>) {
    let faults = &node.cluster.faults;
    let mut changes = faults.watch();
    loop {
        changes.borrow_and_update();
        if let Some(until) = faults.is_on(&FaultKind::RefuseConnections, node.index) {
            let address = listener.local_addr();
            drop(listener);
            refuse(faults, node.index, until).await;
            listener = match rebind(&node, address).await {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "failed to listen again");
                    return;
                }
            };
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => connections.serve(stream),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            changed = changes.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Waits until connections are no longer to be refused.
async fn refuse(
    faults: &crate::faults::Faults,
    node: usize,
    mut until: Option<tokio::time::Instant>,
) {
    let mut changes = faults.watch();
    loop {
        let ends = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ends => {}
            changed = changes.changed() => if changed.is_err() {
                return;
            },
        }
        match faults.is_on(&FaultKind::RefuseConnections, node) {
            Some(later) => until = later,
            None => return,
        }
    }
}

async fn rebind(node: &Node, address: io::Result<std::net::SocketAddr>) -> io::Result<Listener> {
    Listener::bind(node.cluster.network.as_deref(), address?).await
}
