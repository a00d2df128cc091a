//! The pace at which a subscription looks at records and pushes events.
//!
//! Never holds a message back that is no part of a series: what comes singly passes at once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::time::{Instant, Sleep};

/// How far ahead of its pace a subscription may be: the runtime's timers count milliseconds.
const AHEAD: Duration = Duration::from_millis(2);

/// Work that takes its time, on average.
#[derive(Debug)]
pub(crate) struct Meter {
    /// When all of it would be done if it was begun without a pause.
    due: Instant,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            due: Instant::now(),
        }
    }

    /// Adds work; until when to pause, if it is too far ahead.
    pub(crate) fn add(&mut self, work: Duration) -> Option<Instant> {
        let now = Instant::now();
        self.due = self.due.max(now) + work;
        (self.due > now + AHEAD).then_some(self.due)
    }
}

/// A stream of which items pass at an interval, on average.
pub(crate) struct Paced<S> {
    inner: S,
    interval: Option<Duration>,
    meter: Meter,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    /// `None`: no pace at all.
    pub(crate) fn new(inner: S, interval: Option<Duration>) -> Self {
        Self {
            inner,
            interval,
            meter: Meter::new(),
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
        if let (Poll::Ready(Some(_)), Some(interval)) = (&item, self.interval)
            && let Some(until) = self.meter.add(interval)
        {
            self.pause = Some(Box::pin(tokio::time::sleep_until(until)));
        }
        item
    }
}
