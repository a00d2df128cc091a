//! What comes in: deliveries, and what is read in their place (holes, parked entries, tails behind a user's link).
//!
//! Hands events over. Never decides what becomes of one.

use uuid::Uuid;

use crate::context::Context;
use crate::event::{Item, SkipReason, TOMBSTONE_REVISION};
use crate::filter;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::forward::Forwarding;
use crate::port::{Report, SessionId};
use crate::seam::Claim;
use crate::streams::Streams;

impl Persistent {
    pub(super) fn on_delivery(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        session: SessionId,
        ack: Uuid,
        number: Option<u64>,
        item: Item,
    ) {
        if self.session.id() != Some(session) || self.ending.is_some() {
            return;
        }
        self.note_session_brings();
        // A tombstone has the highest number that there is, wherever its stream ended: it is no number.
        let number = number.filter(|number| *number < TOMBSTONE_REVISION);
        if let Some(number) = number {
            let joined = self.session.joined_time(cx.now);
            self.doubt_before(cx, number);
            let at_once =
                self.numbers.is_untouched() || self.doubt.may_be_dropped(self.numbers.end());
            self.numbers.delivered(number, joined, at_once);
            self.holes.delivered(joined);
            self.note_answered_before(cx, number);
        }
        if self.doubt.is_kept_back(ack, number) {
            return;
        }
        self.unacknowledged += 1;
        self.accept(
            cx,
            streams,
            item,
            Claim::delivered(session, ack, number, cx.now),
        );
    }

    /// Takes an item, however it came.
    pub(super) fn accept(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        item: Item,
        claim: Claim,
    ) {
        match item {
            Item::Never(reason) => self.skip(cx, &claim, reason),
            Item::Forward(stream) => {
                if let Some(earlier) = self.forwarding_of(&claim) {
                    // The server took it back while the tail was being read.
                    *earlier = claim;
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                    return;
                }
                self.forwards
                    .push_back(Forwarding::new(stream, None, claim));
            }
            Item::Event(event) => match filter::never_copied(&event) {
                Some(reason) => self.skip(cx, &claim, reason),
                None => streams.take(cx, event, claim),
            },
        }
    }

    /// Acknowledges what is never copied.
    pub(super) fn skip(&mut self, cx: &mut Context, claim: &Claim, reason: SkipReason) {
        cx.report(Report::Skipped { reason });
        self.acknowledge(cx, claim);
    }
}
