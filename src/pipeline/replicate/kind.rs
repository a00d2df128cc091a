//! What differs in the loop from one kind of source to the next.
//!
//! A kind has a file of its own, with what it alone is commanded and told. Never waits, and decides nothing.

use super::drive::{Loop, Machine};
use crate::destination::Destination;
use crate::source::Source;
use ditto_core::port::{Command, Input, LeaveReason, SessionId};

/// One kind of source, before this kind of destination.
pub(super) trait Kind<D: Destination>: Sized + Send {
    /// Where its events come from.
    type Source: Source;

    /// What answers the calls that it alone makes.
    type Done: Send + 'static;

    /// Carries out a command that is for this kind alone, or starts what does.
    fn carry_out<M: Machine>(running: &mut Loop<M, Self, D>, command: Command);

    /// Waits for answers to what it alone sends; for ever while nothing is under way. Loses nothing when dropped.
    fn answers(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// There are such answers: hands all of them to the core.
    fn answered<M: Machine>(_running: &mut Loop<M, Self, D>) {}

    /// One of its calls was answered.
    fn done<M: Machine>(running: &mut Loop<M, Self, D>, done: Self::Done);

    /// The session delivered: hands all of it to the core.
    fn arrived<M: Machine>(running: &mut Loop<M, Self, D>);

    /// What the core is told of a session that is over.
    fn over(&mut self, session: SessionId, why: LeaveReason) -> Input;

    /// Looks at the source, every few seconds.
    fn look<M: Machine>(running: &mut Loop<M, Self, D>);
}
