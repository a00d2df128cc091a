//! A timer for fractions of a millisecond, which the runtime's own does not have.
//!
//! Its thread exists only while something waits, and never calls anything but wakers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// The thread ends after so long without anything to wait for.
const IDLE: Duration = Duration::from_secs(5);

/// A timer. Dropping it wakes everybody.
#[derive(Debug, Default)]
pub(super) struct Timer {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: BinaryHeap<Reverse<Waiting>>,
    next: u64,
    running: bool,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    until: Instant,
    order: u64,
    wake: oneshot::Sender<()>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.order).cmp(&(other.until, other.order))
    }
}

impl Timer {
    /// Waits until a moment.
    pub(super) async fn until(&self, until: Instant) {
        if until <= Instant::now() {
            return;
        }
        let (wake, woken) = oneshot::channel();
        if let Err(error) = self.add(until, wake) {
            tracing::warn!(%error, "no thread for the timer; waiting in whole milliseconds");
            tokio::time::sleep_until(until.into()).await;
            return;
        }
        // An error means that the timer is gone: then nothing is left to be paced.
        let _gone = woken.await;
    }

    fn add(&self, until: Instant, wake: oneshot::Sender<()>) -> std::io::Result<()> {
        let mut state = self.shared.lock();
        if !state.running {
            let shared = Arc::clone(&self.shared);
            std::thread::Builder::new()
                .name("pace".to_owned())
                .spawn(move || shared.run())?;
            state.running = true;
        }
        state.next += 1;
        let order = state.next;
        state.waiting.push(Reverse(Waiting { until, order, wake }));
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.lock();
        while !state.closed {
            let now = Instant::now();
            let due = state.waiting.peek().map(|Reverse(first)| first.until);
            match due {
                Some(until) if until <= now => {
                    if let Some(Reverse(first)) = state.waiting.pop() {
                        // The one who waited may have gone.
                        let _gone = first.wake.send(());
                    }
                }
                Some(until) => state = self.wait(state, until - now),
                None => {
                    state = self.wait(state, IDLE);
                    if state.waiting.is_empty() {
                        break;
                    }
                }
            }
        }
        state.running = false;
        state.waiting.clear();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiters_are_woken_in_order_and_never_early() {
        let timer = Timer::default();
        let began = Instant::now();
        let order = Mutex::new(Vec::new());
        let wait = async |ms: u64| {
            let until = began + Duration::from_millis(ms);
            timer.until(until).await;
            assert!(Instant::now() >= until);
            order.lock().unwrap().push(ms);
        };
        tokio::join!(wait(30), wait(1), wait(20), wait(0));
        assert_eq!(*order.lock().unwrap(), [0, 1, 20, 30]);
    }
}
