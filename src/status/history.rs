//! The last ten minutes of a subscription: rate, lag and state.
//!
//! Bounded by the number of samples. Never keeps anything of the events themselves.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::SubscriptionView;

/// A sample is taken this often, or a little later.
const STEP: Duration = Duration::from_secs(5);
/// Samples that are kept: ten minutes of them.
const LENGTH: usize = 120;
/// The present rate is that of so many steps: one alone jumps about.
const RATE_STEPS: usize = 2;

/// A subscription at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Time of the sample.
    pub at: Instant,
    /// Events copied per second since the sample before.
    pub rate: f64,
    /// Lag in events; `None` while that is not known.
    pub lag: Option<u64>,
    /// State of the subscription.
    pub state: &'static str,
    /// Events copied since the start of the process.
    copied: u64,
}

/// The samples, oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
}

impl History {
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.iter().cloned().collect()
    }

    /// Takes a sample if it is time for one, and then returns the present rate.
    pub(crate) fn note(&mut self, now: Instant, view: &SubscriptionView) -> Option<f64> {
        let last = self.samples.back();
        if last.is_some_and(|last| now.duration_since(last.at) < STEP) {
            return None;
        }
        let rate_since =
            |before: &Sample| rate(view.copied.saturating_sub(before.copied), now - before.at);
        let sample = Sample {
            at: now,
            rate: last.map_or(0.0, rate_since),
            lag: view.lag_events(),
            state: view.state.as_str(),
            copied: view.copied,
        };
        let earlier = self.samples.len().saturating_sub(RATE_STEPS);
        let present = self.samples.get(earlier).map_or(0.0, rate_since);
        if self.samples.len() == LENGTH {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        Some(present)
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "nobody copies 2^53 events in a step"
)]
fn rate(events: u64, time: Duration) -> f64 {
    if time.is_zero() {
        return 0.0;
    }
    events as f64 / time.as_secs_f64()
}
