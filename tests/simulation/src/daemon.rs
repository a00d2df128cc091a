//! One ditto as the world sees it: its core, and what the loop around the core keeps between two calls.
//!
//! Pure bookkeeping: carries nothing out and checks nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ditto_core::port::{AppendId, ConnId, Expected, LeaveReason, ReadId, StopReason};
use uuid::Uuid;

use crate::group::Message;
use crate::mutation::Subject;
use crate::source::{Source, Target, skip};

/// One stay in the subscription, from the server's yes to the end.
#[derive(Debug)]
pub(crate) struct Stay {
    /// Its id, which is also the consumer's key at the server.
    pub(crate) conn: ConnId,
    /// The core was told.
    pub(crate) confirmed: bool,
    /// The core takes deliveries.
    pub(crate) polling: bool,
    /// The core wants to leave.
    pub(crate) leaving: bool,
    /// The group was left for this reason.
    pub(crate) left: Option<LeaveReason>,
    /// What arrived and was not taken yet.
    pub(crate) pipe: VecDeque<Message>,
    /// Nothing of this connection arrives before this (it keeps its order).
    pub(crate) arrives: Duration,
    /// Nothing sent over it reaches the server before this.
    pub(crate) reaches: Duration,
    /// What the core was given over it and has not answered.
    pub(crate) delivered: Vec<Given>,
}

/// A delivery that the core was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    /// The id to acknowledge.
    pub(crate) ack: Uuid,
    /// What it points to.
    pub(crate) target: Target,
    /// It came with an event (not as a link to nothing).
    pub(crate) with_event: bool,
    /// Bytes that it costs while it waits.
    pub(crate) bytes: usize,
    /// It came before the core wanted to leave: later ones are ignored.
    pub(crate) taken: bool,
}

/// An append as it was first sent.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    /// Index of its stream.
    pub(crate) stream: usize,
    /// What it expects.
    pub(crate) expected: Expected,
    /// Ids of its events.
    pub(crate) ids: Vec<Uuid>,
}

/// An append that the core sent and has no answer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    /// Which.
    pub(crate) append: AppendId,
    /// Index of its stream.
    pub(crate) stream: usize,
    /// The core was told that its call ended.
    pub(crate) ended: bool,
}

/// One ditto.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// Its core; `None` while it does not run.
    pub(crate) subject: Option<Subject>,
    /// Counts its starts: what was meant for an earlier one is dropped.
    pub(crate) generation: u32,
    /// The present stay.
    pub(crate) stay: Option<Stay>,
    /// A join was asked for and not answered.
    pub(crate) joining: bool,
    /// Number of the present batch call.
    pub(crate) call: u32,
    /// Appends without an answer, in the order of sending, with their call.
    pub(crate) unanswered: Vec<(AppendId, u32)>,
    /// The core's last wish to be woken.
    pub(crate) wake: Option<Duration>,
    /// It was asked to stop until then.
    pub(crate) stopping: Option<Duration>,
    /// How it ended.
    pub(crate) finished: Option<StopReason>,
    /// Every append ever sent by this process.
    pub(crate) frozen: HashMap<AppendId, Frozen>,
    /// Appends that the core waits for.
    pub(crate) in_flight: Vec<InFlight>,
    /// The question for the first readable number that has no answer yet: until then nothing is acknowledged.
    pub(crate) first_link: Option<ReadId>,
    /// When an event was last sent for the first time.
    pub(crate) last_sent: Option<Duration>,
    /// First number that this process answers for: known from its first join, or from its first delivery.
    pub(crate) base: Option<u64>,
    /// Everything below was checked when the core counted it as done.
    pub(crate) done_checked: u64,
    /// Budget that it was given last.
    pub(crate) budget_now: usize,
    /// Largest budget it was given.
    pub(crate) budget: usize,
}

impl Daemon {
    /// A ditto that does not run yet.
    pub(crate) fn new() -> Self {
        Self {
            subject: None,
            generation: 0,
            stay: None,
            joining: false,
            call: 0,
            unanswered: Vec::new(),
            wake: None,
            stopping: None,
            finished: None,
            frozen: HashMap::new(),
            in_flight: Vec::new(),
            first_link: None,
            last_sent: None,
            base: None,
            done_checked: 0,
            budget_now: 0,
            budget: 0,
        }
    }

    /// A new process takes the place of the old one; nothing is remembered.
    pub(crate) fn restart(&mut self, subject: Subject, budget: usize) {
        *self = Self {
            subject: Some(subject),
            generation: self.generation + 1,
            call: self.call + 1,
            budget,
            ..Self::new()
        };
    }

    /// Ends the process without a word. The stay, if there was one, is what the server still believes in.
    pub(crate) fn kill(&mut self) -> Option<ConnId> {
        self.generation += 1;
        self.subject = None;
        self.joining = false;
        self.stay.take().map(|stay| stay.conn)
    }

    /// A placeholder for this event is on its way: the event itself is not kept then, it comes again.
    pub(crate) fn fills(&self, source: &Source, target: Target) -> bool {
        let Target::Event { stream, revision } = target else {
            return false;
        };
        let sent = |flight: &InFlight| {
            let frozen = self.frozen.get(&flight.append)?;
            let first = match frozen.expected {
                Expected::NoStream => 0,
                Expected::Exact(before) => before + 1,
            };
            frozen.ids.get(skip(revision.checked_sub(first)?))
        };
        let own = source.event(stream, revision).map(|event| event.id);
        self.in_flight
            .iter()
            .filter(|flight| flight.stream == stream)
            .filter_map(sent)
            .any(|id| Some(*id) != own)
    }

    /// Is there a core that takes inputs?
    pub(crate) fn runs(&self) -> bool {
        self.subject.is_some() && self.finished.is_none()
    }
}
