//! The loop itself: one turn waits for whatever comes first, hands all of it to the core, and carries out what the
//! core says.
//!
//! Never waits for a single call: everything slow runs beside it and comes back as an input.

use std::collections::VecDeque;

use super::operations::{Finished, Operations};
use super::timers::Timers;
use super::{Outcome, Pipeline};
use crate::destination::{Appends, Destination};
use crate::report::Reporter;
use crate::source::persistent::{Delivered, Joined, Persistent, Refusal};
use crate::source::{Arrival, Session};
use ditto_core::Core;
use ditto_core::port::{
    Answer, Command, GroupSeen, Input, LeaveReason, Moment, PipelineState, SessionId, Side, Status,
};
use ditto_core::stall::StallDetector;

/// After the deadline of a stop the core gets this long to say that it is finished.
const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

/// What the loop needs of the core; a seam for the loop's own tests.
pub(super) trait Machine: Send {
    /// Takes an input and adds commands to `out`.
    fn handle(&mut self, now: Moment, input: Input, out: &mut Vec<Command>);
    /// A reading.
    fn status(&self) -> Status;
}

impl Machine for Core {
    fn handle(&mut self, now: Moment, input: Input, out: &mut Vec<Command>) {
        Self::handle(self, now, input, out);
    }

    fn status(&self) -> Status {
        Self::status(self)
    }
}

/// Runs the loop until the core is finished, or a stall.
pub(super) async fn drive<M: Machine, S: Persistent, D: Destination>(
    machine: M,
    pipeline: Pipeline<S, D>,
) -> Outcome {
    let mut running = Loop::new(machine, pipeline);
    running.budget();
    running.stop();
    running.feed(Input::Tick);
    loop {
        if let Some(outcome) = running.carry_out() {
            return outcome;
        }
        let woken = running.wait().await;
        if let Some(outcome) = running.take(woken) {
            return outcome;
        }
    }
}

/// A call's answer, as the loop gets it back.
pub(super) enum Done<T> {
    /// To a join.
    Joined {
        buffer_size: u32,
        result: Result<Joined<T>, Refusal>,
    },
    /// To a probe: why the side does not answer, if it does not.
    Probed {
        side: Side,
        result: Result<(), String>,
    },
    /// To a lookup at the group.
    Group(Result<GroupSeen, Refusal>),
    /// To anything else.
    Input(Input),
}

/// What ended a wait. What it brought is mostly in the loop's own buffers, so that nothing is lost when the other
/// waits are dropped.
enum Woken<T> {
    Arrival(Arrival),
    Answers,
    Done(Finished<Done<T>>),
    Alarm,
    Budget { open: bool },
    Stop { open: bool },
}

/// The present session.
pub(super) struct Current<T> {
    pub(super) id: SessionId,
    pub(super) session: T,
    pub(super) leaving: Option<LeaveReason>,
}

/// Everything that the loop holds. `carry_out` is in a file of its own.
pub(super) struct Loop<M, S: Persistent, D: Destination> {
    pub(super) machine: M,
    pub(super) pipeline: Pipeline<S, D>,
    pub(super) appends: D::Appends,
    pub(super) operations: Operations<Done<S::Session>>,
    pub(super) current: Option<Current<S::Session>>,
    pub(super) commands: Vec<Command>,
    pub(super) timers: Timers,
    pub(super) reporter: Reporter,
    pub(super) state: PipelineState,
    pub(super) asking_group: bool,
    pub(super) joins: u64,
    pub(super) arrived: VecDeque<Delivered>,
    answers: Vec<Answer>,
    budget_open: bool,
    stop_open: bool,
    give_up: Option<Moment>,
    stall: StallDetector,
}

impl<M: Machine, S: Persistent, D: Destination> Loop<M, S, D> {
    fn new(machine: M, pipeline: Pipeline<S, D>) -> Self {
        let timers = Timers::new();
        Self {
            machine,
            appends: pipeline.destination.appends(),
            operations: Operations::new(),
            current: None,
            commands: Vec::new(),
            reporter: Reporter::new(
                pipeline.key.clone(),
                pipeline.observer.clone(),
                D::SYSTEM,
                D::WRITES,
            ),
            state: PipelineState::Connecting,
            asking_group: false,
            joins: 0,
            arrived: VecDeque::new(),
            answers: Vec::new(),
            budget_open: true,
            stop_open: true,
            give_up: None,
            stall: StallDetector::new(timers.now()),
            timers,
            pipeline,
        }
    }

    async fn wait(&mut self) -> Woken<S::Session> {
        tokio::select! {
            arrival = next_arrival(self.current.as_mut(), &mut self.arrived) => Woken::Arrival(arrival),
            () = self.appends.answers(&mut self.answers) => Woken::Answers,
            finished = self.operations.next() => Woken::Done(finished),
            () = self.timers.alarm() => Woken::Alarm,
            changed = self.pipeline.budget.changed(), if self.budget_open => Woken::Budget { open: changed.is_ok() },
            changed = self.pipeline.stop.changed(), if self.stop_open => Woken::Stop { open: changed.is_ok() },
        }
    }

    fn take(&mut self, woken: Woken<S::Session>) -> Option<Outcome> {
        match woken {
            Woken::Arrival(Arrival::Deliveries) => self.deliveries(),
            Woken::Arrival(Arrival::Over { why }) => self.over(why),
            Woken::Answers => self.answers(),
            Woken::Done(first) => {
                self.done(first);
                while let Some(next) = self.operations.ready() {
                    self.done(next);
                }
            }
            Woken::Alarm => return self.alarm(),
            Woken::Budget { open } => {
                self.budget_open = open;
                self.budget();
            }
            Woken::Stop { open } => {
                self.stop_open = open;
                self.stop();
            }
        }
        None
    }

    pub(super) fn feed(&mut self, input: Input) {
        let now = self.timers.now();
        self.machine.handle(now, input, &mut self.commands);
    }

    pub(super) fn over(&mut self, text: Option<String>) {
        let Some(Current {
            id: session,
            leaving,
            ..
        }) = self.current.take()
        else {
            return;
        };
        match leaving {
            Some(_) => self.reporter.left(),
            None => self.reporter.thrown_out(text.unwrap_or_default()),
        }
        let why = leaving.unwrap_or(LeaveReason::Ended);
        self.feed(Input::Left { session, why });
    }

    fn answers(&mut self) {
        let now = self.timers.now();
        let mut answers = std::mem::take(&mut self.answers);
        for answer in answers.drain(..) {
            let input = match answer {
                Answer::Appended { append, outcome } => {
                    self.reporter.append_answered(&outcome);
                    Input::Appended { append, outcome }
                }
                Answer::CallEnded {
                    lane,
                    unanswered,
                    why,
                } => {
                    self.reporter.call_ended(why.why, unanswered.len());
                    Input::CallEnded {
                        lane,
                        unanswered,
                        silent: why.silent,
                        said: why.said,
                    }
                }
            };
            self.machine.handle(now, input, &mut self.commands);
        }
        // Its room is used again: answers come by the thousand.
        self.answers = answers;
    }

    fn done(&mut self, finished: Finished<Done<S::Session>>) {
        self.reporter.called(finished.call, finished.took);
        match finished.result {
            Done::Joined {
                buffer_size,
                result,
            } => self.joined(buffer_size, result),
            Done::Group(result) => self.group_asked(result),
            Done::Probed { side, result } => {
                let reachable = result.is_ok();
                if let Err(text) = result {
                    self.reporter.unreachable(side, text);
                }
                self.feed(Input::Reachable { side, reachable });
            }
            Done::Input(input) => self.feed(input),
        }
    }

    fn budget(&mut self) {
        let bytes = *self.pipeline.budget.borrow_and_update();
        self.feed(Input::Budget { bytes });
    }

    fn stop(&mut self) {
        let wanted = *self.pipeline.stop.borrow_and_update();
        let deadline = match wanted {
            Some(instant) => self.timers.moment(instant),
            None if self.stop_open => return,
            None => self.timers.now(),
        };
        self.give_up = Some(deadline + GRACE);
        self.feed(Input::Stop { deadline });
    }

    fn alarm(&mut self) -> Option<Outcome> {
        let due = self.timers.due();
        self.feed(Input::Tick);
        if due.group && self.is_group_worth_asking() {
            self.ask_group();
        }
        if due.second { self.second() } else { None }
    }

    /// Once a second: what metrics and the log want to know, and whether anything still moves.
    fn second(&mut self) -> Option<Outcome> {
        let now = self.timers.now();
        let status = self.machine.status();
        self.reporter.status(now, &status);
        if self.give_up.is_some_and(|give_up| now >= give_up) {
            let left = status.events_buffered;
            self.reporter.finished(false, left);
            return Some(Outcome::Stopped { clean: false, left });
        }
        if self.give_up.is_none() && self.stall.is_stalled(now, &status) {
            self.reporter.stalled(&status);
            return Some(Outcome::Stalled);
        }
        None
    }
}

async fn next_arrival<T: Session>(
    current: Option<&mut Current<T>>,
    arrived: &mut VecDeque<T::Delivered>,
) -> Arrival {
    match current {
        Some(current) => current.session.next(arrived).await,
        None => std::future::pending().await,
    }
}
