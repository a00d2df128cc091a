//! One end of a connection, as hyper reads and writes it.
//!
//! Dropped before it was shut down, it resets the connection, as the end of a process does.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::network::{Found, Network, Packet};

pub(crate) struct End {
    network: Network,
    incoming: usize,
    outgoing: usize,
    /// What came and was not read yet.
    rest: Bytes,
    alarm: Pin<Box<Sleep>>,
    has_ended: bool,
    was_ended: bool,
}

impl End {
    pub(crate) fn new(network: Network, incoming: usize, outgoing: usize) -> Self {
        Self {
            network,
            incoming,
            outgoing,
            rest: Bytes::new(),
            alarm: Box::pin(sleep_until(Instant::now())),
            has_ended: false,
            was_ended: false,
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.has_ended {
            self.network
                .end(self.outgoing, Instant::now(), Packet::Reset);
        }
        self.network.close(self.incoming);
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.was_ended {
                return Poll::Ready(Ok(()));
            }
            if !self.rest.is_empty() {
                let size = self.rest.len().min(buf.remaining());
                buf.put_slice(&self.rest[..size]);
                self.rest.advance(size);
                return Poll::Ready(Ok(()));
            }
            match self
                .network
                .read(self.incoming, Instant::now(), cx.waker())?
            {
                Found::Packet(Packet::Data(bytes)) => self.rest = bytes,
                Found::Packet(Packet::End) => self.was_ended = true,
                Found::Packet(Packet::Reset) => {
                    self.network.close(self.incoming);
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                Found::Later(due) => {
                    self.alarm.as_mut().reset(due);
                    ready!(self.alarm.as_mut().poll(cx));
                }
                Found::Nothing => return Poll::Pending,
            }
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = self
            .network
            .write(self.outgoing, Instant::now(), data, cx.waker());
        match written {
            Ok(0) => Poll::Pending,
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_ended {
            self.has_ended = true;
            self.network.end(self.outgoing, Instant::now(), Packet::End);
        }
        Poll::Ready(Ok(()))
    }
}
