//! What each happening that the core reports is: in the log, with level, fields and MESSAGE_ID, and in the counters.
//!
//! One match tells all of them; it has no default, so that a new one does not compile before it is told. Writes a line for a single
//! event at DEBUG only, and never one that names an event's content.

use std::time::Duration;

use tracing::{Level, debug, enabled, error, info, warn};

use super::{Call, Reporter};
use crate::log::message_id;
use ditto_core::event::{SkipReason, StreamName};
use ditto_core::port::{CopiedEvent, Report};

/// Streams of which a difference was already warned about; beyond this many the warning can come again.
const DIFFERENCES_REMEMBERED: usize = 1_000;

impl Reporter {
    /// Tells of something that happened.
    // A table: a happening is one row, or one function below.
    #[rustfmt::skip]
    pub fn report(&mut self, report: &Report) {
        self.observer.heard(report);
        match report {
            Report::Copied { stream, events, took } => self.copied(stream, events, *took),
            Report::Duplicate { stream, revision, reason } => {
                self.observer.count_one(|series| &series.duplicate, reason.as_str());
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), "already at the destination");
            }
            Report::Differs { stream, revision } => self.differs(stream, *revision),
            Report::Skipped { reason } => self.skipped(*reason),
            Report::Passed { stream, revision, reason } => {
                self.observer.count_one(|series| &series.skipped, reason.as_str());
                self.observer.count(|series| &series.failed, 1);
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), "acknowledged without copying, as configured");
            }
            Report::Parked { stream, revision, reason, text } => {
                self.observer.count_one(|series| &series.parked, reason.as_str());
                self.observer.count(|series| &series.failed, 1);
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), detail = %text, read_only = !self.writes, "parked an event");
            }
            Report::Held { stream, revision, reason, text } => {
                line!(self, error, message_id = message_id::STREAM_HELD, ditto.event_stream = %stream, revision, reason = reason.as_str(), detail = %text, read_only = !self.writes, "holding a stream: it is not written to until this is resolved");
            }
            Report::Released { stream } => line!(self, info, ditto.event_stream = %stream, "a held stream goes on"),
            Report::Unverified { stream, revision } => {
                self.observer.count(|series| &series.unverified, 1);
                line!(self, info, ditto.event_stream = %stream, revision, "the destination's last event could not be compared with the source's");
            }
            Report::Unreadable { stream, from, tail } => line!(self, warn, ditto.event_stream = %stream, from, tail, "events of a stream can no longer be read at the destination; they are the source's and count as copied"),
            Report::Truncated { stream, destination, source } => {
                self.observer.count(|series| &series.truncated, 1);
                line!(self, warn, ditto.event_stream = %stream, destination, source, "a stream was truncated by another writer at the destination; ditto continues after its last event");
            }
            Report::Late { stream, revision } => line!(self, warn, ditto.event_stream = %stream, revision, "an event came late and was appended behind newer ones"),
            Report::RepairStarted { stream, from, to } => {
                self.observer.count(|series| &series.repairs, 1);
                line!(self, info, ditto.event_stream = %stream, from, to, "reading events that were not delivered from the source");
            }
            Report::RepairEnded { events: 0, .. } => {}
            Report::RepairEnded { stream, events } => line!(self, info, ditto.event_stream = %stream, events, "the gap in a stream is filled"),
            Report::PassedOver { stream, from, to } => line!(self, warn, ditto.event_stream = %stream, from, to, "the source no longer has events of a stream that were not delivered; the stream goes on behind them"),
            Report::Placeholders { stream, count } => {
                self.observer.count(|series| &series.placeholders, *count);
                line!(self, warn, ditto.event_stream = %stream, count, read_only = !self.writes, "wrote placeholders for events that the source no longer has");
            }
            Report::Hole { number, stream, revision } => {
                self.observer.count(|series| &series.holes, 1);
                line!(self, warn, ditto.event_stream = %stream, number, revision, "the group never delivered an event; copying it all the same");
            }
            Report::Unseen { from, to } => line!(self, error, message_id = message_id::NUMBERS_UNSEEN, from, to, reason = "the subscription's stream was truncated before the group delivered them", "numbers cannot be read any more; searching the source's log for their streams"),
            Report::UnseenFound { from, to, events } => line!(self, info, from, to, events, read_only = !self.writes, "events of numbers that cannot be read were found in the log; their streams are copied or held"),
            Report::Gone { from, to } => line!(self, warn, from, to, reason = "the stream was truncated before the group delivered them", "events cannot be read any more; the source has nothing left to copy"),
            Report::UnseenAccepted { from, to } => line!(self, warn, from, to, reason = "accept_unseen_below", "numbers cannot be read any more; continuing without their events, as configured"),
            Report::ServerParked { entry, reason, never } => self.server_parked(*entry, reason, *never),
            Report::ParkedUnreadable => line!(self, warn, "no right to read the group's parked events: what the server parks by itself cannot be copied"),
            Report::MetadataKept { stream } => line!(self, warn, ditto.event_stream = %stream, "the stream has metadata already; it is left as it is"),
            Report::TimedOut { number } => line!(self, debug, number, "the server delivered again what had not been acknowledged in time"),
            Report::BufferSize { buffer_size } => line!(self, info, buffer_size, "asking for another buffer size"),
            Report::State(state) => self.state(state),
        }
    }

    fn skipped(&self, reason: SkipReason) {
        self.observer
            .count_one(|series| &series.skipped, reason.as_str());
        if reason == SkipReason::Unresolved {
            self.observer.count(|series| &series.unresolved, 1);
        }
        line!(self, debug, reason = reason.as_str(), "never copied");
    }

    fn server_parked(&self, entry: u64, reason: &str, never: Option<SkipReason>) {
        match never {
            None => {
                line!(self, warn, entry, reason = %reason, "the server parked an event by itself; copying it all the same, the entry stays");
            }
            Some(never) => {
                line!(self, warn, entry, reason = %reason, skipped = never.as_str(), "the server parked an entry by itself that leads to no event to copy; the entry stays");
            }
        }
    }

    fn copied(&mut self, stream: &StreamName, events: &[CopiedEvent], took: Duration) {
        self.called(Call::Append, took);
        self.observer.copied(events);
        self.copied += events.len() as u64;
        if !enabled!(Level::DEBUG) {
            return;
        }
        for event in events {
            line!(
                self,
                debug,
                "{}",
                replicated(stream, event, took, self.writes)
            );
        }
    }

    fn differs(&mut self, stream: &StreamName, revision: u64) {
        self.observer.count(|series| &series.differ, 1);
        if self.differs.len() >= DIFFERENCES_REMEMBERED {
            self.differs.clear();
        }
        if self.differs.insert(stream.clone()) {
            line!(self, warn, ditto.event_stream = %stream, revision, "an event has the same id but other content at the destination");
        }
    }
}

/// The line for one event, in the words of the tool that ditto replaces.
fn replicated(stream: &StreamName, event: &CopiedEvent, took: Duration, writes: bool) -> String {
    let (verb, end) = if writes {
        let milliseconds = took.as_secs_f64() * 1000.0;
        ("Replicating", format!("completed in {milliseconds:.1} ms"))
    } else {
        (
            "Would replicate",
            "and writes nothing: read_only".to_owned(),
        )
    };
    let origin = match event.number {
        Some(number) => format!("Original Event: #{number}"),
        None => "not delivered, read from the source".to_owned(),
    };
    format!(
        "{verb} {} #{} from {} ({}) {end}",
        event.event_type, event.revision, stream, origin
    )
}

#[cfg(test)]
mod tests {
    use super::replicated;
    use ditto_core::event::StreamName;
    use ditto_core::port::CopiedEvent;
    use std::time::Duration;

    #[test]
    fn a_copied_event_is_told_in_the_original_words() {
        let stream = StreamName::from("customer-8a1d");
        let rows = [
            (
                Some(16),
                true,
                "Replicating customer_registered #0 from customer-8a1d (Original Event: #16) completed in 17.7 ms",
            ),
            (
                Some(16),
                false,
                "Would replicate customer_registered #0 from customer-8a1d (Original Event: #16) and writes nothing: read_only",
            ),
            (
                None,
                true,
                "Replicating customer_registered #0 from customer-8a1d (not delivered, read from the source) completed in 17.7 ms",
            ),
        ];
        for (number, writes, expected) in rows {
            let event = CopiedEvent {
                event_type: "customer_registered".into(),
                revision: 0,
                number,
                created: 0,
                repaired: number.is_none(),
            };
            assert_eq!(
                replicated(&stream, &event, Duration::from_micros(17_700), writes),
                expected
            );
        }
    }
}
