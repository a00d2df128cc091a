//! From tracing's events to records in the queue.
//!
//! Never writes anything itself.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::limit::Limit;
use super::queue::Queue;
use super::record::Record;

/// Libraries that write headers, hence credentials, at their lower levels, whatever the directives say.
const CHATTY: [&str; 4] = ["h2", "hyper", "tonic", "tower"];

/// What tells one repeated line from another: where it is in the program, and the subscription.
type Kind = (Identifier, Option<String>, Option<String>);

/// Queues each event as a record.
pub(super) struct RecordLayer {
    queue: Arc<Queue>,
    /// The second one, once it is configured.
    others: Arc<OnceLock<Arc<Queue>>>,
    limit: Mutex<Limit<Kind>>,
}

impl RecordLayer {
    pub(super) fn new(queue: Arc<Queue>, others: Arc<OnceLock<Arc<Queue>>>) -> Self {
        Self {
            queue,
            others,
            limit: Mutex::new(Limit::new()),
        }
    }
}

impl<S: Subscriber> Layer<S> for RecordLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let root = metadata.target().split("::").next().unwrap_or_default();
        if *metadata.level() > Level::INFO && CHATTY.iter().any(|name| root.starts_with(name)) {
            return;
        }
        let mut record = Record::of(event);
        if record.level <= Level::WARN {
            let kind = (
                metadata.callsite(),
                record.field("stream").map(str::to_owned),
                record.field("group").map(str::to_owned),
            );
            let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(suppressed) = limit.admit(Instant::now(), kind) else {
                return;
            };
            record.suppressed = suppressed;
        }
        if let Some(other) = self.others.get() {
            other.push(record.clone());
        }
        self.queue.push(record);
    }
}
