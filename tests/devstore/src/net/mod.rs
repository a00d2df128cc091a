//! Connections: one port for cleartext HTTP/2 (prior knowledge) and HTTP/1.1, as the real server has it
//! (`protocol.md` §10).
//!
//! Never looks into a message.

mod body;
mod dispatch;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use crate::node::Node;
use dispatch::Dispatch;
use tasks::Tasks;

pub(crate) use body::{Body, full};

/// The server's own pings (`protocol.md` §10).
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Receive windows: wide enough that no test waits for them.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Pause after a failed accept (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening port with its connections; ends with the handle.
#[derive(Debug)]
pub(crate) struct Listening {
    tasks: Tasks,
}

impl Listening {
    /// Breaks all connections and stops listening.
    pub(crate) async fn end(self) {
        self.tasks.end().await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        drop(self.tasks.close());
    }
}

/// Serves every connection that comes.
pub(crate) fn serve(listener: TcpListener, node: &Arc<Node>) -> Listening {
    let tasks = Tasks::default();
    let connections = tasks.clone();
    let dispatch = Dispatch::new(node);
    tasks.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (tasks, dispatch) = (connections.clone(), dispatch.clone());
                    connections.spawn(connection(stream, dispatch, tasks));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    Listening { tasks }
}

async fn connection(stream: TcpStream, dispatch: Dispatch, tasks: Tasks) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "failed to set TCP_NODELAY");
    }
    let mut builder = auto::Builder::new(tasks);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(None);
    builder.http1().timer(TokioTimer::new());
    let served = builder.serve_connection(TokioIo::new(stream), dispatch);
    if let Err(error) = served.await {
        tracing::debug!(error, "connection ended");
    }
}
