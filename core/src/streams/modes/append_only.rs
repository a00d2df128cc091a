//! A destination without revisions (Kinesis): what this process wrote is the only thing that is known of it.
//!
//! Never looks at the destination, and never holds a stream.
//!
//! Per stream, `high` is the highest revision written, and revisions above `unverified` up to it were all written. What
//! comes again among those is dropped, a gap behind `high` is repaired from the source, and anything else that is lower
//! was not written by this process: it goes out late.

use super::exact::Exact;
use super::{Mode, Run};
use crate::context::Context;
use crate::event::StreamName;
use crate::port::DuplicateReason;
use crate::streams::Streams;
use crate::streams::stream::Stream;

/// Written in order, never read.
#[derive(Debug)]
pub(super) struct AppendOnly;

impl Mode for AppendOnly {
    fn prepare(&self, streams: &mut Streams, cx: &mut Context, name: &StreamName) {
        streams.take_position(cx, name);
    }

    /// Never called: a stream has its place as soon as something waits.
    fn look_up(&self, _streams: &mut Streams, _cx: &mut Context, _name: &StreamName) {}

    fn known_to(&self, stream: &Stream) -> Option<u64> {
        stream.known.high
    }

    fn run(&self, stream: &Stream) -> Option<Run> {
        Exact.run(stream)
    }

    fn written(&self, stream: &mut Stream, last: u64, tail: u64) {
        Exact.written(stream, last, tail);
        stream.wrote_late(last);
    }

    fn pass(&self, stream: &mut Stream, revision: u64) {
        stream.pass_over(Some(revision));
    }

    fn merges(&self) -> bool {
        false
    }

    fn sees_destination(&self) -> bool {
        false
    }

    fn holds_refused(&self) -> bool {
        false
    }
}

impl Streams {
    /// Drops what was written already, and says where the stream goes on.
    pub(in crate::streams) fn take_position(&mut self, cx: &mut Context, name: &StreamName) {
        while let Some(known) = self.table.get_mut(name).and_then(Stream::pop_written) {
            self.settle_duplicate(cx, name, known, DuplicateReason::Known);
        }
        if let Some(stream) = self.table.get_mut(name)
            && stream.flight.is_none()
        {
            stream.go_on();
        }
    }
}

impl Stream {
    fn pop_written(&mut self) -> Option<crate::streams::queue::Entry> {
        if self.knows(self.queue.first()?, self.known.high) {
            self.queue.pop_first()
        } else {
            None
        }
    }

    fn go_on(&mut self) {
        let Some(first) = self.queue.first() else {
            return;
        };
        let before = first.checked_sub(1);
        if self.known.high.is_none() {
            // Met for the first time: whatever lies before it was the business of an earlier process.
            self.known.high = before;
            self.known.unverified = before;
        }
        self.move_tail(if Some(first) > self.known.high {
            self.known.high
        } else {
            before
        });
    }

    /// What lies up to `revision` is not written, and nothing more is to be done about it: parked, or gone from the
    /// source. If it comes all the same, it is written.
    pub(in crate::streams) fn pass_over(&mut self, revision: Option<u64>) {
        self.known.high = self.known.high.max(revision);
        self.known.unverified = self.known.unverified.max(revision);
        self.move_tail(revision);
    }

    /// What was written late may join what is known to be written.
    pub(in crate::streams) fn wrote_late(&mut self, revision: u64) {
        if self.known.unverified == Some(revision) {
            self.known.unverified = revision.checked_sub(1);
        }
    }
}
