//! Calls that are answered once: reads, looks, joins. Many at once, up to a bound; the others wait their turn.
//!
//! Knows nothing of appends, and never gives a call up: each has a time limit of its own.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::report::Call;

/// Calls under way at once. More do not make a server faster: reads level off here (protocol §15.7).
const UNDER_WAY: usize = 256;

type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Calls under way and waiting. Their number is bounded by the streams and pages that the core works on at once.
pub(super) struct Operations<T> {
    running: FuturesUnordered<Running<Finished<T>>>,
    waiting: VecDeque<Running<Finished<T>>>,
}

/// A call that was answered.
#[derive(Debug)]
pub(super) struct Finished<T> {
    /// Which kind it was.
    pub(super) call: Call,
    /// How long it took.
    pub(super) took: Duration,
    /// What it brought.
    pub(super) result: T,
}

impl<T: Send + 'static> Operations<T> {
    pub(super) fn new() -> Self {
        Self {
            running: FuturesUnordered::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Starts a call, or lets it wait until another is answered.
    pub(super) fn start(&mut self, call: Call, future: impl Future<Output = T> + Send + 'static) {
        let timed = Box::pin(async move {
            let began = Instant::now();
            let result = future.await;
            Finished {
                call,
                took: began.elapsed(),
                result,
            }
        });
        if self.running.len() < UNDER_WAY {
            self.running.push(timed);
        } else {
            self.waiting.push_back(timed);
        }
    }

    /// Waits for the next answer; for ever while nothing is under way. Loses nothing when dropped.
    pub(super) async fn next(&mut self) -> Finished<T> {
        match self.next_of_running().await {
            Some(finished) => finished,
            None => std::future::pending().await,
        }
    }

    /// The next answer, if there is one already.
    pub(super) fn ready(&mut self) -> Option<Finished<T>> {
        self.next_of_running().now_or_never().flatten()
    }

    async fn next_of_running(&mut self) -> Option<Finished<T>> {
        let finished = self.running.next().await?;
        if let Some(next) = self.waiting.pop_front() {
            self.running.push(next);
        }
        Some(finished)
    }
}

#[cfg(test)]
mod tests {
    use super::{Operations, UNDER_WAY};
    use crate::report::Call;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn never_more_than_the_bound_are_under_way_and_all_are_answered() {
        let under_way = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let mut operations = Operations::new();
        for number in 0..3 * UNDER_WAY {
            let (under_way, most) = (under_way.clone(), most.clone());
            operations.start(Call::Lookup, async move {
                most.fetch_max(
                    under_way.fetch_add(1, Ordering::SeqCst) + 1,
                    Ordering::SeqCst,
                );
                tokio::task::yield_now().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                number
            });
        }
        let mut seen = Vec::new();
        for _ in 0..3 * UNDER_WAY {
            seen.push(operations.next().await.result);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..3 * UNDER_WAY).collect::<Vec<_>>());
        assert_eq!(most.load(Ordering::SeqCst), UNDER_WAY);
    }
}
