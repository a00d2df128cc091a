//! The state machine that decides everything between a delivery and its acknowledgement.
//!
//! Deterministic: no clock, no randomness, no I/O, no logging. Names nothing beyond itself.
//!
//! [`Core::handle`] takes one input and appends commands; [`port`] is its whole contact with the world. Inside there are two
//! halves. An [`Intake`](intake::Intake) decides what is taken from the source and what is told back to it, and is the only
//! one that knows what kind of source that is. [`Streams`](streams::Streams) decides what is written to the destination, and
//! never learns where an event comes from. An event goes from the one to the other with a claim, and what became of it comes
//! back with that claim (`seam`); `filter` says which events go at all. Both work on a [`Context`](context::Context), which
//! has the time and the settings, and takes commands.
//!
//! This file feeds each input to the half that it is for, and lets both go on in turn. `status` reads the core, `budget`
//! counts memory, `pause` is how long anything waits before it is tried again, and [`stall`] watches a core from outside.

mod budget;
mod context;
pub mod event;
pub mod filter;
mod intake;
mod pause;
pub mod port;
mod seam;
pub mod stall;
mod status;
mod streams;

#[cfg(test)]
mod tests;

use self::budget::Budget;
use self::context::Context;
use self::intake::Intake;
use self::port::{Command, CoreSettings, Input, Moment, PipelineState};
use self::streams::Streams;

pub use self::budget::{RESERVE_BYTES, events_of};
pub use self::intake::{LogSettings, SEARCH_TIME};
pub use self::port::Status;
pub use self::streams::{ENTRY_OVERHEAD, placeholder_id};

/// One subscription's state machine.
#[derive(Debug)]
pub struct Core {
    cx: Context,
    intake: Box<dyn Intake>,
    streams: Streams,
    reported: PipelineState,
    wake: Option<Moment>,
}

impl Core {
    /// A core that has not joined yet; the first [`Core::handle`] makes it ask to join.
    #[must_use]
    pub fn new(settings: CoreSettings) -> Self {
        let intake = intake::of_group(&settings);
        Self::with(intake, settings)
    }

    /// The core of a mirror, which reads the log: the first [`Core::handle`] makes it ask for the newest checkpoint.
    #[must_use]
    pub fn mirror(settings: CoreSettings, log: LogSettings) -> Self {
        let mut core = Self::with(intake::of_log(log), settings);
        // Not before the mirror is held.
        core.cx.may_write = false;
        core.cx.has_log = true;
        core
    }

    fn with(intake: Box<dyn Intake>, settings: CoreSettings) -> Self {
        Self {
            intake,
            streams: Streams::new(&settings),
            cx: Context::new(settings),
            reported: PipelineState::Connecting,
            wake: None,
        }
    }

    /// Takes one input at the time `now` (never less than before) and appends what is to be done to `out`.
    pub fn handle(&mut self, now: Moment, input: Input, out: &mut Vec<Command>) {
        if self.intake.is_finished() {
            return;
        }
        self.cx.pass(now);
        std::mem::swap(&mut self.cx.out, out);
        self.intake.pass(&mut self.cx);
        self.take(input);
        self.settle();
        self.streams.fire_timers(&mut self.cx);
        self.settle();
        self.intake
            .look_for_missing(&mut self.cx, &mut self.streams);
        self.settle();
        self.pump();
        self.intake.answer(&mut self.cx);
        self.report_state();
        self.set_wake();
        std::mem::swap(&mut self.cx.out, out);
    }

    fn take(&mut self, input: Input) {
        if let Input::Budget { bytes } = input {
            self.cx.memory.budget = Budget::of(bytes);
        } else if let Some(input) = self.streams.answered(&mut self.cx, self.intake.vet(input)) {
            self.intake.take(&mut self.cx, &mut self.streams, input);
        }
    }

    /// Everything that may go on after an input, in the order in which one makes way for the other.
    fn pump(&mut self) {
        let patience = self.intake.patience();
        if let Some(why) = self.streams.pump_denials(&mut self.cx, patience) {
            let why = why.to_owned();
            self.intake
                .stop_for_now(&mut self.cx, &mut self.streams, why);
        }
        self.streams.pump(&mut self.cx);
        self.settle();
        self.intake.pump(&mut self.cx, &mut self.streams);
        self.settle();
    }

    /// Tells the intake what became of its events.
    fn settle(&mut self) {
        for outcome in self.streams.take_outcomes() {
            self.intake.settle(&mut self.cx, outcome);
        }
    }

    /// The earliest time at which anything is due.
    fn due(&self) -> Option<Moment> {
        let streams = self.streams.due(&self.cx, self.intake.patience());
        streams.into_iter().chain(self.intake.due(&self.cx)).min()
    }

    /// Asks to be woken when anything is due.
    fn set_wake(&mut self) {
        let due = self.due();
        if due.is_some() && due != self.wake {
            self.cx.out.extend(due.map(|at| Command::WakeAt { at }));
        }
        self.wake = due;
    }
}
