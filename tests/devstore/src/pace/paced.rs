//! The pace at which a subscription pushes events.
//!
//! Never holds a message back that is no part of a series: what comes singly passes at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::time::{Instant, Sleep};

/// How far ahead of its pace a subscription may be: the runtime's timers count milliseconds.
const AHEAD: Duration = Duration::from_millis(2);

/// A stream of which items pass at an interval, on average.
pub(crate) struct Paced<S> {
    inner: S,
    interval: Option<Duration>,
    /// When the next item would be due if all came at the interval.
    due: Instant,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    /// `None`: no pace at all.
    pub(crate) fn new(inner: S, interval: Option<Duration>) -> Self {
        Self {
            inner,
            interval,
            due: Instant::now(),
            pause: None,
        }
    }
}

impl<S: Stream + Unpin> Stream for Paced<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        let item = Pin::new(&mut self.inner).poll_next(cx);
        if let (Poll::Ready(Some(_)), Some(interval)) = (&item, self.interval) {
            let now = Instant::now();
            self.due = self.due.max(now) + interval;
            if self.due > now + AHEAD {
                self.pause = Some(Box::pin(tokio::time::sleep_until(self.due)));
            }
        }
        item
    }
}
