//! Where connections come from: the machine's network, or one that a test plays.
//!
//! Never reads a byte.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use uuid::Uuid;

/// A connection that a played network hands in. One that is dropped before it was shut down is reset.
pub trait Handed: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Handed for T {}

/// The connections that come to a port of a played network. Dropped, nothing listens there any more.
pub type Arrivals = mpsc::Receiver<Box<dyn Handed>>;

/// A network that a test plays.
pub trait Network: fmt::Debug + Send + Sync + 'static {
    /// Listens on this address.
    ///
    /// # Errors
    /// Somebody listens there.
    fn listen(&self, address: SocketAddr) -> io::Result<Arrivals>;
}

/// A port that is listened on.
#[derive(Debug)]
pub(crate) enum Listener {
    Machine(TcpListener),
    Played(SocketAddr, Arrivals),
}

impl Listener {
    pub(crate) async fn bind(
        network: Option<&dyn Network>,
        address: SocketAddr,
    ) -> io::Result<Self> {
        Ok(match network {
            None => Self::Machine(listen(address).await?),
            Some(network) => Self::Played(address, network.listen(address)?),
        })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Machine(listener) => listener.local_addr(),
            Self::Played(address, _) => Ok(*address),
        }
    }

    /// Waits for the next connection. Loses none when dropped.
    pub(super) async fn accept(&mut self) -> io::Result<Stream> {
        match self {
            Self::Machine(listener) => Ok(Stream::Machine(listener.accept().await?.0)),
            Self::Played(_, arrivals) => match arrivals.recv().await {
                Some(stream) => Ok(Stream::Played(stream)),
                // The network is gone, and nobody comes any more.
                None => std::future::pending().await,
            },
        }
    }
}

/// Ports that the machine gives to no connection by itself (Linux: those from 32,768 on): else one that goes out takes the port of
/// a server that is down, and the server does not come back.
const OWN_PORTS: Range<u16> = 10_000..32_768;
/// Ports that are tried; most are free.
const TRIES: u32 = 100;

/// Listens on this address, with a free port instead of the port 0.
async fn listen(mut address: SocketAddr) -> io::Result<TcpListener> {
    if address.port() != 0 {
        return TcpListener::bind(address).await;
    }
    let mut tried = Err(io::ErrorKind::AddrInUse.into());
    for _ in 0..TRIES {
        let (_, drawn, ..) = Uuid::new_v4().as_fields();
        let ports = OWN_PORTS.end - OWN_PORTS.start;
        address.set_port(OWN_PORTS.start + drawn % ports);
        tried = TcpListener::bind(address).await;
        if !matches!(&tried, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
    }
    tried
}

/// A connection's bytes.
pub(super) enum Stream {
    Machine(TcpStream),
    Played(Box<dyn Handed>),
}

impl Stream {
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Self::Machine(stream) => stream.set_nodelay(true),
            Self::Played(_) => Ok(()),
        }
    }

    /// Has it reset, not closed, when it is dropped. A played one is reset then in any case.
    pub(super) fn set_zero_linger(&self) -> io::Result<()> {
        match self {
            Self::Machine(stream) => stream.set_zero_linger(),
            Self::Played(_) => Ok(()),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Played(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Played(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_flush(cx),
            Self::Played(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Played(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Machine(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Played(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Machine(stream) => stream.is_write_vectored(),
            Self::Played(stream) => stream.is_write_vectored(),
        }
    }
}
