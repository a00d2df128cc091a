//! One connection: what lies between socket and calls (delay, TLS), its windows, its end.
//!
//! Never knows what a call is about.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::dispatch::Dispatch;
use super::latency::delayed;
use super::port::Stream;
use super::socket::{Socket, Wire};
use super::tasks::Tasks;
use super::{Stage, tls};
use crate::faults::{FaultKind, Place, Point};
use crate::node::Node;

/// The server's own pings (protocol §10).
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// HTTP/2 receive windows.
#[derive(Clone, Copy, Debug)]
struct Windows {
    stream: u32,
    connection: u32,
}

/// Wide enough that no test waits for them.
const WIDE: Windows = Windows {
    stream: 4 << 20,
    connection: 16 << 20,
};
/// Those of the real server (protocol §10).
const REAL: Windows = Windows {
    stream: 768 << 10,
    connection: 1 << 20,
};

/// Serves the connections of one port.
#[derive(Clone)]
pub(super) struct Connections {
    node: Arc<Node>,
    dispatch: Dispatch,
    tasks: Tasks,
    stages: watch::Receiver<Stage>,
    tls: Option<TlsAcceptor>,
}

impl Connections {
    pub(super) fn new(
        node: &Arc<Node>,
        tasks: Tasks,
        stages: watch::Receiver<Stage>,
    ) -> io::Result<Self> {
        Ok(Self {
            node: Arc::clone(node),
            dispatch: Dispatch::new(node),
            tasks,
            stages,
            tls: node
                .cluster
                .options
                .tls
                .as_ref()
                .map(tls::acceptor)
                .transpose()?,
        })
    }

    /// Serves one more connection.
    pub(super) fn serve(&self, stream: Stream) {
        let this = self.clone();
        self.tasks.spawn(async move {
            if let Err(error) = this.run(stream).await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }

    async fn run(self, stream: Stream) -> io::Result<()> {
        let reset = Arc::new(AtomicBool::new(false));
        let socket = Socket::new(stream, Arc::clone(&reset))?;
        let place = Place {
            call: "",
            stream: None,
            node: self.node.index,
        };
        if let Some(FaultKind::HalfOpen) = self.node.cluster.faults.strike(Point::Connection, place)
        {
            let _held = socket;
            return std::future::pending().await;
        }
        let latency = self.node.cluster.options.latency;
        if latency.is_zero() {
            self.secure(socket, &reset).await
        } else {
            let wire = delayed(socket, latency, &self.tasks);
            self.secure(wire, &reset).await
        }
    }

    async fn secure(self, wire: impl Wire, reset: &AtomicBool) -> io::Result<()> {
        match self.tls.clone() {
            None => self.calls(wire, reset).await,
            Some(acceptor) => {
                let wire = tls::accept(&acceptor, wire).await?;
                self.calls(wire, reset).await
            }
        }
    }

    async fn calls(self, wire: impl Wire, reset: &AtomicBool) -> io::Result<()> {
        let windows = if self.node.cluster.options.model.is_some() {
            REAL
        } else {
            WIDE
        };
        let mut builder = auto::Builder::new(self.tasks.clone());
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .initial_stream_window_size(windows.stream)
            .initial_connection_window_size(windows.connection)
            .max_concurrent_streams(None)
            // It is the day's, and a played network comes with a time of its own.
            .auto_date_header(self.node.cluster.network.is_none());
        builder.http1().timer(TokioTimer::new());
        let mut served = pin!(builder.serve_connection(TokioIo::new(wire), self.dispatch));
        let outcome = tokio::select! {
            outcome = served.as_mut() => outcome,
            () = ending(self.stages.clone()) => {
                // What is still open at the end is reset (protocol §14.1).
                reset.store(true, Ordering::Relaxed);
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        // Held to the end: a port that lingers waits for those who hold one.
        drop(self.stages);
        outcome.map_err(io::Error::other)
    }
}

/// Waits until the port no longer serves.
async fn ending(mut stages: watch::Receiver<Stage>) {
    let lingers = stages.wait_for(|stage| *stage != Stage::Serving).await;
    drop(lingers);
}
