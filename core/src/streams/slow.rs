//! Streams that have a reason of their own to be slow: what waits for them may time out without anything being wrong.
//!
//! Never blames anything: the intake does that.

use crate::context::Context;
use crate::event::StreamName;
use crate::port::{HeldReason, Moment};
use crate::seam::Extent;
use crate::streams::Streams;
use crate::streams::queue::Entry;
use crate::streams::stream::{State, Stream};

impl Streams {
    /// A delivery of this stream that came then may time out: it waited while the stream had a reason to be slow.
    pub(super) fn excuses(&self, name: &StreamName, came: Moment) -> bool {
        let stream = self.table.get(name);
        stream.is_some_and(|stream| stream.excuses(came))
    }

    /// Memory is full: of what waits in streams that are in repair or fail only a first part is kept, so that no such
    /// stream stops the others. What is in flight stays.
    pub(crate) fn shed(&mut self, cx: &mut Context) {
        if !self.resend.is_open() {
            return;
        }
        let mut slow = self.table.busy_names();
        slow.retain(|name| self.table.get(name).is_some_and(Stream::is_behind));
        let most = cx.memory.budget.slow_stream(slow.len());
        for name in slow {
            let Some(stream) = self.table.get_mut(&name) else {
                continue;
            };
            let flight = stream.flight.and_then(|append| self.flights.get(&append));
            let frozen = flight.and_then(|flight| flight.revisions.last().copied());
            for entry in stream.queue.take_beyond(most, frozen) {
                let text =
                    "this stream is slow, and more of its events waited than ditto keeps in memory";
                self.set_aside(cx, entry, (HeldReason::Refused, text), Extent::Rest);
            }
        }
    }

    /// Something that nobody delivered waits in this stream.
    pub(crate) fn waits_in_reserve(&self, name: &StreamName) -> bool {
        let stream = self.table.get(name);
        stream.is_some_and(|stream| stream.queue.iter().any(Entry::is_from_reserve))
    }

    /// What waits now is excused if its stream has a reason.
    pub(super) fn note_slow(&mut self, cx: &mut Context, name: &StreamName) {
        let now = cx.now;
        if let Some(stream) = self.table.get_mut(name)
            && stream.is_slow_for_a_reason()
        {
            stream.slow_at = Some(now);
        }
    }
}

impl Stream {
    /// A delivery that came at this time may time out: it waited while the stream had a reason to be slow.
    fn excuses(&self, came: Moment) -> bool {
        self.is_slow_for_a_reason() || self.slow_at >= Some(came)
    }

    /// In repair, in back-off, or tried again after that.
    fn is_behind(&self) -> bool {
        self.repair().is_some() || self.retry_at.is_some() || self.failures > 0
    }

    /// In repair, in a lookup or in back-off: its deliveries may time out without anything being wrong.
    fn is_slow_for_a_reason(&self) -> bool {
        self.repair().is_some()
            || self.retry_at.is_some()
            || matches!(
                self.state,
                State::Unknown | State::LookingUp(_) | State::WritingMetadata(_)
            )
    }
}
