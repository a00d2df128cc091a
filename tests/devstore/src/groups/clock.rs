//! The clock of the groups, which a test may run faster than the day's. Never goes back.

use std::time::{Duration, Instant};

/// Milliseconds since the server began, times a scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    began: Instant,
    scale: f64,
}

impl Clock {
    /// A clock that runs `scale` times as fast as the day's; anything that is no positive number counts as 1.
    pub(crate) fn new(scale: f64) -> Clock {
        let scale = if scale.is_finite() && scale > 0.0 {
            scale
        } else {
            1.0
        };
        Clock {
            began: Instant::now(),
            scale,
        }
    }

    /// Milliseconds on this clock.
    pub(crate) fn now_ms(&self) -> i64 {
        let scaled = self.began.elapsed().mul_f64(self.scale);
        i64::try_from(scaled.as_millis()).unwrap_or(i64::MAX)
    }

    /// What a time on this clock takes on the day's.
    pub(crate) fn real(&self, time: Duration) -> Duration {
        time.div_f64(self.scale).max(Duration::from_millis(1))
    }
}
