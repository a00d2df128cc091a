//! What can be read of the streams from outside: is the destination there, does something wait for it, what is held.
//!
//! Never tells of a single event.

use crate::context::Context;
use crate::event::StreamName;
use crate::port::{HeldReason, Moment, Status};
use crate::streams::Streams;
use crate::streams::queue::Entry;
use crate::streams::stream::{State, Stream};

/// Held streams that a status names.
const NAMED: usize = 100;

/// What is known of a stream of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is not written to.
    Held,
    /// What it holds is the source's; the highest revision that is known to be there, if any is.
    Ours(Option<u64>),
    /// Nothing.
    Unknown,
}

impl Streams {
    /// Events and lookups may be sent: the destination answers.
    pub(crate) fn is_open(&self) -> bool {
        self.resend.is_open()
    }

    /// Whether the destination answers; `None` before it was heard of.
    pub(crate) fn destination_answers(&self) -> Option<bool> {
        if self.resend.is_away() {
            return Some(false);
        }
        self.destination_seen.then_some(true)
    }

    /// When the destination last decided anything.
    pub(crate) fn last_verdict(&self) -> Moment {
        self.last_verdict
    }

    /// To the destination and back, of late.
    pub(crate) fn round_trip(&self) -> std::time::Duration {
        self.window.round_trip()
    }

    /// Since when something waits for the destination, while it decides nothing.
    pub(crate) fn waiting_since(&self) -> Option<Moment> {
        self.waiting_since
    }

    /// Looked at after everything that may have begun or ended a wait.
    pub(crate) fn note_waiting(&mut self, cx: &Context) {
        if self.waits_for_destination(cx) {
            self.waiting_since.get_or_insert(cx.now);
        } else if cx.memory.entries() == 0 {
            // What waits for its next try ages at the server all the same.
            self.waiting_since = None;
        }
    }

    /// The destination decided something: it is there.
    pub(super) fn verdict(&mut self, cx: &Context) {
        self.last_verdict = cx.now;
        self.destination_seen = true;
        self.wait_anew(cx);
    }

    /// What waits for the destination waits from now on.
    pub(crate) fn wait_anew(&mut self, cx: &Context) {
        let waits = self.waits_for_destination(cx);
        self.waiting_since = waits.then_some(cx.now);
    }

    /// Something was sent to the destination and not answered, or is not sent because the destination does not answer.
    pub(crate) fn waits_for_destination(&self, cx: &Context) -> bool {
        !self.flights.is_empty()
            || !self.lookups.is_empty()
            || !self.writes.is_empty()
            || (cx.memory.entries() > 0 && !self.resend.is_open())
    }

    /// Nothing that was sent may still be carried out unseen.
    pub(crate) fn is_clean(&self) -> bool {
        self.flights.is_empty() && self.writes.is_empty()
    }

    /// A read of the source is under way, or its next try waits.
    pub(crate) fn waits_for_source(&self) -> bool {
        !self.reads.is_empty() || !self.timers.is_empty()
    }

    /// The stream has something to do.
    pub(crate) fn is_busy(&self, name: &StreamName) -> bool {
        self.table.get(name).is_some()
    }

    /// Nothing of the stream waits or is under way.
    pub(crate) fn is_quiet(&self, name: &StreamName) -> bool {
        self.table.get(name).is_none_or(Stream::is_idle)
    }

    /// What is known of the destination's stream.
    pub(crate) fn standing(&self, name: &StreamName) -> Standing {
        match self.table.state(name) {
            Some(State::Held(_)) => Standing::Held,
            Some(State::Aligned(aligned)) => Standing::Ours(aligned.tail),
            _ => Standing::Unknown,
        }
    }

    /// The stream rests, and is held or known to have this revision at the destination.
    pub(crate) fn is_settled(&self, name: &StreamName, revision: u64) -> bool {
        self.table.is_settled(name, revision)
    }

    /// Fills in what the streams know.
    pub(crate) fn read_into(&self, status: &mut Status) {
        status.append_limit = self.window.limit();
        status.appends_in_flight = self.flights.len();
        status.events_in_flight = self.events_in_flight;
        status.destination_answers = self.destination_answers();
        status.oldest_created = self.oldest_created();
        status.held = HeldReason::ALL.map(|reason| {
            let held = self.held.values();
            held.filter(|(_, because, _)| *because == reason).count()
        });
        let held = self.held.iter().take(NAMED);
        status.held_streams = held
            .map(|(name, (revision, reason, text))| {
                (name.clone(), *revision, *reason, text.clone())
            })
            .collect();
        status.repairs = self.repairs;
    }

    fn oldest_created(&self) -> Option<i64> {
        let claimed = |entry: &&Entry| entry.claims().next().is_some();
        let oldest = |stream: &Stream| {
            stream
                .queue
                .iter()
                .filter(claimed)
                .map(|entry| entry.event.created)
                .min()
        };
        self.table
            .busy()
            .filter_map(|(_, stream)| oldest(stream))
            .min()
    }

    /// The destination is asked at this moment for want of anything else.
    #[cfg(test)]
    pub(crate) fn asked_at(&self) -> Option<Moment> {
        self.asked_at
    }
}
