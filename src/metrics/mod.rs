//! Every series that ditto has, in one place.
//!
//! Structs of handles in a registry that is passed in; code says what happened and not which series that is. Labels are
//! bounded: never a stream of the data, never an event id. The only part that names Prometheus types.

mod families;
mod gauges;
mod process;
mod subscription;

use std::sync::Arc;

use prometheus::{Encoder as _, Registry, TextEncoder};

pub use process::ProcessMetrics;
pub use subscription::{SubscriptionMetrics, Written};

use crate::status::ProcessStatus;
use families::Families;

/// All of ditto's series.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Arc<Families>,
    /// Series of the process as a whole.
    pub process: ProcessMetrics,
}

impl Metrics {
    /// Registers every series.
    ///
    /// # Errors
    /// If a name is registered already.
    pub fn register(registry: Registry) -> prometheus::Result<Arc<Self>> {
        let families = Arc::new(Families::register(&registry)?);
        let process = ProcessMetrics::register(&registry)?;
        Ok(Arc::new(Self {
            registry,
            families,
            process,
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
        Arc::new(SubscriptionMetrics::new(
            self.families.clone(),
            stream,
            group,
        ))
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
