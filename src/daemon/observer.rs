//! What a pipeline tells, brought to the status and to the metrics.
//!
//! Never waits: it is called from the pipeline's own task.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{SubscriptionMetrics, Written};
use crate::pipeline::replicate::{Call, Observer};
use crate::status::Entry;
use ditto_core::port::{CopiedEvent, DuplicateReason, GroupSeen, Report, Side, Status};

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
                metrics.written(events.iter().map(written));
            }
            Report::Duplicate { reason, .. } => metrics.duplicate(duplicate_word(*reason)),
            Report::Differs { .. } => metrics.differs(),
            Report::Skipped { reason } => metrics.skipped(reason.as_str()),
            Report::Passed { reason, .. } => metrics.passed(reason.as_str()),
            Report::Parked { reason, .. } => metrics.parked(reason.as_str()),
            Report::Unverified { .. } => metrics.unverified(),
            Report::Truncated { .. } => metrics.truncated(),
            Report::RepairStarted { .. } => metrics.repair(),
            Report::Placeholders { count, .. } => metrics.placeholders(*count),
            Report::Hole { .. } => metrics.hole(),
            Report::State(state) => self.entry.state(state.clone()),
            _ => {}
        }
    }

    fn received(&self, deliveries: u64) {
        self.metrics.received(deliveries);
    }

    fn status(&self, status: &Status) {
        self.entry.status(status);
    }

    fn group(&self, group: &GroupSeen) {
        self.entry.group(group);
    }

    fn call(&self, call: Call, system: &'static str, took: Duration) {
        self.metrics
            .call(system, call.side().as_str(), call.operation(), took);
    }

    fn throttled(&self, records: u64) {
        self.metrics.throttled(records);
    }

    fn reconnect(&self, side: Side) {
        self.metrics.reconnect(side.as_str());
    }

    fn trouble(&self, side: Side, why: &str) {
        self.entry.trouble(side, why);
    }
}

fn written(event: &CopiedEvent) -> Written {
    Written {
        number: event.number,
        created: event.created,
        repaired: event.repaired,
    }
}

fn duplicate_word(reason: DuplicateReason) -> &'static str {
    match reason {
        DuplicateReason::Known => "known",
        DuplicateReason::Found => "found",
        DuplicateReason::Unreadable => "unreadable",
    }
}
