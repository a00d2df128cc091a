//! What becomes of an entry that leaves its queue: told to the intake, which answers the source.
//!
//! The one place that calls an event done. Never does so for one that is not at the destination or skipped by rule.

use crate::context::Context;
use crate::event::StreamName;
use crate::port::{DuplicateReason, Report};
use crate::seam::Outcome;
use crate::streams::Streams;
use crate::streams::queue::{Entry, Origin};

impl Streams {
    /// The entry's event was at the destination before.
    pub(super) fn settle_duplicate(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        entry: Entry,
        reason: DuplicateReason,
    ) {
        let revision = entry.revision();
        if entry.origin == Origin::Delivered {
            cx.report(Report::Duplicate {
                stream: name.clone(),
                revision,
                reason,
            });
        }
        self.settle_done(cx, entry);
    }

    /// Acknowledges all claims of an entry that has left its queue.
    pub(super) fn settle_done(&mut self, cx: &mut Context, entry: Entry) {
        self.forget_cost(cx, &entry);
        let name = entry.event.stream.clone();
        for claim in entry.into_claims() {
            let excused = self.excuses(&name, claim.at());
            self.told.push(Outcome::Done { claim, excused });
        }
    }

    /// Drops an entry that has left its queue; its claims are delivered again.
    pub(super) fn settle_dropped(&mut self, cx: &mut Context, entry: Entry) {
        self.forget_cost(cx, &entry);
        for claim in entry.into_claims() {
            self.told.push(Outcome::Dropped(claim));
        }
    }

    pub(super) fn count_cost(&mut self, cx: &mut Context, entry: &Entry) {
        cx.memory.add(entry.cost(), entry.is_from_reserve());
    }

    pub(super) fn forget_cost(&mut self, cx: &mut Context, entry: &Entry) {
        cx.memory.remove(entry.cost(), entry.is_from_reserve());
    }
}
