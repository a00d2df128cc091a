//! What a pipeline tells, brought to the board and to the metrics.
//!
//! Never waits: it is called from the pipeline's own task.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::{SubscriptionMetrics, Written};
use crate::pipeline::replicate::{Call, Observer};
use crate::status::Entry;
use ditto_core::port::{CopiedEvent, DuplicateReason, GroupSeen, Side, Status, Tell};

/// Observes one subscription, over all its runs.
pub(super) struct BoardObserver {
    pub(super) entry: Arc<Entry>,
    pub(super) metrics: Arc<SubscriptionMetrics>,
}

impl Observer for BoardObserver {
    fn tell(&self, what: &Tell) {
        let metrics = &self.metrics;
        match what {
            Tell::Copied { events, .. } => {
                let repaired = events.iter().filter(|event| event.repaired).count();
                self.entry.copied(events.len() as u64, repaired as u64);
                metrics.written(events.iter().map(written));
            }
            Tell::Duplicate { reason, .. } => metrics.duplicate(duplicate_word(*reason)),
            Tell::Differs { .. } => metrics.differs(),
            Tell::Skipped { reason } => metrics.skipped(reason.as_str()),
            Tell::Passed { reason, .. } => metrics.passed(reason.as_str()),
            Tell::Parked { reason, .. } => metrics.parked(reason.as_str()),
            Tell::Unverified { .. } => metrics.unverified(),
            Tell::Truncated { .. } => metrics.truncated(),
            Tell::RepairStarted { .. } => metrics.repair(),
            Tell::Placeholders { count, .. } => metrics.placeholders(*count),
            Tell::Hole { .. } => metrics.hole(),
            Tell::State(state) => self.entry.state(state.clone()),
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
