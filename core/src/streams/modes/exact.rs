//! Revision N at the source is revision N at the destination.
//!
//! Never appends behind a revision that was not compared or written.

use super::{Mode, Run};
use crate::context::Context;
use crate::event::StreamName;
use crate::port::LookupRange;
use crate::streams::Streams;
use crate::streams::stream::{LookupStep, State, Stream};

/// The same revisions on both sides.
#[derive(Debug)]
pub(super) struct Exact;

impl Mode for Exact {
    fn look_up(&self, streams: &mut Streams, cx: &mut Context, name: &StreamName) {
        if streams.is_at_its_beginning(name) {
            let lookup = streams.lookup(cx, name, LookupRange::Metadata);
            streams.set_step(name, LookupStep::Metadata(lookup));
        } else {
            streams.full_lookup(cx, name);
        }
    }

    fn known_to(&self, stream: &Stream) -> Option<u64> {
        match &stream.state {
            State::Aligned(aligned) => aligned.tail,
            State::Held(held) => held.tail,
            _ => None,
        }
    }

    fn run(&self, stream: &Stream) -> Option<Run> {
        match &stream.state {
            State::Aligned(aligned) => Some(Run {
                tail: aligned.tail,
                start: Some(aligned.tail.map_or(0, |tail| tail + 1)),
                has_gaps: false,
            }),
            _ => None,
        }
    }

    fn written(&self, stream: &mut Stream, last: u64, tail: u64) {
        stream.wrote(last);
        stream.move_tail(Some(tail));
    }

    fn holds_refused(&self) -> bool {
        true
    }
}
