//! What can happen in a schedule, and the words for how things stand.
//!
//! Plain data. Never makes anything happen.

use std::time::Duration;

use ditto_core::event::Event;
use ditto_core::port::{AppendId, AppendOutcome, Command, Expected, Input, LeaveReason, SessionId};
use uuid::Uuid;

use crate::fault::Fault;
use crate::group::Message;

/// Something that happens at a moment.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A core gets an input.
    Input {
        daemon: usize,
        generation: u32,
        input: Input,
    },
    /// A delivery reaches the loop.
    Arrive {
        daemon: usize,
        session: SessionId,
        message: Message,
    },
    /// The loop looks whether it may hand over what arrived.
    Drain { daemon: usize, session: SessionId },
    /// A server carries out a command that is answered.
    Serve {
        daemon: usize,
        generation: u32,
        command: Command,
    },
    /// An append reaches the destination.
    Append {
        daemon: usize,
        generation: u32,
        call: u32,
        send: Send,
    },
    /// An answer to an append reaches the loop. `call` is `None` if it comes as if from nowhere.
    Answer {
        daemon: usize,
        generation: u32,
        call: Option<u32>,
        append: AppendId,
        outcome: AppendOutcome,
    },
    /// A batch call that brought no answer for long is given up.
    GiveUp {
        daemon: usize,
        generation: u32,
        call: u32,
    },
    /// Acknowledgements reach the group.
    Acks { session: SessionId, ids: Vec<Uuid> },
    /// A wish to park reaches the group.
    Park {
        session: SessionId,
        ids: Vec<Uuid>,
        reason: String,
    },
    /// A wish to leave reaches the group.
    Leave {
        daemon: usize,
        session: SessionId,
        why: LeaveReason,
    },
    /// The server notices that a consumer is gone.
    Forget { session: SessionId },
    /// The loop notices that its session is over.
    Break { daemon: usize, session: SessionId },
    /// A core wanted to be woken now.
    Wake {
        daemon: usize,
        generation: u32,
        at: Duration,
    },
    /// A second has passed.
    Second,
    /// Somebody writes at the source.
    Write,
    /// Somebody goes on writing although the faults are over.
    Trickle,
    /// Something goes wrong.
    Chaos(Fault),
    /// Another consumer acknowledges or returns what it took.
    ForeignActs { id: Uuid, acknowledges: bool },
    /// A server is back, or the group is.
    Back(Part),
    /// A ditto starts.
    Start(usize),
    /// The faults stop.
    Heal,
}

impl Happening {
    /// The ditto that takes part in it, and would not while it is frozen.
    pub(crate) fn taken_by(&self) -> Option<usize> {
        match self {
            Self::Input { daemon, .. }
            | Self::Arrive { daemon, .. }
            | Self::Drain { daemon, .. }
            | Self::Answer { daemon, .. }
            | Self::GiveUp { daemon, .. }
            | Self::Break { daemon, .. }
            | Self::Wake { daemon, .. } => Some(*daemon),
            _ => None,
        }
    }
}

/// What can be away for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The source server.
    Source,
    /// The destination server.
    Destination,
    /// The group, deleted.
    Group,
    /// The right to read the group.
    Rights,
    /// Rights at the destination.
    Writes,
    /// A node that is up to date.
    Node,
}

/// An append on its way.
#[derive(Clone, Debug)]
pub(crate) struct Send {
    pub(crate) append: AppendId,
    pub(crate) stream: usize,
    pub(crate) expected: Expected,
    pub(crate) events: Vec<Event>,
    pub(crate) outcome: Outcome,
}

/// What happens to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is carried out and answered.
    Answered,
    /// It is carried out, the answer is lost.
    Unheard,
    /// It is answered as if it had been carried out, with a revision that is not its own.
    Odd,
    /// It is answered with "not ready".
    NotReady,
    /// It never reaches the server.
    Lost,
}

/// How a server is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// It refuses.
    Refuses,
    /// It answers nothing.
    Hangs,
}

/// What the user may no longer do at the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Write.
    Writing,
    /// Write or read.
    Everything,
}

/// How far the schedule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Things go wrong.
    Faulty,
    /// Nothing goes wrong any more, since then.
    Healed(Duration),
    /// Everything arrived; the dittos were asked to stop.
    Stopping(Duration),
    /// Over.
    Done,
}
