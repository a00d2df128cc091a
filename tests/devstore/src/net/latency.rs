//! Delay of everything sent, each way: order is kept, bandwidth is not limited.
//!
//! It shows what a round trip costs, not what Nagle's algorithm or congestion control make of it on a real link.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::socket::Wire;
use super::tasks::Tasks;

/// What one read takes at most.
const PORTION: usize = 64 * 1024;
/// Portions under way: enough for any rate that a test reaches within the delay, and a bound.
const UNDER_WAY: usize = 4096;

/// Puts a delay between the server and a client.
pub(super) fn delayed(wire: impl Wire, delay: Duration, tasks: &Tasks) -> DuplexStream {
    let (near, far) = tokio::io::duplex(PORTION);
    let (from_client, to_client) = tokio::io::split(wire);
    let (from_server, to_server) = tokio::io::split(far);
    carry(from_client, to_server, delay, tasks);
    carry(from_server, to_client, delay, tasks);
    near
}

fn carry<A, B>(from: ReadHalf<A>, to: WriteHalf<B>, delay: Duration, tasks: &Tasks)
where
    A: AsyncRead + Send + 'static,
    B: AsyncWrite + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(UNDER_WAY);
    tasks.spawn(async move {
        if let Err(error) = take(from, &sender, delay).await {
            tracing::debug!(%error, "a delayed connection broke");
        }
    });
    tasks.spawn(async move {
        if let Err(error) = give(to, receiver).await {
            tracing::debug!(%error, "a delayed connection broke");
        }
    });
}

/// Reads what is sent and notes when it may arrive.
async fn take<A: AsyncRead>(
    mut from: ReadHalf<A>,
    sender: &mpsc::Sender<(Instant, Bytes)>,
    delay: Duration,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(PORTION);
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let portion = (Instant::now() + delay, buffer.split().freeze());
        if sender.send(portion).await.is_err() {
            return Ok(());
        }
    }
}

/// Lets it arrive; the end of what is sent arrives after everything else.
async fn give<B: AsyncWrite>(
    mut to: WriteHalf<B>,
    mut receiver: mpsc::Receiver<(Instant, Bytes)>,
) -> io::Result<()> {
    while let Some((due, portion)) = receiver.recv().await {
        tokio::time::sleep_until(due).await;
        to.write_all(&portion).await?;
        to.flush().await?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn everything_arrives_in_order_after_the_delay() {
        let tasks = Tasks::default();
        let (client, wire) = tokio::io::duplex(16);
        let mut server = delayed(wire, Duration::from_millis(25), &tasks);
        let (mut client_in, mut client_out) = tokio::io::split(client);
        let began = Instant::now();
        let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let expected = sent.clone();
        let write = async {
            client_out.write_all(&sent).await.unwrap();
            client_out.shutdown().await.unwrap();
        };
        let echo = async {
            let mut got = Vec::new();
            server.read_to_end(&mut got).await.unwrap();
            assert!(began.elapsed() >= Duration::from_millis(25));
            server.write_all(&got).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let read = async {
            let mut got = Vec::new();
            client_in.read_to_end(&mut got).await.unwrap();
            got
        };
        let ((), (), got) = tokio::join!(write, echo, read);
        assert!(got == expected && began.elapsed() >= Duration::from_millis(50));
    }
}
