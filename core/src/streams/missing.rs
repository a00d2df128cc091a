//! Revisions that the source's stream no longer shows: taken from the source's log, if it has one that can be asked, and
//! otherwise a matter of policy.
//!
//! So is the event that the destination's last one is compared with. Never fills, nor holds a stream for, what the log still
//! shows.

use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::{HeldReason, OnMissingHistory, ReadId, Report};
use crate::seam::Outcome;
use crate::streams::Streams;
use crate::streams::compare::SourceTail;
use crate::streams::stream::{Half, LookupStep, State, Stream, Tail};

impl Streams {
    pub(super) fn first_waiting_from(&self, name: &StreamName, from: u64) -> u64 {
        self.table
            .get(name)
            .and_then(|stream| stream.queue.first_from(from))
            .unwrap_or(from)
    }

    /// The source's stream no longer has revision `from`; the first that can be had of it is `readable`.
    pub(super) fn missing(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        from: u64,
        readable: u64,
    ) {
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        if stream.flight.is_some() {
            // Read ahead: what is in flight is brought to its answer first, then the page is asked for again.
            return;
        }
        if readable <= from {
            // It was delivered meanwhile.
            self.advance(cx, name);
        } else if cx.has_log {
            let read = self.ask_log(cx, name, from, readable);
            if let Some(repair) = self.table.get_mut(name).and_then(Stream::repair_mut) {
                repair.read = Some(read);
            }
        } else {
            self.gone_for_good(cx, name, from, readable);
        }
    }

    /// Asks whether the log shows revision `from`, or any up to `to`.
    pub(super) fn ask_log(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        from: u64,
        to: u64,
    ) -> ReadId {
        let read = ReadId(cx.next_id());
        self.told.push(Outcome::Missing {
            read,
            stream: name.clone(),
            from,
            to,
        });
        read
    }

    /// The log shows these, the first of them the one that the stream no longer shows.
    pub(crate) fn found_in_log(
        &mut self,
        cx: &mut Context,
        (read, name): (ReadId, &StreamName),
        from: u64,
        events: Vec<Event>,
    ) {
        if self.tail_awaits(read, name).is_some() {
            let found = events.into_iter().next();
            let found = found.map_or(SourceTail::Gone, SourceTail::Event);
            self.on_tail_searched(cx, (read, name), found);
        } else if self.is_awaited(cx, read, name) {
            self.insert_page(cx, name, from, events);
        }
    }

    /// Neither the stream nor the log shows revision `from`; the first that can be had is `readable`.
    pub(crate) fn not_in_log(
        &mut self,
        cx: &mut Context,
        (read, name): (ReadId, &StreamName),
        from: u64,
        readable: u64,
    ) {
        if self.on_tail_searched(cx, (read, name), SourceTail::Gone)
            || !self.is_awaited(cx, read, name)
        {
            return;
        }
        let readable = readable.min(self.first_waiting_from(name, from));
        let is_in_flight = |stream: &Stream| stream.flight.is_some();
        if readable <= from || self.table.get(name).is_some_and(is_in_flight) {
            self.advance(cx, name);
        } else {
            self.gone_for_good(cx, name, from, readable);
        }
    }

    /// Whether the log shows it is not known: the gap is read again after a pause.
    pub(crate) fn log_unsearched(&mut self, cx: &mut Context, read: ReadId, name: &StreamName) {
        if self.tail_awaits(read, name).is_some() {
            self.source_read_failed(cx, name);
        } else if self.is_awaited(cx, read, name) {
            cx.source_failing = true;
            self.back_off(cx, name);
        }
    }

    /// The source's event of the destination's last revision was looked for in the log. False if that is not awaited.
    fn on_tail_searched(
        &mut self,
        cx: &mut Context,
        (read, name): (ReadId, &StreamName),
        found: SourceTail,
    ) -> bool {
        let Some(mut tail) = self.tail_awaits(read, name).cloned() else {
            return false;
        };
        tail.source = Half::Got(found);
        self.tail_step(cx, name, tail);
        true
    }

    /// The comparison that waits for this read of the source.
    pub(super) fn tail_awaits(&self, read: ReadId, name: &StreamName) -> Option<&Tail> {
        let State::LookingUp(looking_up) = &self.table.get(name)?.state else {
            return None;
        };
        match &looking_up.step {
            LookupStep::Tail(tail) => {
                matches!(tail.source, Half::Pending(asked) if asked == read).then_some(tail)
            }
            _ => None,
        }
    }

    /// The stream's repair waits for this answer, which is taken now.
    fn is_awaited(&mut self, cx: &mut Context, read: ReadId, name: &StreamName) -> bool {
        let Some(stream) = self.table.get_mut(name) else {
            return false;
        };
        let repair = stream.repair_mut();
        let Some(repair) = repair.filter(|repair| repair.read == Some(read)) else {
            return false;
        };
        repair.read = None;
        let is_aligned = matches!(stream.state, State::Aligned(_));
        if !is_aligned {
            self.advance(cx, name);
        }
        is_aligned
    }

    /// The source no longer has revision `from`; the first that can be had is `readable`.
    fn gone_for_good(&mut self, cx: &mut Context, name: &StreamName, from: u64, readable: u64) {
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        if !self.mode.sees_destination() {
            stream.pass_over(readable.checked_sub(1));
            cx.report(Report::PassedOver {
                stream: name.clone(),
                from,
                to: readable,
            });
            self.end_repair(cx, name);
            self.advance(cx, name);
            return;
        }
        let text = format!(
            "revision {from} is no longer at the source, the next one that ditto has is {readable}"
        );
        match cx.settings.on_missing_history {
            OnMissingHistory::Fill => {
                if let State::Aligned(aligned) = &mut stream.state {
                    aligned.fill_to = Some(readable);
                }
                self.advance(cx, name);
            }
            OnMissingHistory::Park => self.hold(cx, name, from, HeldReason::MissingHistory, text),
            OnMissingHistory::Stop => self.told.push(Outcome::Stop(format!(
                "stream {name}: {text} (on_missing_history = \"stop\")"
            ))),
        }
    }
}
