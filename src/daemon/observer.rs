//! What a pipeline tells, brought to the status and to the metrics.
//!
//! Never waits: it is called from the pipeline's own task.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::SubscriptionMetrics;
use crate::pipeline::replicate::{Call, Observer};
use crate::status::Entry;
use ditto_core::event::SkipReason;
use ditto_core::port::{GroupSeen, Report, Side, Status};

/// Observes one subscription, over all its runs.
pub(super) struct StatusObserver {
    pub(super) entry: Arc<Entry>,
    pub(super) metrics: Arc<SubscriptionMetrics>,
}

impl Observer for StatusObserver {
    fn report(&self, what: &Report) {
        let metrics = &self.metrics;
        match what {
            Report::Copied { events, .. } => {
                let repaired = events.iter().filter(|event| event.repaired).count();
                self.entry.copied(events.len() as u64, repaired as u64);
                metrics.written(events);
            }
            Report::Duplicate { reason, .. } => {
                metrics.count_one(|series| &series.duplicate, reason.as_str());
            }
            Report::Differs { .. } => metrics.count(|series| &series.differ, 1),
            Report::Skipped { reason } => {
                metrics.count_one(|series| &series.skipped, reason.as_str());
                if *reason == SkipReason::Unresolved {
                    metrics.count(|series| &series.unresolved, 1);
                }
            }
            Report::Passed { reason, .. } => {
                metrics.count_one(|series| &series.skipped, reason.as_str());
                metrics.count(|series| &series.failed, 1);
            }
            Report::Parked { reason, .. } => {
                metrics.count_one(|series| &series.parked, reason.as_str());
                metrics.count(|series| &series.failed, 1);
            }
            Report::Unverified { .. } => metrics.count(|series| &series.unverified, 1),
            Report::Truncated { .. } => metrics.count(|series| &series.truncated, 1),
            Report::RepairStarted { .. } => metrics.count(|series| &series.repairs, 1),
            Report::Placeholders { count, .. } => {
                metrics.count(|series| &series.placeholders, *count);
            }
            Report::Hole { .. } => metrics.count(|series| &series.holes, 1),
            Report::State(state) => self.entry.state(state.clone()),
            _ => {}
        }
    }

    fn received(&self, deliveries: u64) {
        self.metrics.count(|series| &series.received, deliveries);
    }

    fn status(&self, status: &Status) {
        self.entry.status(status);
    }

    fn group(&self, group: &GroupSeen) {
        self.entry.group(group);
    }

    fn call(&self, call: Call, system: &'static str, took: Duration) {
        self.metrics
            .call(system, call.side(), call.operation(), took);
    }

    fn throttled(&self, records: u64) {
        self.metrics.count(|series| &series.throttled, records);
    }

    fn reconnect(&self, side: Side) {
        self.metrics
            .count_one(|series| &series.reconnects, side.as_str());
    }

    fn trouble(&self, side: Side, why: &str) {
        self.entry.trouble(side, why);
    }
}
