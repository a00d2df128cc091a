//! Faults that strike calls while they are open.
//!
//! Never changes what a call says before it is struck.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::BoxFuture;
use tonic::Status;

use super::{FaultKind, Faults, Place, Point};

/// The answers of a call, until they end or a fault strikes.
pub(crate) struct Interruptible<S> {
    answers: S,
    strike: BoxFuture<'static, FaultKind>,
    over: bool,
}

impl<S> Interruptible<S> {
    /// Lets the faults of this place strike the call.
    pub(crate) fn new(
        answers: S,
        faults: &Faults,
        call: &'static str,
        stream: Option<String>,
        node: usize,
    ) -> Self {
        let faults = faults.clone();
        let strike = Box::pin(async move {
            let mut changes = faults.watch();
            loop {
                changes.borrow_and_update();
                let place = Place {
                    call,
                    stream: stream.as_deref(),
                    node,
                };
                if let Some(fault) = faults.strike(Point::Running, place) {
                    return fault;
                }
                if changes.changed().await.is_err() {
                    return std::future::pending().await;
                }
            }
        });
        Self {
            answers,
            strike,
            over: false,
        }
    }
}

impl<T, S: Stream<Item = Result<T, Status>> + Unpin> Stream for Interruptible<S> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(fault) = self.strike.as_mut().poll(cx) {
            self.over = true;
            return Poll::Ready(match fault {
                FaultKind::ConsumerTooSlow => Some(Err(too_slow())),
                _ => None,
            });
        }
        Pin::new(&mut self.answers).poll_next(cx)
    }
}

/// How a consumer ends that does not take live events fast enough (protocol §7.2).
pub(crate) fn too_slow() -> Status {
    Status::aborted(
        "Operation timed out: Consumer too slow to handle event while live. Client resubscription required.",
    )
}
