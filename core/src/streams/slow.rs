//! Streams that have a reason of their own to be slow: what waits for them may time out without anything being wrong.
//!
//! Never blames anything: the intake does that.

use crate::context::Context;
use crate::event::StreamName;
use crate::port::Moment;
use crate::streams::Streams;
use crate::streams::stream::{State, Stream};

impl Streams {
    /// A delivery of this stream that came then may time out: it waited while the stream had a reason to be slow.
    pub(super) fn excuses(&self, name: &StreamName, came: Moment) -> bool {
        let stream = self.table.get(name);
        stream.is_some_and(|stream| stream.excuses(came))
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

    /// In repair, in a lookup or in back-off: its deliveries may time out without anything being wrong.
    fn is_slow_for_a_reason(&self) -> bool {
        self.repair.is_some()
            || self.retry_at.is_some()
            || matches!(
                self.state,
                State::Unknown | State::LookingUp(_) | State::WritingMetadata
            )
    }
}
