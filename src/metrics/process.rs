//! Series of the process as a whole: version, sides, reloads, log.
//!
//! Never a label that grows with the data.

use std::time::{Duration, SystemTime};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::as_gauge;

/// Series without a subscription.
#[derive(Debug)]
pub struct ProcessMetrics {
    certificate_expiry: GaugeVec,
    reloads: IntCounterVec,
    last_reload: Gauge,
    lines_dropped: IntCounter,
    otlp_sent: IntCounter,
    otlp_dropped: IntCounter,
    buffered_limit: IntGauge,
}

impl ProcessMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let build = IntGaugeVec::new(
            Opts::new(
                "ditto_build_info",
                "Always 1; the labels tell which ditto this is.",
            ),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let start = Gauge::new(
            "ditto_start_time_seconds",
            "When this process started, in seconds since 1970.",
        )?;
        start.set(seconds_since_epoch(SystemTime::now()));
        let metrics = Self {
            certificate_expiry: GaugeVec::new(
                Opts::new(
                    "ditto_tls_certificate_expiry_timestamp_seconds",
                    "When the first of the certificates in use with this side expires, the server's or ditto's own, in seconds since 1970.",
                ),
                &["side"],
            )?,
            reloads: IntCounterVec::new(
                Opts::new(
                    "ditto_reloads_total",
                    "Reloads of the configuration by their result.",
                ),
                &["result"],
            )?,
            last_reload: Gauge::new(
                "ditto_config_last_reload_success_timestamp_seconds",
                "When a configuration was last taken into use, in seconds since 1970.",
            )?,
            lines_dropped: IntCounter::new(
                "ditto_log_lines_dropped_total",
                "Lines of the log that were lost because the journal did not take them in time.",
            )?,
            otlp_sent: IntCounter::new(
                "ditto_log_otlp_lines_sent_total",
                "Lines of the log that the receiver of [log.otlp] took.",
            )?,
            otlp_dropped: IntCounter::new(
                "ditto_log_otlp_lines_dropped_total",
                "Lines of the log that the receiver of [log.otlp] refused or did not take in time; the journal has them.",
            )?,
            buffered_limit: IntGauge::new(
                "ditto_buffered_bytes_limit",
                "Bytes of events that all subscriptions together may hold before they take no more.",
            )?,
        };
        for result in ["applied", "unchanged", "refused"] {
            metrics.reloads.with_label_values(&[result]);
        }
        let collectors: [Box<dyn Collector>; 9] = [
            Box::new(build),
            Box::new(start),
            Box::new(metrics.certificate_expiry.clone()),
            Box::new(metrics.reloads.clone()),
            Box::new(metrics.last_reload.clone()),
            Box::new(metrics.lines_dropped.clone()),
            Box::new(metrics.otlp_sent.clone()),
            Box::new(metrics.otlp_dropped.clone()),
            Box::new(metrics.buffered_limit.clone()),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(metrics)
    }

    /// A side showed a certificate that expires at this time.
    pub fn certificate_expiry(&self, side: &str, since_epoch: Duration) {
        self.certificate_expiry
            .with_label_values(&[side])
            .set(since_epoch.as_secs_f64());
    }

    /// A reload ended: `applied`, `unchanged` or `refused`.
    pub fn reload(&self, result: &str) {
        self.reloads.with_label_values(&[result]).inc();
    }

    /// A configuration is in use.
    pub fn configured(&self, at: SystemTime) {
        self.last_reload.set(seconds_since_epoch(at));
    }

    /// Bytes of events that all subscriptions together may hold before they take no more.
    pub fn buffered_limit(&self, bytes: usize) {
        self.buffered_limit.set(as_gauge(bytes as u64));
    }

    /// Lines lost since the start.
    pub fn lines_dropped(&self, total: u64) {
        self.lines_dropped
            .inc_by(total.saturating_sub(self.lines_dropped.get()));
    }

    /// Lines for a receiver of OTLP since the start: taken, and lost.
    pub fn otlp_lines(&self, sent: u64, dropped: u64) {
        for (counter, total) in [(&self.otlp_sent, sent), (&self.otlp_dropped, dropped)] {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }
}

fn seconds_since_epoch(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
