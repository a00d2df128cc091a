//! Values of the process as a whole: version, sides, reloads, log.
//!
//! Never a subscription's.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::as_gauge;
use super::table::{Counter, Noted};
use crate::status::Verdict;

const NO_LABELS: &[&str] = &[];

/// Series without a subscription.
#[derive(Debug)]
pub struct ProcessMetrics {
    series: Arc<Noted>,
}

impl ProcessMetrics {
    pub(super) fn new(series: Arc<Noted>) -> Self {
        series
            .build
            .with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        let start = series.start.with_label_values(NO_LABELS);
        start.set(seconds_since_epoch(SystemTime::now()));
        Self { series }
    }

    /// Notes when a certificate expires that is in use with a side.
    pub fn certificate_expiry(&self, side: &str, since_epoch: Duration) {
        let expiry = &self.series.certificate_expiry;
        expiry
            .with_label_values(&[side])
            .set(since_epoch.as_secs_f64());
    }

    /// Counts a reload.
    pub fn reload(&self, verdict: &Verdict) {
        let reloads = &self.series.reloads;
        reloads.with_label_values(&[verdict.as_str()]).inc();
    }

    /// Notes when a configuration was taken into use.
    pub fn configured(&self, at: SystemTime) {
        let last_reload = &self.series.last_reload;
        last_reload
            .with_label_values(NO_LABELS)
            .set(seconds_since_epoch(at));
    }

    /// Notes how many bytes of events all subscriptions together can hold before they take no more.
    pub fn buffered_limit(&self, bytes: usize) {
        let limit = &self.series.buffered_limit;
        limit
            .with_label_values(NO_LABELS)
            .set(as_gauge(bytes as u64));
    }

    /// Counts the lines lost since the start.
    pub fn lines_dropped(&self, total: u64) {
        count_up_to(&self.series.lines_dropped, total);
    }

    /// Counts the lines for an OTLP endpoint since the start: taken, and lost.
    pub fn otlp_lines(&self, sent: u64, dropped: u64) {
        count_up_to(&self.series.otlp_sent, sent);
        count_up_to(&self.series.otlp_dropped, dropped);
    }
}

fn count_up_to(counter: &Counter, total: u64) {
    let counter = counter.with_label_values(NO_LABELS);
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn seconds_since_epoch(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
