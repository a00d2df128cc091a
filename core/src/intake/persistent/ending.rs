//! Stopping: as asked, or by a policy.
//!
//! Finishes what is in flight, within its deadline. Never drops an answer that it could still wait for.

use crate::context::Context;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::session::Phase;
use crate::port::{Command, LeaveReason, Moment, StopReason};
use crate::streams::Streams;

/// The pipeline is to end.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    deadline: Moment,
    /// What waits by then is left to be delivered again: the server would take it back, and may park it for that.
    leave_by: Moment,
    policy: Option<String>,
}

impl Ending {
    /// When it goes on by itself.
    pub(super) fn due(&self, now: Moment) -> Moment {
        if now < self.leave_by {
            self.leave_by.min(self.deadline)
        } else {
            self.deadline
        }
    }
}

impl Persistent {
    pub(super) fn on_stop(&mut self, cx: &mut Context, deadline: Moment) {
        match &mut self.ending {
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => {
                self.ending = Some(Ending {
                    deadline,
                    leave_by: cx.now + self.message_timeout() / 4,
                    policy: None,
                })
            }
        }
        self.take_no_more(cx);
    }

    /// A policy "stop" was met: what is in flight is finished, then the pipeline ends.
    pub(super) fn end_by_policy(&mut self, cx: &mut Context, text: String) {
        if self.ending.is_none() {
            let deadline = cx.now + self.message_timeout() / 4;
            self.ending = Some(Ending {
                deadline,
                leave_by: deadline,
                policy: Some(text),
            });
            self.take_no_more(cx);
        }
    }

    /// What would still be delivered is nobody's any more.
    fn take_no_more(&mut self, cx: &mut Context) {
        cx.ending = true;
        if let Some(session) = self.session.id() {
            cx.out.push(Command::Poll { session, on: false });
        }
    }

    pub(super) fn pump_ending(&mut self, cx: &mut Context, streams: &mut Streams) {
        let Some(Ending {
            deadline,
            leave_by,
            policy,
        }) = self.ending.clone()
        else {
            return;
        };
        let late = cx.now >= deadline;
        let clean = streams.is_clean();
        match self.session.phase {
            Phase::In { .. } if clean || late || cx.now >= leave_by => {
                self.leave(cx, LeaveReason::Stopping);
            }
            Phase::Out { .. } if clean || late => self.finish(cx, clean, policy),
            // The server does not answer; nothing is lost by going.
            Phase::Joining { .. } | Phase::Leaving { .. } if late => self.finish(cx, clean, policy),
            _ => {}
        }
    }

    fn finish(&mut self, cx: &mut Context, clean: bool, policy: Option<String>) {
        self.session.phase = Phase::Finished;
        let why = policy.map_or(StopReason::Asked { clean }, StopReason::Policy);
        cx.out.push(Command::Finished {
            why,
            left: cx.memory.entries(),
        });
    }
}
