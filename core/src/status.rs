//! Readings of the core: the state in words, and the figures behind metrics and `/status`.
//!
//! Never changes anything but what was last told.

use crate::Core;
use crate::Purpose;
use crate::intake::persistent::dropped::GONE;
use crate::intake::persistent::session::Trouble;
use crate::port::{HeldReason, PipelineState, ReadId, Report, Side, SourcePage, Status};
use crate::streams::stream;

/// Held streams that are named; all are counted.
const NAMED: usize = 100;

impl Core {
    /// What the pipeline holds and does at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let held = HeldReason::ALL.map(|reason| {
            let held = self.held.values();
            held.filter(|(_, because, _)| *because == reason).count()
        });
        Status {
            state: self.state(),
            buffer_size: self.session.buffer_size().unwrap_or_else(|| {
                self.buffer_size
                    .ask(self.group.as_ref().map(|group| group.message_timeout))
            }),
            append_limit: self.window.limit(),
            appends_in_flight: self.flights.len(),
            events_in_flight: self.events_in_flight,
            events_buffered: self.entries,
            bytes_buffered: self.bytes,
            source_answers: self.source_answers(),
            destination_answers: self.destination_answers(),
            done_up_to: self.numbers.done_up_to(),
            last_number: self.group.as_ref().and_then(|group| group.last_number),
            oldest_created: self.oldest_created(),
            progress: self.progress,
            held,
            held_streams: self
                .held
                .iter()
                .take(NAMED)
                .map(|(name, (revision, reason, text))| {
                    (name.clone(), *revision, *reason, text.clone())
                })
                .collect(),
            repairs: self.repairs,
            waits_until: self
                .due()
                .max(self.search_until())
                .or_else(|| self.next_hole()),
        }
    }

    fn source_answers(&self) -> Option<bool> {
        match self.session.trouble() {
            Trouble::Source => Some(false),
            _ if self.source_failing => Some(false),
            // Whatever it said, it said something.
            Trouble::Standby | Trouble::Stopped(_) | Trouble::Gone => Some(true),
            Trouble::None => self.group.as_ref().map(|_| true),
        }
    }

    fn destination_answers(&self) -> Option<bool> {
        if self.resend.is_away() {
            return Some(false);
        }
        self.destination_seen.then_some(true)
    }

    fn oldest_created(&self) -> Option<i64> {
        let claimed = |entry: &&crate::streams::queue::Entry| entry.claims().next().is_some();
        let oldest = |stream: &stream::Stream| {
            stream
                .queue
                .iter()
                .filter(claimed)
                .map(|entry| entry.event.created)
                .min()
        };
        self.streams
            .busy()
            .filter_map(|(_, stream)| oldest(stream))
            .min()
    }

    fn state(&self) -> PipelineState {
        match self.session.trouble() {
            Trouble::Gone => return PipelineState::Stopped(GONE.to_owned()),
            Trouble::Stopped(text) => return PipelineState::Stopped(text.clone()),
            Trouble::Standby => return PipelineState::Standby,
            Trouble::Source => return PipelineState::Retrying(Side::Source),
            Trouble::None => {}
        }
        let unseen = self.unseen_state();
        if let Some(PipelineState::Stopped(_)) = unseen {
            return unseen.unwrap_or(PipelineState::Connecting);
        }
        if self.resend.is_away() {
            PipelineState::Retrying(Side::Destination)
        } else if self.source_failing {
            PipelineState::Retrying(Side::Source)
        } else if let Some(searching) = unseen {
            searching
        } else if self.reported == PipelineState::Connecting && self.doubt.is_open() {
            // Not running before it is known whether it may.
            PipelineState::Connecting
        } else if !self.destination_seen {
            PipelineState::Connecting
        } else if self.session.id().is_some() || self.reported != PipelineState::Connecting {
            PipelineState::Running
        } else {
            PipelineState::Connecting
        }
    }

    /// Something is read at the source, or will be.
    pub(crate) fn waits_for_source(&self) -> bool {
        let retries = [
            self.holes.retry_at(),
            self.parked.retry_at(),
            self.doubt.retry_at(),
            self.unseen.retry_at(),
        ];
        !self.reads.is_empty()
            || !self.forwards.is_empty()
            || !self.timers.is_empty()
            || retries.iter().any(Option::is_some)
    }

    /// Tells a change of state, once.
    pub(crate) fn report_state(&mut self) {
        let state = self.state();
        if state != self.reported {
            self.reported = state.clone();
            self.report(Report::State(state));
        }
    }

    pub(crate) fn on_source_read(&mut self, read: ReadId, page: SourcePage) {
        match self.take_read(read) {
            Some(Purpose::Verify(stream, known)) => self.on_verify_read(read, &stream, known, page),
            Some(Purpose::Head {
                stream,
                destination,
            }) => self.on_head_read(&stream, destination, page),
            Some(Purpose::Repair {
                stream,
                from,
                known,
            }) => self.on_repair_read(read, &stream, (from, known), page),
            Some(Purpose::Forward(forwarding)) => self.on_forward_read(forwarding, page),
            Some(
                Purpose::Links { .. }
                | Purpose::Parked
                | Purpose::Queue
                | Purpose::Dropped
                | Purpose::First { .. }
                | Purpose::Log,
            )
            | None => {}
        }
    }
}
