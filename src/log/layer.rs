//! From tracing's events to records in the queues, but for lines that repeat too often.
//!
//! Does not write anything itself.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::limit::{BURST, LeftOut, Limit, WINDOW};
use super::queue::Queue;
use super::record::{Place, Record};

/// Libraries that write headers, hence credentials, at their lower levels, whatever the directives say.
const CHATTY: [&str; 4] = ["h2", "hyper", "tonic", "tower"];
/// Characters of a line that is shown as an example of those left out.
const LONGEST_EXAMPLE: usize = 300;

/// What tells one repeated line from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    place: Identifier,
    level: Level,
    stream: Option<String>,
    group: Option<String>,
    /// Of a line with a MESSAGE_ID: a hash of the event stream, or else of the message. Each stream that is held and each
    /// error of a configuration has its line, however many there are.
    subject: Option<u64>,
}

impl Kind {
    fn of(place: Identifier, record: &Record) -> Self {
        let subject = record.message_id.as_ref().map(|_| {
            let mut hasher = DefaultHasher::new();
            let stream = record.field("event_stream");
            stream.unwrap_or(&record.message).hash(&mut hasher);
            hasher.finish()
        });
        Self {
            place,
            level: record.place.level,
            stream: record.field("stream").map(str::to_owned),
            group: record.field("group").map(str::to_owned),
            subject,
        }
    }
}

/// The way of lines into the queues.
#[derive(Debug)]
pub(super) struct Intake {
    queue: Arc<Queue>,
    /// The second one, once it is configured.
    others: Arc<OnceLock<Arc<Queue>>>,
    limit: Mutex<Limit<Kind>>,
}

impl Intake {
    pub(super) fn new(queue: Arc<Queue>, others: Arc<OnceLock<Arc<Queue>>>) -> Self {
        Self {
            queue,
            others,
            limit: Mutex::new(Limit::new()),
        }
    }

    /// Logs how many lines were left out: of each kind a minute after the first of them.
    pub(super) fn report(&self) {
        self.report_until(Instant::now());
    }

    /// Logs how many lines were left out, without waiting for the minute to be over.
    pub(super) fn report_all(&self) {
        self.report_until(Instant::now() + WINDOW);
    }

    fn report_until(&self, now: Instant) {
        let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        let all = limit.take_left_out(now);
        drop(limit);
        for left in all {
            self.push(summary(left));
        }
    }

    fn admits(&self, place: Identifier, record: &Record) -> bool {
        let like = || record.line().chars().take(LONGEST_EXAMPLE).collect();
        let mut limit = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        limit.admits(Instant::now(), Kind::of(place, record), like)
    }

    fn push(&self, record: Record) {
        if let Some(other) = self.others.get() {
            other.push(record.clone());
        }
        self.queue.push(record);
    }
}

fn summary(left: LeftOut<Kind>) -> Record {
    let mut fields = vec![("lines", left.lines.to_string())];
    let mut level = Level::WARN;
    if let Some((kind, like)) = left.kind {
        level = kind.level;
        fields.extend(kind.stream.map(|stream| ("stream", stream)));
        fields.extend(kind.group.map(|group| ("group", group)));
        fields.push(("example", like));
    }
    fields.push(("reason", format!("more than {BURST} a minute")));
    Record {
        time: SystemTime::now(),
        place: Place::here(level, module_path!()),
        message: "left out repeated log lines".to_owned(),
        message_id: None,
        fields,
    }
}

/// Queues each event as a record.
pub(super) struct RecordLayer(pub(super) Arc<Intake>);

impl<S: Subscriber> Layer<S> for RecordLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let root = metadata.target().split("::").next().unwrap_or_default();
        if *metadata.level() > Level::INFO && CHATTY.iter().any(|name| root.starts_with(name)) {
            return;
        }
        let record = Record::of(event);
        if record.place.level > Level::WARN || self.0.admits(metadata.callsite(), &record) {
            self.0.push(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const ID: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e07";

    /// The lines that get through of those that `log` writes, the report of lines left out included.
    fn lines(log: impl FnOnce()) -> Vec<String> {
        let queue = Arc::new(Queue::new());
        let intake = Arc::new(Intake::new(queue.clone(), Arc::default()));
        let subscriber = tracing_subscriber::registry().with(RecordLayer(intake.clone()));
        tracing::subscriber::with_default(subscriber, log);
        intake.report_all();
        queue.close();
        std::iter::from_fn(|| queue.pop())
            .map(|record| record.line())
            .collect()
    }

    #[test]
    fn lines_with_a_message_id_are_limited_by_stream() {
        let held = |stream: usize| {
            let name = format!("a-{stream}");
            tracing::error!(message_id = ID, ditto.stream = "$ce-a", ditto.event_stream = %name, "held");
        };
        type Row<'a> = (&'a str, &'a dyn Fn(), usize, Option<&'a str>);
        let rows: [Row<'_>; 4] = [
            ("streams", &|| (0..60).for_each(held), 60, None),
            (
                "one stream",
                &|| (0..60).for_each(|_| held(1)),
                20,
                Some("lines=40"),
            ),
            (
                "errors of a configuration",
                &|| (0..60).for_each(|line| tracing::error!(message_id = ID, "f:{line}: wrong")),
                60,
                None,
            ),
            (
                "no id",
                &|| (0..60).for_each(|line| tracing::warn!(ditto.event_stream = line, "odd")),
                20,
                Some("lines=40"),
            ),
        ];
        for (what, log, expected, left_out) in rows {
            let mut lines = lines(log);
            if let Some(left_out) = left_out {
                let last = lines.pop().unwrap_or_default();
                let is_summary = last.contains("left out") && last.contains(left_out);
                assert!(is_summary, "{what}: {last}");
            }
            assert_eq!(lines.len(), expected, "{what}");
        }
    }
}
