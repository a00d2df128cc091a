//! Accepts connections and bounds what they may cost.
//!
//! Never lets a connection wait for another: when there are too many, the oldest is closed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::answer::Service;

/// From the first byte to the last of one request and its answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const HEADER_TIME_LIMIT: Duration = Duration::from_secs(5);
/// The least that hyper takes; request line and headers must fit.
const BUFFER: usize = 8 * 1024;
const MOST_HEADERS: usize = 64;
const MOST_CONNECTIONS: usize = 128;
/// After a failure to accept, usually a lack of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// The socket that systemd handed over, or one bound to the address.
///
/// # Errors
/// If the address cannot be bound, usually because it is taken.
pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let handed_over = listenfd::ListenFd::from_env()
        .take_tcp_listener(0)
        .context("failed to use the socket that systemd handed over")?;
    let listener = match handed_over {
        Some(listener) => listener,
        None => TcpListener::bind(address).with_context(|| {
            format!(
                "failed to listen on {address} (change [http] listen, or stop what uses that port)"
            )
        })?,
    };
    listener
        .set_nonblocking(true)
        .context("failed to prepare the listening socket")?;
    Ok(listener)
}

/// Answers requests until it is dropped.
pub async fn serve(listener: TcpListener, service: Arc<Service>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(ditto.error = %error, "failed to serve HTTP");
            return;
        }
    };
    let mut connections = JoinSet::new();
    let mut oldest: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let task = connections.spawn(connection(stream, service.clone()));
                    oldest.push_back(task);
                    oldest.retain(|task| !task.is_finished());
                    if oldest.len() > MOST_CONNECTIONS && let Some(task) = oldest.pop_front() {
                        task.abort();
                    }
                }
                Err(error) => {
                    debug!(ditto.error = %error, "failed to accept a connection");
                    sleep(PAUSE).await;
                }
            },
            // Ends are nothing to act on; they are taken so that they do not pile up.
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, service: Arc<Service>) {
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let response = service.answer(request.method(), request.uri(), request.headers());
        async move { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_LIMIT)
        .max_buf_size(BUFFER)
        .max_headers(MOST_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    match timeout(TIME_LIMIT, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(ditto.error = %error, "a connection failed"),
        Err(_) => debug!("a connection took too long"),
    }
}
