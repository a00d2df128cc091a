//! The loop itself: one turn waits for whatever comes first, hands all of it to the core, and carries out what the
//! core says.
//!
//! Never waits for a single call: everything slow runs beside it and comes back as an input.

use std::collections::VecDeque;

use super::kind::Kind;
use super::operations::{Finished, Operations};
use super::timers::Timers;
use super::{Outcome, Pipeline};
use crate::destination::{Appends, Destination};
use crate::report::Reporter;
use crate::source::{Arrival, Session, Source};
use ditto_core::Core;
use ditto_core::port::{
    Answer, Command, Input, LeaveReason, Moment, PipelineState, SessionId, Side, Status,
};
use ditto_core::stall::StallDetector;

/// After the deadline of a stop the core gets this long to say that it is finished.
const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

/// What the loop needs of the core; a seam for the loop's own tests.
pub(super) trait Machine: Send {
    /// Takes an input and adds commands to `out`.
    fn handle(&mut self, now: Moment, input: Input, out: &mut Vec<Command>);
    /// What the core shows now; asked for after each input.
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
pub(super) async fn drive<M: Machine, K: Kind<D>, D: Destination>(
    machine: M,
    kind: K,
    pipeline: Pipeline<K::Source, D>,
) -> Outcome {
    let mut running = Loop::new(machine, kind, pipeline);
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
    /// To a call of this kind of source alone.
    OfKind(T),
    /// To a probe: why the side does not answer, if it does not.
    Probed {
        side: Side,
        result: Result<(), String>,
    },
    /// To anything else.
    Input(Input),
}

/// What ended a wait. What it brought is mostly in the loop's own buffers, so that nothing is lost when the other
/// waits are dropped.
enum Woken<T> {
    Arrival(Arrival),
    Answers,
    AnswersOfKind,
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

/// A session of this kind of source.
pub(super) type SessionOf<K, D> = <<K as Kind<D>>::Source as Source>::Session;

/// What it delivers.
pub(super) type DeliveredOf<K, D> = <SessionOf<K, D> as Session>::Delivered;

/// Everything that the loop holds. `carry_out` is in a file of its own.
pub(super) struct Loop<M, K: Kind<D>, D: Destination> {
    pub(super) machine: M,
    pub(super) kind: K,
    pub(super) pipeline: Pipeline<K::Source, D>,
    pub(super) appends: D::Appends,
    pub(super) operations: Operations<Done<K::Done>>,
    pub(super) current: Option<Current<SessionOf<K, D>>>,
    pub(super) commands: Vec<Command>,
    pub(super) timers: Timers,
    pub(super) reporter: Reporter,
    pub(super) state: PipelineState,
    pub(super) arrived: VecDeque<DeliveredOf<K, D>>,
    sessions: u64,
    answers: Vec<Answer>,
    budget_open: bool,
    stop_open: bool,
    give_up: Option<Moment>,
    stall: StallDetector,
}

impl<M: Machine, K: Kind<D>, D: Destination> Loop<M, K, D> {
    fn new(machine: M, kind: K, pipeline: Pipeline<K::Source, D>) -> Self {
        let timers = Timers::new();
        Self {
            machine,
            kind,
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
            arrived: VecDeque::new(),
            sessions: 0,
            answers: Vec::new(),
            budget_open: true,
            stop_open: true,
            give_up: None,
            stall: StallDetector::new(timers.now()),
            timers,
            pipeline,
        }
    }

    async fn wait(&mut self) -> Woken<K::Done> {
        tokio::select! {
            arrival = next_arrival(self.current.as_mut(), &mut self.arrived) => Woken::Arrival(arrival),
            () = self.appends.answers(&mut self.answers) => Woken::Answers,
            () = self.kind.answers() => Woken::AnswersOfKind,
            finished = self.operations.next() => Woken::Done(finished),
            () = self.timers.alarm() => Woken::Alarm,
            changed = self.pipeline.budget.changed(), if self.budget_open => Woken::Budget { open: changed.is_ok() },
            changed = self.pipeline.stop.changed(), if self.stop_open => Woken::Stop { open: changed.is_ok() },
        }
    }

    fn take(&mut self, woken: Woken<K::Done>) -> Option<Outcome> {
        match woken {
            Woken::Arrival(Arrival::Deliveries) => K::arrived(self),
            Woken::Arrival(Arrival::Over { why }) => self.over(why),
            Woken::Answers => self.answers(),
            Woken::AnswersOfKind => K::answered(self),
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
        let over = self.kind.over(session, why);
        self.feed(over);
    }

    /// A session was opened. The core has one at a time; were there an older one, its end is reported before the new one.
    pub(super) fn opened(&mut self, session: SessionOf<K, D>) -> SessionId {
        self.over(None);
        self.sessions += 1;
        let id = SessionId(self.sessions);
        self.current = Some(Current {
            id,
            session,
            leaving: None,
        });
        id
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

    fn done(&mut self, finished: Finished<Done<K::Done>>) {
        self.reporter.called(finished.call, finished.took);
        match finished.result {
            Done::OfKind(done) => K::done(self, done),
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
        if due.look {
            K::look(self);
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
