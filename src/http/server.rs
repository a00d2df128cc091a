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
use tokio::io::{AsyncRead, AsyncWrite};
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
/// Longest wait for one connection that is turned away.
const TURNING_AWAY: Duration = Duration::from_millis(500);
/// After a failure to accept, usually a lack of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// The sockets that systemd handed over, or one bound to the address.
///
/// # Errors
/// If the address cannot be bound, usually because it is taken, or a socket of systemd's is not one of TCP.
pub fn listen(address: SocketAddr) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = handed_over()?;
    if listeners.is_empty() {
        listeners.push(TcpListener::bind(address).with_context(|| {
            format!(
                "failed to listen on {address} (change [http] listen, or stop what uses that port)"
            )
        })?);
    }
    for listener in &listeners {
        listener
            .set_nonblocking(true)
            .context("failed to prepare the listening socket")?;
    }
    Ok(listeners)
}

/// Every `ListenStream=` of the socket unit.
fn handed_over() -> anyhow::Result<Vec<TcpListener>> {
    let mut sockets = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..sockets.len() {
        let listener = sockets.take_tcp_listener(index).with_context(|| {
            format!(
                "cannot serve socket {} of {} that systemd handed over (use an address and port in ListenStream=)",
                index + 1,
                sockets.len()
            )
        })?;
        listeners.extend(listener);
    }
    Ok(listeners)
}

/// Tells whoever waits on systemd's sockets that this process serves nothing, and why. systemd starts ditto again as
/// long as a connection waits there.
pub fn turn_away(why: &str) {
    // There may be none, which is usual.
    for listener in handed_over().unwrap_or_default() {
        if listener.set_nonblocking(true).is_err() {
            continue;
        }
        for _ in 0..MOST_CONNECTIONS {
            let Ok((stream, _)) = listener.accept() else {
                break;
            };
            // Whoever does not take it learns it from the end of the connection.
            drop(refuse(stream, why));
        }
    }
}

fn refuse(mut stream: std::net::TcpStream, why: &str) -> std::io::Result<()> {
    use std::io::{Read as _, Write as _};

    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(TURNING_AWAY))?;
    stream.set_write_timeout(Some(TURNING_AWAY))?;
    // A request that is not read makes the end of the connection a reset, and the answer is lost.
    let mut request = [0; BUFFER];
    let _length = stream.read(&mut request)?;
    write!(
        stream,
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{why}\n",
        why.len() + 1
    )
}

/// Answers requests until it is dropped.
pub async fn serve(listener: TcpListener, service: Arc<Service>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(ditto.reason = %error, "failed to serve HTTP");
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

/// Serves the one request of a connection.
pub(super) async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, service: Arc<Service>) {
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
