//! What an operator sees of one pipeline: its status, and its metrics as a scrape shows them.
//!
//! Fed by the reporter that the daemon uses, so that what is not told there is missing here. Never hears of a single happening: see
//! `heard`.

use std::sync::Arc;

use ditto::config::settings::SubscriptionKey;
use ditto::metrics::Metrics;
use ditto::report::Observer;
use ditto::status::{ProcessStatus, SubscriptionView};
use ditto_core::port::{HeldReason, PipelineState, Status};

/// Status and metrics of one subscription.
pub(crate) struct Shown {
    status: Arc<ProcessStatus>,
    pub(super) metrics: Arc<Metrics>,
    /// The series last as long as somebody observes.
    pub(super) observer: Observer,
}

impl Shown {
    /// Of a subscription that has not begun.
    pub(super) fn new(key: &SubscriptionKey) -> Self {
        let (status, metrics) = (ProcessStatus::new(), Metrics::new().unwrap());
        metrics.show(status.clone()).unwrap();
        let observer = Observer::shown_in(&status, &metrics, key);
        Self {
            status,
            metrics,
            observer,
        }
    }

    /// All that is shown.
    pub(crate) fn view(&self) -> SubscriptionView {
        self.status.views().remove(0)
    }

    /// The present state.
    pub(crate) fn state(&self) -> PipelineState {
        self.view().state
    }

    /// Events told as copied.
    pub(crate) fn copied(&self) -> u64 {
        self.view().copied
    }

    /// The last reading of the core, at most about a second old; `None` before the first.
    pub(crate) fn reading(&self) -> Option<Status> {
        self.view().status
    }

    /// The streams that are held, by name, with the reason's kind and its text, as last read.
    pub(crate) fn held_with_text(&self) -> Vec<(String, HeldReason, String)> {
        let streams = self.reading().unwrap_or_default().held_streams;
        let mut held: Vec<_> = streams
            .into_iter()
            .map(|(stream, _, reason, text)| (stream.as_str().to_owned(), reason, text))
            .collect();
        held.sort_by(|one, other| one.0.cmp(&other.0));
        held
    }

    /// The same without the text.
    pub(crate) fn held(&self) -> Vec<(String, HeldReason)> {
        let held = self.held_with_text().into_iter();
        held.map(|(stream, reason, _)| (stream, reason)).collect()
    }

    /// The sum of the series of this name that have this label, such as `reason="deleted"`; one must exist.
    pub(crate) fn metric(&self, name: &str, label: &str) -> u64 {
        let text = self.metrics.render().unwrap();
        let values: Vec<u64> = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'))
            .filter(|rest| rest.contains(label))
            .map(|rest| rest.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert!(!values.is_empty(), "no {name} with {label} in:\n{text}");
        values.iter().sum()
    }

    /// The sum of all series of this name.
    pub(crate) fn total(&self, name: &str) -> u64 {
        self.metric(name, "")
    }
}
