//! Stays that the server ends at once, again and again: was the subscription's stream deleted for good?
//!
//! A group that has to read a tombstoned stream lets every consumer in and drops it right after its confirmation
//! (protocol §8.10); nothing else tells it from a server that is not well. Never gives up: at least every 30 s it
//! joins again, and whatever a session brings ends the stop.

use crate::context::Context;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::Purpose;
use crate::intake::persistent::session::{GOOD_SESSION, Phase, Trouble};
use crate::port::{Command, LinkPage, Moment, ReadId};

/// Why a subscription whose stream is gone is stopped.
pub(super) const GONE: &str = "the subscription's stream was deleted for good at the source, and its group can deliver nothing more (remove the subscription)";

/// So many stays in a row end soon, with nothing delivered, before the stream is looked at.
const EMPTY_STAYS: u32 = 2;

impl Persistent {
    /// Something was delivered: the group works.
    pub(super) fn note_session_brings(&mut self) {
        self.session.brings = true;
        self.group_works();
    }

    /// A session that lasts is a good one, whatever it brings.
    pub(super) fn note_session_lasts(&mut self, cx: &mut Context, since: Moment) {
        if cx.now.saturating_sub(since) >= GOOD_SESSION {
            self.group_works();
        }
    }

    fn group_works(&mut self) {
        self.session.empty_sessions = 0;
        if self.session.trouble == Trouble::Gone {
            self.session.trouble = Trouble::None;
        }
    }

    /// The server ended a session that began at `since`.
    pub(super) fn note_session_ended(&mut self, cx: &mut Context, since: Moment) {
        if self.session.brings || cx.now.saturating_sub(since) >= GOOD_SESSION {
            return self.group_works();
        }
        self.session.empty_sessions += 1;
        if self.session.trouble == Trouble::Gone {
            self.session.ask_later(cx.now);
        } else if self.session.empty_sessions >= EMPTY_STAYS && !self.session.is_stopped() {
            let read = ReadId(cx.next_id());
            self.reads.insert(read, Purpose::Dropped);
            cx.out.push(Command::ReadLinks {
                read,
                from: 0,
                count: 1,
                max_bytes: 1,
            });
        }
    }

    /// What the subscription's stream looks like. What waits stays: the destination may still take it.
    pub(super) fn on_dropped_read(&mut self, cx: &mut Context, page: &LinkPage) {
        let dropped = self.session.empty_sessions >= EMPTY_STAYS
            && matches!(self.session.trouble, Trouble::None | Trouble::Source);
        if *page != LinkPage::Deleted || !dropped {
            return;
        }
        self.session.stop(Trouble::Gone, cx.now);
        if let Phase::Out { join_at } = &mut self.session.phase {
            *join_at = None;
        }
    }
}
