//! Gauges of the present state: made from the status at each scrape, and kept nowhere.
//!
//! What is not known has no series: a zero would be a claim. Never counts anything.

use std::sync::Arc;
use std::time::SystemTime;

use prometheus::IntGaugeVec;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use super::as_gauge;
use super::table::Shown;
use crate::status::{ProcessStatus, SubscriptionView, Verdict, answers};
use ditto_core::port::{HeldReason, PipelineState, Side};

/// Collects the gauges of one process.
pub(super) struct Gauges {
    status: Arc<ProcessStatus>,
    descriptions: Vec<Desc>,
}

impl Gauges {
    /// Gauges that show this status.
    ///
    /// # Errors
    /// If a name or a label is not valid.
    pub(super) fn of(status: Arc<ProcessStatus>) -> prometheus::Result<Self> {
        let set = Shown::new()?;
        let rows = set.rows();
        let descriptions = rows.iter().flat_map(|row| row.family.desc());
        Ok(Self {
            status,
            descriptions: descriptions.cloned().collect(),
        })
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // The same names and labels were accepted when this was registered.
        let Ok(set) = Shown::new() else {
            return Vec::new();
        };
        set.show(&self.status);
        let rows = set.rows();
        let families = rows.iter().flat_map(|row| row.family.collect());
        families
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

impl Shown {
    fn show(&self, status: &ProcessStatus) {
        let views = status.views();
        for side in Side::ALL {
            if let Some(is_up) = answers(&views, side) {
                self.up
                    .with_label_values(&[side.as_str()])
                    .set(is_up.into());
            }
        }
        let refused = status
            .last_reload()
            .is_some_and(|last| matches!(last.verdict, Verdict::Refused(_)));
        let reload = self.reload.with_label_values::<&str>(&[]);
        reload.set((!refused).into());
        views.iter().for_each(|view| self.subscription(view));
    }

    fn subscription(&self, view: &SubscriptionView) {
        let labels = [view.key.stream.as_str(), &view.key.group];
        let [stream, group] = labels;
        for state in PipelineState::ALL.each_ref().map(PipelineState::as_str) {
            let is_so = state == view.state.as_str();
            let gauge = self.state.with_label_values(&[stream, group, state]);
            gauge.set(is_so.into());
        }
        let whole = |family: &IntGaugeVec, number: u64| {
            family.with_label_values(&labels).set(as_gauge(number));
        };
        if let Some(parked) = view.parked() {
            whole(&self.parked, parked);
        }
        if let Some(lag) = view.lag_events() {
            whole(&self.lag_events, lag);
        }
        if let Some(lag) = view.lag_time(SystemTime::now()) {
            let gauge = self.lag_seconds.with_label_values(&labels);
            gauge.set(lag.as_secs_f64());
        }
        if let Some(lag) = view.lag_bytes() {
            whole(&self.lag_bytes, lag);
        }
        if let Some(age) = view.log().and_then(|log| log.checkpoint_age) {
            let gauge = self.checkpoint_age.with_label_values(&labels);
            gauge.set(age.as_secs_f64());
        }
        let Some(status) = &view.status else { return };
        whole(&self.in_flight, status.events_in_flight as u64);
        whole(&self.buffered_bytes, status.bytes_buffered as u64);
        for (reason, count) in HeldReason::ALL.into_iter().zip(status.held) {
            let labels = [stream, group, reason.as_str()];
            self.held
                .with_label_values(&labels)
                .set(as_gauge(count as u64));
        }
    }
}
