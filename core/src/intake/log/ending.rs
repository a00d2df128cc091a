//! Stopping a mirror: as asked, or by a policy.
//!
//! What is in flight is brought to its answer, and a last checkpoint says how far it came, within the deadline. What waits
//! is dropped: it is read again from the mark.

use std::time::Duration;

use super::Log;
use crate::context::Context;
use crate::port::{Command, Moment, StopReason};
use crate::streams::Streams;

/// What a policy gives the appends in flight to be answered.
const BY_POLICY: Duration = Duration::from_secs(8);

/// The pipeline is to end.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    deadline: Moment,
    policy: Option<String>,
    /// The last checkpoint was asked for.
    saved: bool,
    finished: bool,
}

impl Ending {
    pub(super) fn due(&self) -> Moment {
        self.deadline
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }
}

impl Log {
    pub(super) fn on_stop(&mut self, cx: &mut Context, streams: &mut Streams, deadline: Moment) {
        match &mut self.ending {
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => {
                self.end(cx, deadline, None);
                self.drop_waiting(cx, streams);
            }
        }
    }

    /// A policy "stop" was met.
    pub(super) fn end_by_policy(&mut self, cx: &mut Context, why: String) {
        if self.ending.is_none() {
            self.end(cx, cx.now + BY_POLICY, Some(why));
        }
    }

    fn end(&mut self, cx: &mut Context, deadline: Moment, policy: Option<String>) {
        self.ending = Some(Ending {
            deadline,
            policy,
            saved: false,
            finished: false,
        });
        cx.ending = true;
    }

    pub(super) fn pump_ending(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.leave(cx, None);
        let clean = streams.is_clean();
        let Some(ending) = &mut self.ending else {
            return;
        };
        let late = cx.now >= ending.deadline;
        if clean && !ending.saved && !late && self.holding.is_held() {
            ending.saved = true;
            self.holding.save_now(cx.now);
            self.pump_holding(cx);
            return;
        }
        if late || (clean && !self.holding.is_saving() && self.reading.is_closed()) {
            ending.finished = true;
            let policy = ending.policy.take();
            let why = policy.map_or(StopReason::Asked { clean }, StopReason::Policy);
            cx.out.push(Command::Finished {
                why,
                left: cx.memory.entries(),
            });
        }
    }
}
