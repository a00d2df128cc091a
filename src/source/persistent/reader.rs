//! The task of one session: the only owner of the call. Hands deliveries over, sends acknowledgements in portions.
//!
//! Never decides what is acknowledged, and never waits for the pipeline with acknowledgements unsent.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, timeout};
use uuid::Uuid;

use super::Delivered;
use super::handoff::{Handoff, View};

/// An acknowledgement waits at most this long for others to go with it.
const LATEST: Duration = Duration::from_millis(20);

/// Ids in one portion, at most. The server refills on each; one huge portion would leave it idle meanwhile
/// (protocol §8.6).
const MOST_IDS: usize = 500;

/// How long handing a portion to the connection may take. It takes no time unless the connection is stuck.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// What is sent last is only queued when sending returns; cut at once it would be lost (protocol §8.3).
const LINGER: Duration = Duration::from_millis(200);

/// A subscription's open call.
pub(super) trait Call: Send {
    /// What the call fails with.
    type Error: Send;

    /// The next delivery. Loses nothing when dropped.
    fn next(&mut self) -> impl Future<Output = Result<Delivered, Self::Error>> + Send;

    /// Acknowledges deliveries; an error means that the session is over.
    fn ack(&mut self, ids: Vec<Uuid>) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Parks deliveries; an error means that the session is over.
    fn park(
        &mut self,
        ids: Vec<Uuid>,
        reason: String,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// How a session ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End<E> {
    /// As asked, everything sent.
    Left,
    /// The call failed.
    Failed(E),
    /// The connection took nothing any more.
    Stuck,
}

/// Reads until told to leave, or until the call fails. The call has ended when this returns.
pub(super) async fn read<C: Call>(call: C, buffer_size: u32, handoff: &Handoff) -> End<C::Error> {
    let mut reader = Reader {
        call,
        portion: portion(buffer_size),
        acks: Vec::new(),
        parks: Vec::new(),
        outstanding: 0,
        leave: false,
        last_sent: None,
        latest: Box::pin(tokio::time::sleep(Duration::ZERO)),
    };
    match reader.run(handoff).await {
        Ok(()) => End::Left,
        Err(end) => end,
    }
}

/// No more than a quarter of the buffer size: the server fills up what is acknowledged while the rest is worked on.
fn portion(buffer_size: u32) -> usize {
    usize::try_from(buffer_size / 4)
        .unwrap_or(MOST_IDS)
        .clamp(1, MOST_IDS)
}

struct Reader<C> {
    call: C,
    portion: usize,
    acks: Vec<Uuid>,
    parks: Vec<(Vec<Uuid>, String)>,
    /// Delivered, and neither acknowledged nor parked yet.
    outstanding: usize,
    leave: bool,
    last_sent: Option<Instant>,
    latest: Pin<Box<Sleep>>,
}

impl<C: Call> Reader<C> {
    async fn run(&mut self, handoff: &Handoff) -> Result<(), End<C::Error>> {
        let mut view = View {
            room: true,
            requests: true,
        };
        loop {
            if view.requests {
                view = self.take_orders(handoff);
            }
            self.send_due().await?;
            if self.leave {
                linger(self.last_sent).await;
                return Ok(());
            }
            tokio::select! {
                biased;
                () = handoff.something_for_reader() => view.requests = true,
                () = self.latest.as_mut(), if !self.acks.is_empty() => self.send_acks(0).await?,
                delivered = self.call.next(), if view.room => {
                    view = handoff.put(delivered.map_err(End::Failed)?);
                    self.outstanding += 1;
                }
            }
        }
    }

    fn take_orders(&mut self, handoff: &Handoff) -> View {
        let (requests, view) = handoff.take_orders();
        if self.acks.is_empty() && !requests.acks.is_empty() {
            self.latest.as_mut().reset(Instant::now() + LATEST);
        }
        self.acks.extend(requests.acks);
        self.parks.extend(requests.parks);
        self.leave = requests.leave;
        view
    }

    /// Sends what may not wait. With nothing else delivered there is nothing to wait for.
    async fn send_due(&mut self) -> Result<(), End<C::Error>> {
        for (mut ids, reason) in std::mem::take(&mut self.parks) {
            while !ids.is_empty() {
                let rest = ids.split_off(ids.len().min(self.portion));
                self.outstanding = self.outstanding.saturating_sub(ids.len());
                in_time(self.call.park(ids, reason.clone())).await?;
                self.last_sent = Some(Instant::now());
                ids = rest;
            }
        }
        let idle = self.acks.len() >= self.outstanding;
        let keep = if self.leave || idle {
            0
        } else {
            self.portion - 1
        };
        self.send_acks(keep).await
    }

    /// Sends portions until at most `keep` ids are left.
    async fn send_acks(&mut self, keep: usize) -> Result<(), End<C::Error>> {
        while self.acks.len() > keep {
            let rest = self.acks.split_off(self.acks.len().min(self.portion));
            let portion = std::mem::replace(&mut self.acks, rest);
            self.outstanding = self.outstanding.saturating_sub(portion.len());
            in_time(self.call.ack(portion)).await?;
            self.last_sent = Some(Instant::now());
        }
        Ok(())
    }
}

async fn linger(last_sent: Option<Instant>) {
    if let Some(last_sent) = last_sent {
        tokio::time::sleep_until(last_sent + LINGER).await;
    }
}

async fn in_time<E>(sending: impl Future<Output = Result<(), E>>) -> Result<(), End<E>> {
    match timeout(SEND_LIMIT, sending).await {
        Ok(sent) => sent.map_err(End::Failed),
        Err(_) => Err(End::Stuck),
    }
}
