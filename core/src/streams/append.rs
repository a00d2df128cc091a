//! Appends: what is merged, what is sent, and what an answer means.
//!
//! An append once sent is frozen: its events stay in the queue until it is answered, and it is sent again under its id.
//! Never takes anything but "written, up to the last event's revision" for success.

use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::{Append, AppendId, Command, Expected, Moment};
use crate::streams::Streams;

/// Bytes of a merged append, whatever the settings allow: a message of gRPC holds slightly less than 16 MiB
/// (protocol §4.1.4), and besides what is counted about 100 bytes of each event.
pub(super) const MERGED_BYTES: usize = 14 * 1024 * 1024;

/// An append from its first sending to its answer.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) stream: StreamName,
    expected: Expected,
    /// Source revisions of its events, ascending.
    pub(super) revisions: Vec<u64>,
    /// The revision that the destination must answer.
    pub(super) answers: u64,
    pub(super) first_sent: Moment,
    pub(super) last_sent: Moment,
    /// Sent more than once: what is there may be of its first sending.
    pub(super) sent_again: bool,
    /// Its events are of a source that is perhaps another one by now.
    pub(super) is_outdated: bool,
}

impl Streams {
    pub(super) fn pump_appends(&mut self, cx: &mut Context) {
        if cx.ending || !cx.may_write {
            return;
        }
        while self.resend.is_open()
            && self.flights.len() < self.window.limit() as usize
            && !self.line.is_empty()
        {
            if self.throttled_until(cx).is_some_and(|until| until > cx.now) {
                return;
            }
            let table = &self.table;
            let next = self
                .line
                .leave(|name| table.get(name).and_then(|stream| stream.in_line));
            if let Some(name) = next {
                self.send(cx, &name);
            }
        }
    }

    /// Events that an append may hold.
    pub(super) fn most_merged(&self, cx: &Context) -> usize {
        if self.mode.merges() && cx.settings.throttle_interval.is_zero() {
            cx.settings.max_append_events.max(1) as usize
        } else {
            1
        }
    }

    /// When the throttle lets the next event through.
    pub(super) fn throttled_until(&self, cx: &Context) -> Option<Moment> {
        let interval = cx.settings.throttle_interval;
        self.last_sent
            .filter(|_| !interval.is_zero())
            .map(|sent| sent + interval)
    }

    fn send(&mut self, cx: &mut Context, name: &StreamName) {
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        stream.in_line = None;
        if stream.flight.is_some() {
            return;
        }
        let Some(run) = self.mode.run(stream) else {
            return;
        };
        let Some(start) = run
            .start
            .filter(|start| stream.queue.first() == Some(*start))
        else {
            self.advance(cx, name);
            return;
        };
        if run.tail.is_none() && self.mode.sees_destination() && self.write_metadata_first(cx, name)
        {
            return;
        }
        let revisions = self.merge(cx, name, start, run.has_gaps);
        let answers = run.answers(&revisions);
        let append = AppendId(cx.next_id());
        let flight = Flight {
            stream: name.clone(),
            expected: run.tail.map_or(Expected::NoStream, Expected::Exact),
            revisions,
            answers,
            first_sent: cx.now,
            last_sent: cx.now,
            sent_again: false,
            is_outdated: false,
        };
        if let Some(stream) = self.table.get_mut(name) {
            stream.flight = Some(append);
        }
        self.events_in_flight += flight.revisions.len();
        self.flights.insert(append, flight);
        self.last_sent = Some(cx.now);
        self.emit(cx, append, false);
    }

    /// The longest run from `start` on: consecutive revisions (with `has_gaps`: ascending), within the limits.
    fn merge(&self, cx: &Context, name: &StreamName, start: u64, has_gaps: bool) -> Vec<u64> {
        let Some(stream) = self.table.get(name) else {
            return Vec::new();
        };
        let most = match stream.single_until {
            Some(until) if start <= until => 1,
            _ => self.most_merged(cx),
        };
        let (mut revisions, mut bytes) = (Vec::new(), 0);
        for entry in stream.queue.iter() {
            let follows = has_gaps || entry.revision() == start + revisions.len() as u64;
            bytes += entry.event.append_size();
            let fits = revisions.is_empty() || bytes <= self.append_bytes;
            if !follows || !fits || revisions.len() >= most {
                break;
            }
            revisions.push(entry.revision());
        }
        revisions
    }

    /// The destination takes less than was sent. A merged append is sent anew in parts that it takes, if it said how much
    /// that is; ditto stays within it from then on.
    pub(super) fn on_too_large(&mut self, cx: &mut Context, flight: &Flight, limit: Option<usize>) {
        if let Some(limit) = limit.filter(|limit| *limit < self.append_bytes) {
            self.append_bytes = limit;
            if flight.revisions.len() > 1 {
                self.look_up_again(cx, flight);
                return;
            }
        }
        self.on_refused_append(cx, flight, "larger than the destination accepts");
    }

    /// Sends a frozen append again.
    pub(super) fn send_again(&mut self, cx: &mut Context, append: AppendId, alone: bool) {
        if let Some(flight) = self.flights.get_mut(&append) {
            flight.last_sent = cx.now;
            flight.sent_again = true;
            self.emit(cx, append, alone);
        }
    }

    fn emit(&mut self, cx: &mut Context, append: AppendId, alone: bool) {
        let Some(flight) = self.flights.get(&append) else {
            return;
        };
        let Some(stream) = self.table.get(&flight.stream) else {
            return;
        };
        let events: Vec<Event> = flight
            .revisions
            .iter()
            .filter_map(|revision| stream.queue.get(*revision).map(|entry| entry.event.clone()))
            .collect();
        cx.out.push(Command::Append(Append {
            id: append,
            stream: flight.stream.clone(),
            expected: flight.expected,
            events,
            alone,
        }));
    }
}
