//! The loop's times: the pipeline's clock, the second's tick, the core's wish to be woken, the look at the source.
//!
//! Never decides what is done when a time has come.

use std::pin::Pin;
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, Sleep};

use ditto_core::port::Moment;

/// The core is ticked, and read for metrics, this often.
const TICK: Duration = Duration::from_secs(1);

/// The source is looked at this often: how far it is, and what its server did by itself.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Shorter waits are for pacing, longer ones for backing off: only these get jitter.
const JITTER_FROM: Duration = Duration::from_millis(200);

/// Clock and alarms of one pipeline.
pub(super) struct Timers {
    start: Instant,
    wake: Option<Moment>,
    tick: Moment,
    look: Moment,
    alarm: Pin<Box<Sleep>>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// A second has passed.
    pub(super) second: bool,
    /// The source is to be looked at.
    pub(super) look: bool,
}

impl Timers {
    /// Starts the clock.
    pub(super) fn new() -> Self {
        let start = Instant::now();
        Self {
            start,
            wake: None,
            tick: TICK,
            look: LOOK_INTERVAL,
            alarm: Box::pin(tokio::time::sleep_until(start + TICK)),
        }
    }

    /// Time since the pipeline's start.
    pub(super) fn now(&self) -> Moment {
        self.start.elapsed()
    }

    /// The same of an instant; what lies before the start counts as the start.
    pub(super) fn moment(&self, instant: Instant) -> Moment {
        instant.saturating_duration_since(self.start)
    }

    /// The core wants to be woken then; replaces an earlier wish. Back-offs get jitter, so that many pipelines that
    /// lost the same server do not come back at once.
    pub(super) fn wake_at(&mut self, at: Moment) {
        let wait = at.saturating_sub(self.now());
        let jitter = if wait >= JITTER_FROM {
            (wait / 10)
                .min(TICK / 2)
                .mul_f64(rand::rng().random::<f64>())
        } else {
            Duration::ZERO
        };
        self.wake = Some(at + jitter);
    }

    /// Resolves when the earliest of the times has come. Loses nothing when dropped.
    pub(super) async fn alarm(&mut self) {
        let next = self.wake.map_or(self.tick, |wake| wake.min(self.tick));
        let deadline = self.start + next;
        if self.alarm.deadline() != deadline {
            self.alarm.as_mut().reset(deadline);
        }
        self.alarm.as_mut().await;
    }

    /// What is due now; each is then set for its next time.
    pub(super) fn due(&mut self) -> Due {
        let now = self.now();
        self.wake = self.wake.filter(|wake| *wake > now);
        let due = Due {
            second: now >= self.tick,
            look: now >= self.look,
        };
        if due.second {
            self.tick = now + TICK;
        }
        if due.look {
            self.look = now + LOOK_INTERVAL;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::{Due, Timers};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn the_earliest_time_wakes_and_only_what_is_due_is_told() {
        let mut timers = Timers::new();
        timers.wake_at(Duration::from_millis(30));
        timers.alarm().await;
        assert_eq!(timers.now(), Duration::from_millis(30));
        assert_eq!(
            timers.due(),
            Due {
                second: false,
                look: false
            }
        );
        timers.alarm().await;
        assert_eq!(
            timers.due(),
            Due {
                second: true,
                look: false
            }
        );
        for _ in 0..4 {
            timers.alarm().await;
            timers.due();
        }
        assert_eq!(timers.now(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn long_waits_get_a_little_longer_and_never_shorter() {
        let timers = &mut Timers::new();
        for _ in 0..100 {
            let at = Duration::from_secs(30);
            timers.wake_at(at);
            let wake = timers.wake.unwrap_or_default();
            assert!(
                wake >= at && wake <= at + Duration::from_millis(500),
                "{wake:?}"
            );
        }
    }
}
