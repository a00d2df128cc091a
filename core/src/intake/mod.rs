//! What is taken from the source, and what is told back to it. A kind of source is an [`Intake`].
//!
//! Never writes: an event that has to be at the destination is handed to [`Streams`] with a [`Claim`](crate::seam::Claim),
//! and what became of it comes back as an [`Outcome`], once for each claim.
//!
//! `persistent` reads a group of a persistent subscription: numbers, sessions, acknowledgements, a parked queue. A source
//! that reads the log instead has positions and a low-water mark for them, and none of the rest.

mod log;
mod persistent;

use std::fmt::Debug;
use std::time::Duration;

use crate::context::Context;
use crate::port::{CoreSettings, Input, Moment, PipelineState, Status};
use crate::seam::Outcome;
use crate::streams::Streams;

pub use self::log::LogSettings;
pub use self::persistent::SEARCH_TIME;

/// One kind of source, as the core sees it.
pub(crate) trait Intake: Debug + Send {
    /// Takes what the source says, the wish to stop, and the time.
    fn take(&mut self, cx: &mut Context, streams: &mut Streams, input: Input);

    /// What an answer for the streams says of the source may be outdated: takes that out.
    fn vet(&self, input: Input) -> Input {
        input
    }

    /// Time has passed: decides whether anything may still be written, before anything is.
    fn pass(&mut self, _cx: &mut Context) {}

    /// What became of an event that was handed over.
    fn settle(&mut self, cx: &mut Context, outcome: Outcome);

    /// Looks elsewhere for what streams of the source no longer show. Only where [`Outcome::Missing`] is told.
    fn look_for_missing(&mut self, _cx: &mut Context, _streams: &mut Streams) {}

    /// Begins whatever may go on after an input.
    fn pump(&mut self, cx: &mut Context, streams: &mut Streams);

    /// Sends the source what is decided, at the end of each input.
    fn answer(&mut self, cx: &mut Context);

    /// Stops with a reason that an operator has to mend, and looks again later.
    fn stop_for_now(&mut self, cx: &mut Context, streams: &mut Streams, why: String);

    /// So long an event may wait here before the source, or an operator, has to be told.
    fn patience(&self) -> Duration;

    /// When something of this half is due.
    fn due(&self, cx: &Context) -> Option<Moment>;

    /// Nothing more will come of it.
    fn is_finished(&self) -> bool;

    /// It takes events, and knows that it may.
    fn is_ready(&self) -> bool;

    /// Why it does not take events, if that is more than a matter of a moment.
    fn trouble(&self) -> Option<PipelineState>;

    /// It does something else first.
    fn searching(&self) -> Option<PipelineState>;

    /// Fills in what it knows; `due`: when anything is.
    fn read_into(&self, cx: &Context, due: Option<Moment>, status: &mut Status);
}

/// Intake from a group.
pub(crate) fn of_group(settings: &CoreSettings) -> Box<dyn Intake> {
    Box::new(persistent::Persistent::new(settings))
}

/// Intake from the log.
pub(crate) fn of_log(settings: LogSettings) -> Box<dyn Intake> {
    Box::new(log::Log::new(settings))
}
