//! Where one pipeline's happenings go beside the log: the status and the counters.
//!
//! Never takes part: it cannot fail, wait, or change what happens.

use std::sync::Arc;
use std::time::Duration;

use crate::config::settings::SubscriptionKey;
use crate::metrics::{Counter, Metrics, Noted, SubscriptionMetrics};
use crate::status::{Entry, ProcessStatus};
use ditto_core::port::{CopiedEvent, GroupSeen, LogPosition, PipelineState, Report, Side, Status};

/// The status and the counters of one subscription, over all its runs. The default has neither.
#[derive(Clone, Default)]
pub struct Observer {
    shown: Option<(Arc<Entry>, Arc<SubscriptionMetrics>)>,
    listener: Option<Arc<dyn Listener>>,
}

/// Hears what happens in a pipeline, from that pipeline's task. Must be quick: the pipeline waits.
pub trait Listener: Send + Sync {
    /// Hears of something that happened.
    fn report(&self, report: &Report) {
        let _ = report;
    }

    /// Hears a reading of the core, at least once a second.
    fn status(&self, status: &Status) {
        let _ = status;
    }
}

impl Observer {
    pub(crate) fn new(entry: Arc<Entry>, metrics: Arc<SubscriptionMetrics>) -> Self {
        Self {
            shown: Some((entry, metrics)),
            listener: None,
        }
    }

    /// Adds a subscription to this status and its series to these metrics, and shows it there.
    #[must_use]
    pub fn shown_in(status: &ProcessStatus, metrics: &Metrics, key: &SubscriptionKey) -> Self {
        let series = metrics.subscription(key.stream.as_str(), &key.group);
        Self::new(status.add(key), series)
    }

    /// The same, and has somebody listen.
    #[must_use]
    pub fn and_heard_by(self, listener: Arc<dyn Listener>) -> Self {
        Self {
            listener: Some(listener),
            ..self
        }
    }

    /// Shows nothing, and has somebody listen.
    #[must_use]
    pub fn heard_by(listener: Arc<dyn Listener>) -> Self {
        Self {
            shown: None,
            listener: Some(listener),
        }
    }

    /// Counts records that were refused for want of throughput; they are sent again.
    #[cfg(feature = "kinesis")]
    pub(crate) fn throttled(&self, records: u64) {
        self.count(|series| &series.throttled, records);
    }

    pub(super) fn count(&self, which: impl FnOnce(&Noted) -> &Counter, by: u64) {
        if let Some((_, metrics)) = &self.shown {
            metrics.count(which, by);
        }
    }

    pub(super) fn count_one(&self, which: impl FnOnce(&Noted) -> &Counter, value: &str) {
        if let Some((_, metrics)) = &self.shown {
            metrics.count_one(which, value);
        }
    }

    pub(super) fn copied(&self, events: &[CopiedEvent]) {
        if let Some((entry, metrics)) = &self.shown {
            let repaired = events.iter().filter(|event| event.repaired).count();
            entry.copied(events.len() as u64, repaired as u64);
            metrics.written(events);
        }
    }

    pub(super) fn call(&self, call: Call, system: &str, took: Duration) {
        if let Some((_, metrics)) = &self.shown {
            metrics.call(system, call.side(), call.operation(), took);
        }
    }

    pub(super) fn state(&self, state: &PipelineState) {
        if let Some((entry, _)) = &self.shown {
            entry.state(state.clone());
        }
    }

    pub(super) fn trouble(&self, side: Side, why: &str) {
        if let Some((entry, _)) = &self.shown {
            entry.trouble(side, why);
        }
    }

    pub(super) fn group(&self, group: &GroupSeen) {
        if let Some((entry, _)) = &self.shown {
            entry.group(group);
        }
    }

    pub(super) fn log_end(&self, end: Option<LogPosition>) {
        if let Some((entry, _)) = &self.shown {
            entry.log_end(end);
        }
    }

    pub(super) fn status(&self, status: &Status) {
        if let Some((entry, _)) = &self.shown {
            entry.status(status);
        }
        if let Some(listener) = &self.listener {
            listener.status(status);
        }
    }

    pub(super) fn heard(&self, report: &Report) {
        if let Some(listener) = &self.listener {
            listener.report(report);
        }
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer")
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

/// A call whose duration is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Joining the subscription.
    Join,
    /// Reading the state of the group.
    Group,
    /// Reading a source stream, the subscription's stream, or what was parked.
    SourceRead,
    /// Lookup of a destination stream.
    Lookup,
    /// An append, from its first sending to its answer.
    Append,
    /// Writing `$$S` before revision 0.
    Metadata,
    /// Reading or writing the checkpoint of a mirror, or its record of held streams.
    Checkpoint,
    /// Asking whether a server answers.
    Probe(Side),
}

impl Call {
    /// Returns the word for the metric label `operation`.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Group => "group_info",
            Self::SourceRead => "read",
            Self::Lookup => "look",
            Self::Append => "append",
            Self::Metadata => "write_metadata",
            Self::Checkpoint => "checkpoint",
            Self::Probe(_) => "probe",
        }
    }

    /// Returns the side whose server was called.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::Join | Self::Group | Self::SourceRead => Side::Source,
            Self::Lookup | Self::Append | Self::Metadata | Self::Checkpoint => Side::Destination,
            Self::Probe(side) => side,
        }
    }
}
