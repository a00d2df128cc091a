//! Gauges of the present state: made from the status at each scrape, and kept nowhere.
//!
//! What is not known has no series: a zero would be a claim. Never counts anything.

use std::sync::Arc;
use std::time::SystemTime;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGauge, IntGaugeVec, Opts};

use super::as_gauge;
use crate::status::{ProcessStatus, STATES, SubscriptionView, Verdict, answers, state_word};
use ditto_core::port::{HeldReason, Side};

const SUBSCRIPTION: [&str; 2] = ["stream", "group"];

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
        let set = Set::new()?;
        let collectors = set.collectors();
        let descriptions = collectors.iter().flat_map(|one| one.desc());
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
        let Ok(set) = Set::new() else {
            return Vec::new();
        };
        set.show(&self.status);
        let families = set.collectors().into_iter().flat_map(Collector::collect);
        families
            .filter(|family| !family.get_metric().is_empty())
            .collect()
    }
}

/// The gauges of one scrape.
struct Set {
    up: IntGaugeVec,
    reload: IntGauge,
    state: IntGaugeVec,
    held: IntGaugeVec,
    parked: IntGaugeVec,
    lag_events: IntGaugeVec,
    lag_seconds: GaugeVec,
    in_flight: IntGaugeVec,
    buffered_bytes: IntGaugeVec,
}

impl Set {
    fn new() -> prometheus::Result<Self> {
        let whole = |name, help, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        Ok(Self {
            up: whole(
                "ditto_up",
                "1 if this side answers, 0 if ditto waits for it to answer.",
                &["side"],
            )?,
            reload: IntGauge::new(
                "ditto_config_last_reload_successful",
                "0 if the last reload was refused, otherwise 1.",
            )?,
            state: whole(
                "ditto_subscription_state",
                "1 for the state that the subscription is in, 0 for every other.",
                &["stream", "group", "state"],
            )?,
            held: whole(
                "ditto_streams_held",
                "Streams that are not written to until somebody decides.",
                &["stream", "group", "reason"],
            )?,
            parked: whole(
                "ditto_parked_events",
                "Events in the group's parked queue, or as the server counts them if ditto may not read it.",
                &SUBSCRIPTION,
            )?,
            lag_events: whole(
                "ditto_lag_events",
                "Events of the subscription's stream after the point up to which all are acknowledged.",
                &SUBSCRIPTION,
            )?,
            lag_seconds: GaugeVec::new(
                Opts::new(
                    "ditto_lag_seconds",
                    "Age of the oldest event that is not acknowledged, 0 if there is none.",
                ),
                &SUBSCRIPTION,
            )?,
            in_flight: whole(
                "ditto_in_flight_events",
                "Events sent to the destination and not answered.",
                &SUBSCRIPTION,
            )?,
            buffered_bytes: whole(
                "ditto_buffered_bytes",
                "Bytes of events held in memory.",
                &SUBSCRIPTION,
            )?,
        })
    }

    fn collectors(&self) -> [&dyn Collector; 9] {
        [
            &self.up,
            &self.reload,
            &self.state,
            &self.held,
            &self.parked,
            &self.lag_events,
            &self.lag_seconds,
            &self.in_flight,
            &self.buffered_bytes,
        ]
    }

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
        self.reload.set((!refused).into());
        views.iter().for_each(|view| self.subscription(view));
    }

    fn subscription(&self, view: &SubscriptionView) {
        let labels = [view.key.stream.as_str(), &view.key.group];
        let [stream, group] = labels;
        for state in STATES {
            let is_so = state == state_word(&view.state);
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
