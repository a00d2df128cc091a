//! The three ways to copy a stream, each a type: what is known without asking, how the destination is looked at, what an
//! append expects, and what becomes of an event that cannot be written.
//!
//! Never sends anything by itself.

mod append_only;
mod exact;
mod unversioned;

use std::fmt::Debug;

use crate::context::Context;
use crate::event::StreamName;
use crate::port;
use crate::streams::Streams;
use crate::streams::stream::Stream;

/// Events of one stream that may be appended now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The destination's last revision, which the append expects; `None`: it holds nothing.
    pub(super) tail: Option<u64>,
    /// The first source revision to append.
    pub(super) start: Option<u64>,
    /// Source revisions may leave others out.
    pub(super) has_gaps: bool,
}

impl Run {
    /// The revision that the destination answers if these source revisions are written.
    pub(super) fn answers(&self, revisions: &[u64]) -> u64 {
        let count = revisions.len() as u64;
        match revisions.last() {
            Some(last) if !self.has_gaps => *last,
            _ => self
                .tail
                .map_or(count.saturating_sub(1), |tail| tail + count),
        }
    }
}

/// One way to copy a stream.
pub(super) trait Mode: Debug + Send + Sync {
    /// Looks at what is known before a stream goes on.
    fn prepare(&self, _streams: &mut Streams, _cx: &mut Context, _name: &StreamName) {}

    /// Sends the first question about a stream that nothing is known of.
    fn look_up(&self, streams: &mut Streams, cx: &mut Context, name: &StreamName);

    /// Up to here this stream's events are at the destination, but for those at or below an unverified one.
    fn known_to(&self, stream: &Stream) -> Option<u64>;

    /// What may be appended, if anything may.
    fn run(&self, stream: &Stream) -> Option<Run>;

    /// Source revisions up to `last` were written; `tail` is the destination's last revision now.
    fn written(&self, stream: &mut Stream, last: u64, tail: u64);

    /// A delivery came that may be at the destination unseen.
    fn note_unsearched(&self, _stream: &mut Stream) {}

    /// This event was refused and is set aside: the stream goes on behind it.
    fn pass(&self, _stream: &mut Stream, _revision: u64) {}

    /// Several events may go in one append.
    fn merges(&self) -> bool {
        true
    }

    /// The destination can be asked, its streams have metadata, and one that is not as it should be is held.
    fn sees_destination(&self) -> bool {
        true
    }

    /// A stream is held for an event that is refused; otherwise it goes on without.
    fn holds_refused(&self) -> bool;
}

/// The type for a setting.
pub(super) fn of(mode: port::Mode) -> &'static dyn Mode {
    match mode {
        port::Mode::Exact => &exact::Exact,
        port::Mode::Unversioned => &unversioned::Unversioned,
        port::Mode::AppendOnly => &append_only::AppendOnly,
    }
}
