//! What an operator reads in the log about one pipeline: constant texts with fields, and one summary a minute.
//!
//! Never decides anything, and writes a line for a single event at DEBUG only.

use std::collections::HashSet;
use std::time::Duration;

use tracing::{Level, debug, enabled, error, info, warn};

use crate::config::settings::SubscriptionKey;
use crate::event::StreamName;
use crate::log::message_id;
use crate::pipeline::core::port::{
    CopiedEvent, JoinRefusal, Moment, PipelineState, Side, Status, Tell,
};
use crate::source::Refusal;

const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);

/// Streams of which a difference was already warned about; beyond this many the warning may come again.
const DIFFERENCES_REMEMBERED: usize = 1_000;

/// The log of one pipeline.
#[derive(Debug)]
pub(super) struct Journal {
    key: SubscriptionKey,
    /// False with `read_only`: everything is told as what would be done.
    writes: bool,
    copied: u64,
    summed_up: Moment,
    attempts: u64,
    refusal: Option<JoinRefusal>,
    calls_ended: u64,
    warnings: HashSet<String>,
    differs: HashSet<StreamName>,
}

macro_rules! line {
    ($journal:expr, $level:ident, $($rest:tt)*) => {
        $level!(ditto.stream = %$journal.key.stream, ditto.group = %$journal.key.group, $($rest)*)
    };
}

impl Journal {
    /// The log of this subscription.
    pub(super) fn new(key: SubscriptionKey, writes: bool) -> Self {
        Self {
            key,
            writes,
            copied: 0,
            summed_up: Moment::ZERO,
            attempts: 0,
            refusal: None,
            calls_ended: 0,
            warnings: HashSet::new(),
            differs: HashSet::new(),
        }
    }

    /// The server confirmed a stay.
    pub(super) fn joined(&mut self, credit: u32, warnings: Vec<String>) {
        line!(self, info, credit, "joined the subscription");
        for text in &warnings {
            if !self.warnings.contains(text) {
                line!(self, warn, hint = %text, "the group is not set up well for replication");
            }
        }
        // Only the latest: a warning that went away and came back is news.
        self.warnings = warnings.into_iter().collect();
    }

    /// The server did not let ditto in. The first time is told, and then when the reason changes: the core tries again
    /// for as long as it takes.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.attempts += 1;
        let attempt = self.attempts;
        let Refusal { why, text } = refusal;
        if self.refusal.replace(*why) != Some(*why) {
            line!(self, warn, reason = %text, attempt, "could not join the subscription; trying again");
        } else {
            line!(self, debug, reason = %text, attempt, "could not join the subscription; trying again");
        }
    }

    /// The group could not be looked at.
    pub(super) fn group_unseen(&self, refusal: &Refusal) {
        line!(self, debug, reason = %refusal.text, "could not look at the group");
    }

    /// A stay ended as asked.
    pub(super) fn left(&self) {
        line!(self, info, "left the subscription");
    }

    /// A stay was ended by the server, or by a broken connection.
    pub(super) fn thrown_out(&self, why: &str) {
        line!(self, warn, reason = %why, "the subscription ended");
    }

    /// A call that carries appends ended. Told once until the destination answers again.
    pub(super) fn call_ended(&mut self, why: &str, unanswered: usize) {
        self.calls_ended += 1;
        let times = self.calls_ended;
        if times == 1 {
            line!(self, warn, reason = %why, unanswered, "appending was interrupted; sending again");
        } else {
            line!(self, debug, reason = %why, unanswered, times, "appending was interrupted; sending again");
        }
    }

    /// Nothing has moved for too long.
    pub(super) fn stalled(&self, status: &Status) {
        line!(
            self,
            error,
            buffered = status.events_buffered,
            in_flight = status.events_in_flight,
            done_up_to = status.done_up_to,
            last_number = status.last_number,
            "nothing has moved for a minute although there is more to copy; restarting this subscription"
        );
    }

    /// The pipeline ended as asked.
    pub(super) fn finished(&self, clean: bool, left: usize) {
        if clean {
            line!(self, info, left, "stopped");
        } else {
            line!(
                self,
                warn,
                left,
                "stopped before everything in flight was answered"
            );
        }
    }

    /// The core has stopped the pipeline for good.
    pub(super) fn refused_for_good(&self, text: &str) {
        line!(self, error, reason = %text, "stopped until the configuration changes or ditto is started again");
    }

    /// Once a minute: what was copied, if anything was.
    pub(super) fn sum_up(&mut self, now: Moment, status: &Status) {
        let since = now.saturating_sub(self.summed_up);
        if since < SUMMARY_INTERVAL {
            return;
        }
        self.summed_up = now;
        let copied = std::mem::take(&mut self.copied);
        let lag = lag(status);
        if copied == 0 && lag == Some(0) {
            return;
        }
        let per_second = copied / since.as_secs().max(1);
        line!(
            self,
            info,
            events = copied,
            per_second,
            lag,
            held = status.held.iter().sum::<usize>(),
            read_only = !self.writes,
            "copied in the last minute"
        );
    }

    /// Something happened.
    pub(super) fn tell(&mut self, tell: &Tell) {
        match tell {
            Tell::Copied {
                stream,
                events,
                took,
            } => self.copied(stream, events, *took),
            Tell::State(state) => self.state(state),
            Tell::Held {
                stream,
                revision,
                reason,
                text,
            } => {
                line!(self, error, message_id = message_id::STREAM_HELD, ditto.event_stream = %stream, revision, reason = reason.as_str(), detail = %text, read_only = !self.writes, "holding a stream: it is not written to until this is resolved");
            }
            Tell::Released { stream } => {
                line!(self, info, ditto.event_stream = %stream, "a held stream goes on");
            }
            Tell::Parked {
                stream,
                revision,
                reason,
                text,
            } => {
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), detail = %text, read_only = !self.writes, "parked an event");
            }
            Tell::RepairStarted { stream, from, to } => {
                line!(self, info, ditto.event_stream = %stream, from, to, "reading events that were not delivered from the source");
            }
            Tell::RepairEnded { stream, events } => {
                line!(self, info, ditto.event_stream = %stream, events, "the gap in a stream is filled");
            }
            Tell::Differs { stream, revision } => self.differs(stream, *revision),
            other => self.rare(other),
        }
    }

    fn rare(&self, tell: &Tell) {
        match tell {
            Tell::Unverified { stream, revision } => {
                line!(self, info, ditto.event_stream = %stream, revision, "the destination's last event could not be compared with the source's");
            }
            Tell::Late { stream, revision } => {
                line!(self, warn, ditto.event_stream = %stream, revision, "an event came late and was appended behind newer ones");
            }
            Tell::Placeholders { stream, count } => {
                line!(self, warn, ditto.event_stream = %stream, count, read_only = !self.writes, "wrote placeholders for events that the source no longer has");
            }
            Tell::Hole {
                number,
                stream,
                revision,
            } => {
                line!(self, warn, ditto.event_stream = %stream, number, revision, "the group never delivered an event; copying it all the same");
            }
            Tell::ServerParked { entry, reason } => {
                line!(self, warn, entry, reason = %reason, "the server parked an event by itself; copying it all the same, the entry stays");
            }
            Tell::ParkedUnreadable => {
                line!(
                    self,
                    warn,
                    "no right to read the group's parked events: what the server parks by itself cannot be copied"
                );
            }
            Tell::MetadataKept { stream } => {
                line!(self, warn, ditto.event_stream = %stream, "the stream has metadata already; it is left as it is");
            }
            Tell::TimedOut { number } => {
                line!(
                    self,
                    debug,
                    number,
                    "the server delivered again what had not been acknowledged in time"
                );
            }
            Tell::Credit { credit } => line!(self, info, credit, "asking for another buffer size"),
            Tell::Passed {
                stream,
                revision,
                reason,
            } => {
                line!(self, debug, ditto.event_stream = %stream, revision, reason = reason.as_str(), "acknowledged without copying, as configured");
            }
            Tell::Duplicate {
                stream,
                revision,
                reason,
            } => {
                line!(self, debug, ditto.event_stream = %stream, revision, reason = ?reason, "already at the destination");
            }
            Tell::Skipped { reason } => {
                line!(self, debug, reason = reason.as_str(), "never copied")
            }
            _ => {}
        }
    }

    fn copied(&mut self, stream: &StreamName, events: &[CopiedEvent], took: Duration) {
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
        if self.differs.len() >= DIFFERENCES_REMEMBERED {
            self.differs.clear();
        }
        if self.differs.insert(stream.clone()) {
            line!(self, warn, ditto.event_stream = %stream, revision, "an event has the same id but other content at the destination");
        }
    }

    fn state(&mut self, state: &PipelineState) {
        match state {
            PipelineState::Connecting => line!(self, info, "connecting"),
            PipelineState::Running => {
                self.refusal = None;
                let attempts = std::mem::take(&mut self.attempts);
                let calls_ended = std::mem::take(&mut self.calls_ended);
                line!(self, info, attempts, calls_ended, "running");
            }
            PipelineState::Retrying(Side::Source) => {
                line!(
                    self,
                    warn,
                    message_id = message_id::RETRYING,
                    side = "source",
                    "the source does not answer; trying again until it does"
                );
            }
            PipelineState::Retrying(Side::Destination) => {
                line!(
                    self,
                    warn,
                    message_id = message_id::RETRYING,
                    side = "destination",
                    "the destination does not answer; trying again until it does"
                );
            }
            PipelineState::Standby => {
                line!(self, info, "another consumer has the group; standing by");
            }
            PipelineState::Stopped(text) => {
                line!(self, error, message_id = message_id::SUBSCRIPTION_STOPPED, reason = %text, "stopped: this needs an operator");
            }
        }
    }
}

/// Events of the subscription's stream that are not done; `None` while that is not known.
fn lag(status: &Status) -> Option<u64> {
    let Some(last) = status.last_number else {
        return Some(0);
    };
    match status.done_up_to {
        Some(done) => Some(last.saturating_sub(done)),
        None => Some(last + 1),
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
    use crate::event::StreamName;
    use crate::pipeline::core::port::CopiedEvent;
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
