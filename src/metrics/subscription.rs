//! Counts of one subscription.
//!
//! Never keeps a series of a subscription that is no longer configured.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::as_gauge;
use super::table::{Counter, Noted};
use ditto_core::port::{CopiedEvent, Side};

/// Ticks of 100 ns in a second, the unit of an event's time.
const TICKS_PER_SECOND: f64 = 10_000_000.0;

/// The series of one subscription, from zero. Dropped, they are gone.
#[derive(Debug)]
pub struct SubscriptionMetrics {
    series: Arc<Noted>,
    stream: String,
    group: String,
}

impl SubscriptionMetrics {
    pub(super) fn new(series: Arc<Noted>, stream: &str, group: &str) -> Self {
        for row in series.rows() {
            row.start(Some([stream, group]));
        }
        Self {
            series,
            stream: stream.to_owned(),
            group: group.to_owned(),
        }
    }

    /// Adds to a series that has no label beyond stream and group.
    pub(crate) fn count(&self, which: impl FnOnce(&Noted) -> &Counter, by: u64) {
        let counter = which(&self.series);
        counter.with_label_values(&self.labels()).inc_by(by);
    }

    /// Adds one to a series that has one more label, for this value of it.
    pub(crate) fn count_one(&self, which: impl FnOnce(&Noted) -> &Counter, value: &str) {
        let [stream, group] = self.labels();
        let counter = which(&self.series);
        counter.with_label_values(&[stream, group, value]).inc();
    }

    /// Measures one append and its events.
    pub(crate) fn written(&self, events: &[CopiedEvent]) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs_f64();
        let labels = self.labels();
        let count = events.len();
        self.count(|series| &series.processed, count as u64);
        let size = self.series.append_events.with_label_values(&labels);
        size.observe(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        let delay = self.series.delay.with_label_values(&labels);
        for event in events {
            let created = event.created as f64 / TICKS_PER_SECOND;
            delay.observe((now - created).max(0.0));
        }
        let repaired = events.iter().filter(|event| event.repaired).count();
        self.count(|series| &series.repaired, repaired as u64);
        if let Some(number) = events.iter().rev().find_map(|event| event.number) {
            let current = self.series.current_event.with_label_values(&labels);
            current.set(as_gauge(number));
        }
    }

    /// Measures a call that a server answered: one of the two Event Stores by its side, anything else by what it is.
    pub(crate) fn call(&self, system: &str, side: Side, operation: &str, took: Duration) {
        let resource = if system == "eventstore" {
            side.as_str()
        } else {
            system
        };
        let durations = &self.series.io_duration;
        durations
            .with_label_values(&[system, resource, operation])
            .observe(took.as_secs_f64());
    }

    fn labels(&self) -> [&str; 2] {
        [&self.stream, &self.group]
    }
}

impl Drop for SubscriptionMetrics {
    fn drop(&mut self) {
        for row in self.series.rows() {
            row.remove(self.labels());
        }
    }
}
