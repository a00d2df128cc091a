//! Every series that ditto has: declared in `table`, its labels' values in `label`.
//!
//! The registry is passed in; code says what happened. Labels are bounded: never a stream of the data, never an event id. The only
//! part that names Prometheus types.

mod gauges;
mod label;
mod process;
mod subscription;
mod table;

use std::sync::Arc;

use prometheus::{Encoder as _, Registry, TextEncoder};

pub use process::ProcessMetrics;
pub use subscription::SubscriptionMetrics;
pub(crate) use table::{Counter, Noted};

use crate::status::ProcessStatus;

/// All of ditto's series.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    series: Arc<Noted>,
    /// Series of the process as a whole.
    pub process: ProcessMetrics,
}

impl Metrics {
    /// Registers every series.
    ///
    /// # Errors
    /// If a name is registered already.
    pub fn register(registry: Registry) -> prometheus::Result<Arc<Self>> {
        let series = Arc::new(Noted::new()?);
        for row in series.rows() {
            registry.register(row.family.collector())?;
            row.start(None);
        }
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(Arc::new(Self {
            registry,
            process: ProcessMetrics::new(series.clone()),
            series,
        }))
    }

    /// Series of their own in a registry of their own.
    ///
    /// # Errors
    /// If a name is registered twice.
    pub fn new() -> prometheus::Result<Arc<Self>> {
        let labels = [("app".to_owned(), "ditto".to_owned())];
        let registry = Registry::new_custom(None, Some(labels.into()))?;
        Self::register(registry)
    }

    /// Shows this status at each scrape from now on.
    ///
    /// # Errors
    /// If it shows one already.
    pub fn show(&self, status: Arc<ProcessStatus>) -> prometheus::Result<()> {
        let gauges = gauges::Gauges::of(status)?;
        self.registry.register(Box::new(gauges))
    }

    /// The series of one subscription, from zero; gone again when the value is dropped.
    #[must_use]
    pub fn subscription(&self, stream: &str, group: &str) -> Arc<SubscriptionMetrics> {
        Arc::new(SubscriptionMetrics::new(self.series.clone(), stream, group))
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// If a series cannot be written as text.
    pub fn render(&self) -> prometheus::Result<String> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
    }
}

/// A count as a gauge holds it.
fn as_gauge(number: u64) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn subscription_series_begin_at_zero_and_end_with_it() {
        let metrics = Metrics::new().expect("metrics");
        let series = || {
            let text = metrics.render().expect("text");
            let lines = text.lines().filter(|line| line.contains("group=\"g\""));
            lines.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        let subscription = metrics.subscription("s", "g");
        subscription.count_one(|series| &series.skipped, "unverified");
        let shown = series();
        for (line, is_there) in [
            (
                r#"ditto_events_processed_total{group="g",stream="s",app="ditto"} 0"#,
                true,
            ),
            (
                r#"ditto_events_skipped_total{group="g",reason="tombstone",stream="s",app="ditto"} 0"#,
                true,
            ),
            (
                r#"ditto_events_skipped_total{group="g",reason="unverified",stream="s",app="ditto"} 1"#,
                true,
            ),
            (
                r#"ditto_current_event{group="g",stream="s",app="ditto"} 0"#,
                false,
            ),
        ] {
            assert_eq!(shown.iter().any(|one| one == line), is_there, "{line}");
        }
        drop(subscription);
        assert_eq!(series(), [""; 0]);
    }
}
