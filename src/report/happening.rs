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
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), "already present at the destination");
            }
            Report::Differs { stream, revision } => self.differs(stream, *revision),
            Report::Skipped { reason } => self.skipped(*reason),
            Report::Passed { stream, revision, reason } => {
                self.observer.count_one(|series| &series.skipped, reason.as_str());
                self.observer.count(|series| &series.failed, 1);
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), "event acknowledged without a copy, as configured");
            }
            Report::Parked { stream, revision, reason, text } => {
                self.observer.count_one(|series| &series.parked, reason.as_str());
                self.observer.count(|series| &series.failed, 1);
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), detail = %text, read_only = !self.writes, "parked an event");
            }
            Report::Held { stream, revision, reason, text } => {
                line!(self, error, message_id = message_id::STREAM_HELD, ditto.event_stream = %stream, revision, reason = reason.as_str(), detail = %text, read_only = !self.writes, "stream held; not writing to it until the cause is gone");
            }
            Report::Released { stream } => line!(self, info, ditto.event_stream = %stream, "held stream released; copying it again"),
            Report::Unverified { stream, revision } => {
                self.observer.count(|series| &series.unverified, 1);
                line!(self, info, ditto.event_stream = %stream, revision, "last events of a stream cannot be compared; continuing after them");
            }
            Report::Unreadable { stream, from, tail } => line!(self, warn, ditto.event_stream = %stream, from, tail, reason = "they are expired or truncated there, and the server confirmed that they are the source's", "events unreadable at the destination; counting them as copied"),
            Report::Truncated { stream, destination, source } => {
                self.observer.count(|series| &series.truncated, 1);
                line!(self, warn, ditto.event_stream = %stream, destination, source, reason = "the destination shows fewer events than the source", "another writer truncated a destination stream; continuing after its last event");
            }
            Report::Late { stream, revision } => line!(self, warn, ditto.event_stream = %stream, revision, reason = "skip_version_check allows another order", "a late event arrived; appended after newer ones"),
            Report::RepairStarted { stream, from, to } => {
                self.observer.count(|series| &series.repairs, 1);
                line!(self, debug, ditto.event_stream = %stream, from, to, "gap in a stream; reading the missing events from the source");
            }
            Report::RepairEnded { events: 0, .. } => {}
            Report::RepairEnded { stream, events } => {
                self.gaps += 1;
                self.gap_events += events;
                line!(self, debug, ditto.event_stream = %stream, events, "gap in a stream closed");
            }
            Report::PassedOver { stream, from, to } => line!(self, warn, ditto.event_stream = %stream, from, to, reason = "the source no longer has these events", "missing history in a stream; continuing after it"),
            Report::Placeholders { stream, count } => {
                self.observer.count(|series| &series.placeholders, *count);
                line!(self, warn, ditto.event_stream = %stream, count, read_only = !self.writes, reason = "the source no longer has these events", "missing history in a stream; filled with placeholders");
            }
            Report::Hole { number, stream, revision } => {
                self.observer.count(|series| &series.holes, 1);
                line!(self, warn, ditto.event_stream = %stream, number, revision, reason = "the server lost it for the group, or another consumer took it", "the group did not deliver an event; copying it");
            }
            Report::Unseen { from, to } => line!(self, error, message_id = message_id::NUMBERS_UNSEEN, from, to, reason = "the subscription's stream was truncated before the group delivered them", "event numbers can no longer be read; searching the source's log"),
            Report::UnseenFound { from, to, events } => line!(self, info, from, to, events, read_only = !self.writes, "events of these numbers found in the log; copying their streams"),
            Report::Gone { from, to } => line!(self, warn, from, to, reason = "the stream was truncated before the group delivered them", "undelivered events can no longer be read; continuing after them"),
            Report::UnseenAccepted { from, to } => line!(self, warn, from, to, reason = "accept_unseen_below", "event numbers can no longer be read; continuing without their events"),
            Report::ServerParked { entry, reason, never } => self.server_parked(*entry, reason, *never),
            Report::ParkedUnreadable => line!(self, warn, reason = "the permission to read it is missing", "cannot read the parked queue; not copying what the server parks"),
            Report::MetadataWritten { .. } | Report::Deleted { .. } | Report::DeletionPassed { .. } | Report::MetadataConflict { .. } | Report::MetadataRefused { .. } => self.state_report(report),
            Report::MetadataKept { stream } => line!(self, warn, ditto.event_stream = %stream, reason = "the stream has metadata of its own", "stream metadata is already present; leaving it unchanged"),
            Report::TimedOut { number } => line!(self, debug, number, "event redelivered; it was not acknowledged in time"),
            Report::BufferSize { buffer_size } => line!(self, info, buffer_size, "requesting another buffer size"),
            Report::BeginsAgain => line!(self, warn, reason = "its rules name more streams than before", "a mirror wants more streams; reading the log from its beginning"),
            Report::State(state) => self.state(state),
        }
    }

    fn skipped(&self, reason: SkipReason) {
        self.observer
            .count_one(|series| &series.skipped, reason.as_str());
        if reason == SkipReason::Unresolved {
            self.observer.count(|series| &series.unresolved, 1);
        }
        line!(
            self,
            debug,
            reason = reason.as_str(),
            "event skipped by rule"
        );
    }

    fn server_parked(&self, entry: u64, reason: &str, never: Option<SkipReason>) {
        match never {
            None => {
                line!(self, warn, entry, reason = %reason, "the server parked an event; copying it, the entry stays");
            }
            Some(never) => {
                line!(self, warn, entry, reason = %reason, skipped = never.as_str(), "the server parked an entry without an event; leaving it there");
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
            line!(self, warn, ditto.event_stream = %stream, revision, reason = "same id, other content", "an event differs at the destination; leaving it unchanged");
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
