//! Stopping: as asked, or by a policy.
//!
//! Finishes what is in flight, within its deadline. Never drops an answer that it could still wait for.

use crate::Core;
use crate::intake::persistent::session::Phase;
use crate::port::{Command, LeaveReason, Moment, StopReason};

/// The pipeline is to end.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    deadline: Moment,
    /// What waits by then is left to be delivered again: the server would take it back, and may park it for that.
    leave_by: Moment,
    policy: Option<String>,
}

impl Ending {
    /// When it goes on by itself.
    pub(crate) fn due(&self, now: Moment) -> Moment {
        if now < self.leave_by {
            self.leave_by.min(self.deadline)
        } else {
            self.deadline
        }
    }
}

impl Core {
    pub(crate) fn on_stop(&mut self, deadline: Moment) {
        match &mut self.ending {
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => {
                self.ending = Some(Ending {
                    deadline,
                    leave_by: self.now + self.message_timeout() / 4,
                    policy: None,
                })
            }
        }
        self.take_no_more();
    }

    /// A policy "stop" was met: what is in flight is finished, then the pipeline ends.
    pub(crate) fn end_by_policy(&mut self, text: String) {
        if self.ending.is_none() {
            let deadline = self.now + self.message_timeout() / 4;
            self.ending = Some(Ending {
                deadline,
                leave_by: deadline,
                policy: Some(text),
            });
            self.take_no_more();
        }
    }

    /// What would still be delivered is nobody's any more.
    fn take_no_more(&mut self) {
        if let Some(session) = self.session.id() {
            self.out.push(Command::Poll { session, on: false });
        }
    }

    pub(crate) fn pump_ending(&mut self) {
        let Some(Ending {
            deadline,
            leave_by,
            policy,
        }) = self.ending.clone()
        else {
            return;
        };
        let late = self.now >= deadline;
        let clean = self.flights.is_empty() && self.writes.is_empty();
        match self.session.phase {
            Phase::In { .. } if clean || late || self.now >= leave_by => {
                self.leave(LeaveReason::Stopping);
            }
            Phase::Out { .. } if clean || late => self.finish(clean, policy),
            // The server does not answer; nothing is lost by going.
            Phase::Joining { .. } | Phase::Leaving { .. } if late => self.finish(clean, policy),
            _ => {}
        }
    }

    fn finish(&mut self, clean: bool, policy: Option<String>) {
        self.session.phase = Phase::Finished;
        let why = policy.map_or(StopReason::Asked { clean }, StopReason::Policy);
        self.out.push(Command::Finished {
            why,
            left: self.entries,
        });
    }
}
