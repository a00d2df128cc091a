//! One subscription's counts: a method for each thing that can happen.
//!
//! Never keeps a series of a subscription that is no longer configured.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::{Histogram, IntCounter, IntGauge};

use super::as_gauge;
use super::families::Families;

const HELD: [&str; 4] = ["conflict", "missing_history", "refused", "unverified"];
const SKIPPED: [&str; 7] = [
    "system_stream",
    "deleted",
    "tombstone",
    "unresolved",
    "conflict",
    "missing_history",
    "refused",
];
const DUPLICATE: [&str; 3] = ["known", "found", "unreadable"];
const SIDES: [&str; 2] = ["source", "destination"];
/// Ticks of 100 ns in a second, the unit of an event's time.
const TICKS_PER_SECOND: f64 = 10_000_000.0;

/// An event that was written, as far as it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Its number in the subscription's stream, if it was delivered.
    pub number: Option<u64>,
    /// When the source stored it: ticks of 100 ns since 1970.
    pub created: i64,
    /// Read from the source instead of being delivered.
    pub repaired: bool,
}

/// Handles of one subscription.
#[derive(Debug)]
pub struct SubscriptionMetrics {
    families: Arc<Families>,
    stream: String,
    group: String,
    received: IntCounter,
    unresolved: IntCounter,
    processed: IntCounter,
    failed: IntCounter,
    differ: IntCounter,
    unverified: IntCounter,
    truncated: IntCounter,
    holes: IntCounter,
    repairs: IntCounter,
    repaired: IntCounter,
    placeholders: IntCounter,
    restarts: IntCounter,
    throttled: IntCounter,
    current_event: IntGauge,
    delay: Histogram,
    append_events: Histogram,
}

impl SubscriptionMetrics {
    pub(super) fn new(families: Arc<Families>, stream: &str, group: &str) -> Self {
        let labels = [stream, group];
        let metrics = Self {
            stream: stream.to_owned(),
            group: group.to_owned(),
            received: families.received.with_label_values(&labels),
            unresolved: families.unresolved.with_label_values(&labels),
            processed: families.processed.with_label_values(&labels),
            failed: families.failed.with_label_values(&labels),
            differ: families.differ.with_label_values(&labels),
            unverified: families.unverified.with_label_values(&labels),
            truncated: families.truncated.with_label_values(&labels),
            holes: families.holes.with_label_values(&labels),
            repairs: families.repairs.with_label_values(&labels),
            repaired: families.repaired.with_label_values(&labels),
            placeholders: families.placeholders.with_label_values(&labels),
            restarts: families.restarts.with_label_values(&labels),
            throttled: families.throttled.with_label_values(&labels),
            current_event: families.current_event.with_label_values(&labels),
            delay: families.delay.with_label_values(&labels),
            append_events: families.append_events.with_label_values(&labels),
            families,
        };
        // Series that can be counted on from the start, so that a first increase is seen as one.
        for reason in SKIPPED {
            metrics
                .families
                .skipped
                .with_label_values(&[stream, group, reason]);
        }
        for reason in HELD {
            metrics
                .families
                .parked
                .with_label_values(&[stream, group, reason]);
        }
        for reason in DUPLICATE {
            metrics
                .families
                .duplicate
                .with_label_values(&[stream, group, reason]);
        }
        for side in SIDES {
            metrics
                .families
                .reconnects
                .with_label_values(&[stream, group, side]);
        }
        metrics
    }

    /// The subscription handed over this many.
    pub fn received(&self, deliveries: u64) {
        self.received.inc_by(deliveries);
    }

    /// One append was written.
    pub fn written(&self, events: impl ExactSizeIterator<Item = Written>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs_f64();
        let count = events.len() as u64;
        self.processed.inc_by(count);
        self.append_events
            .observe(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        for event in events {
            let created = event.created as f64 / TICKS_PER_SECOND;
            self.delay.observe((now - created).max(0.0));
            if event.repaired {
                self.repaired.inc();
            }
            if let Some(number) = event.number {
                self.current_event.set(as_gauge(number));
            }
        }
    }

    /// An event was there already.
    pub fn duplicate(&self, reason: &str) {
        self.families
            .duplicate
            .with_label_values(&[self.stream.as_str(), self.group.as_str(), reason])
            .inc();
    }

    /// An event differs at equal id.
    pub fn differs(&self) {
        self.differ.inc();
    }

    /// An event was acknowledged without being copied, by rule.
    pub fn skipped(&self, reason: &str) {
        self.families
            .skipped
            .with_label_values(&[self.stream.as_str(), self.group.as_str(), reason])
            .inc();
        if reason == "unresolved" {
            self.unresolved.inc();
        }
    }

    /// An event of a held stream was acknowledged by policy.
    pub fn passed(&self, reason: &str) {
        self.skipped(reason);
        self.failed.inc();
    }

    /// An event was parked.
    pub fn parked(&self, reason: &str) {
        self.families
            .parked
            .with_label_values(&[self.stream.as_str(), self.group.as_str(), reason])
            .inc();
        self.failed.inc();
    }

    /// Another writer truncated a stream at the destination.
    pub fn truncated(&self) {
        self.truncated.inc();
    }

    /// A stream was continued without a comparison.
    pub fn unverified(&self) {
        self.unverified.inc();
    }

    /// A repair began.
    pub fn repair(&self) {
        self.repairs.inc();
    }

    /// Placeholders were written.
    pub fn placeholders(&self, count: u64) {
        self.placeholders.inc_by(count);
    }

    /// The group had lost an event.
    pub fn hole(&self) {
        self.holes.inc();
    }

    /// A run failed and is started again.
    pub fn restart(&self) {
        self.restarts.inc();
    }

    /// A connection was lost.
    pub fn reconnect(&self, side: &str) {
        self.families
            .reconnects
            .with_label_values(&[self.stream.as_str(), self.group.as_str(), side])
            .inc();
    }

    /// A call to a server was answered: one of the two Event Stores by its side, anything else by what it is.
    pub fn call(&self, system: &str, side: &str, operation: &str, took: Duration) {
        let resource = if system == "eventstore" { side } else { system };
        let labels = [system, resource, operation];
        self.families
            .io_duration
            .with_label_values(&labels)
            .observe(took.as_secs_f64());
    }

    /// Records were refused for want of throughput.
    pub fn throttled(&self, records: u64) {
        self.throttled.inc_by(records);
    }
}

impl Drop for SubscriptionMetrics {
    fn drop(&mut self) {
        let f = &self.families;
        let labels = [self.stream.as_str(), self.group.as_str()];
        let counters = [
            &f.received,
            &f.unresolved,
            &f.processed,
            &f.failed,
            &f.differ,
            &f.unverified,
            &f.truncated,
            &f.holes,
            &f.repairs,
            &f.repaired,
            &f.placeholders,
            &f.restarts,
            &f.throttled,
        ];
        // A series that was never made cannot be removed, and need not be.
        for family in counters {
            family.remove_label_values(&labels).unwrap_or_default();
        }
        f.current_event
            .remove_label_values(&labels)
            .unwrap_or_default();
        f.delay.remove_label_values(&labels).unwrap_or_default();
        f.append_events
            .remove_label_values(&labels)
            .unwrap_or_default();
        let words: [(_, &[&str]); 4] = [
            (&f.skipped, &SKIPPED),
            (&f.parked, &HELD),
            (&f.duplicate, &DUPLICATE),
            (&f.reconnects, &SIDES),
        ];
        for (family, words) in words {
            for word in words {
                family
                    .remove_label_values(&[labels[0], labels[1], word])
                    .unwrap_or_default();
            }
        }
    }
}
