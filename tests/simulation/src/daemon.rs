//! One ditto as the world sees it: its core, and what the loop around the core keeps between two calls.
//!
//! Pure bookkeeping: carries nothing out and checks nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use ditto_core::port::{AppendId, Expected, LeaveReason, ReadId, SessionId, StopReason};
use ditto_core::stall::StallDetector;
use uuid::Uuid;

use crate::group::Message;
use crate::mutation::Subject;
use crate::source::{Source, Target, skip};

/// Lanes of appends: a stream's go over the same one.
pub(crate) const LANES: usize = 2;

/// One session in the subscription, from the server's yes to the end.
#[derive(Debug)]
pub(crate) struct Membership {
    /// Its id, which is also the consumer's key at the server.
    pub(crate) session: SessionId,
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
    /// Ids parked over it: a copy that came before that needs no more, and whatever is sent for it is ignored.
    pub(crate) parked: Vec<Uuid>,
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

impl Frozen {
    /// The revision that a right answer has.
    pub(crate) fn answer(&self) -> u64 {
        self.first() + self.ids.len() as u64 - 1
    }

    /// The revision of its first event.
    pub(crate) fn first(&self) -> u64 {
        match self.expected {
            Expected::NoStream => 0,
            Expected::Exact(before) => before + 1,
        }
    }
}

/// An append that the core sent and has no answer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InFlight {
    pub(crate) append: AppendId,
    /// Index of its stream.
    pub(crate) stream: usize,
    /// The core was told that its call ended.
    pub(crate) ended: bool,
}

#[derive(Debug)]
pub(crate) struct Daemon {
    /// Its core; `None` while it does not run.
    pub(crate) subject: Option<Subject>,
    /// Counts its starts: what was meant for an earlier one is dropped.
    pub(crate) generation: u32,
    /// The present session.
    pub(crate) membership: Option<Membership>,
    /// A join was asked for and not answered.
    pub(crate) joining: bool,
    /// Numbers of the present batch calls, one a lane; the last lane is for an append that goes alone. No number is used
    /// twice.
    pub(crate) calls: [u32; LANES + 1],
    last_call: u32,
    /// It wrote something, and was answered.
    pub(crate) wrote: bool,
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
    /// The least limit of an append that the destination named to this process.
    pub(crate) append_limit: usize,
    /// First number that this process answers for, from its first join on.
    pub(crate) base: Option<u64>,
    /// The group did not say where it begins: what it delivers from before the base counts as well.
    pub(crate) base_assumed: bool,
    /// Watches the core as the loop does.
    pub(crate) stall: StallDetector,
    /// Everything below was checked when the core counted it as done.
    pub(crate) done_checked: u64,
    /// Budget that it was given last.
    pub(crate) budget_now: usize,
    /// Largest budget it was given.
    pub(crate) budget: usize,
    /// What events cost that were read for it and that it is not known to have written, by stream and revision.
    pub(crate) read: HashMap<(usize, u64), usize>,
    /// It takes nothing before this.
    pub(crate) frozen_until: Duration,
    /// When this process started.
    pub(crate) started: Duration,
}

impl Daemon {
    /// A ditto that does not run yet.
    pub(crate) fn new() -> Self {
        Self {
            subject: None,
            generation: 0,
            membership: None,
            joining: false,
            calls: [0, 1, 2],
            last_call: 2,
            wrote: false,
            unanswered: Vec::new(),
            wake: None,
            stopping: None,
            finished: None,
            frozen: HashMap::new(),
            in_flight: Vec::new(),
            first_link: None,
            last_sent: None,
            append_limit: usize::MAX,
            base: None,
            base_assumed: false,
            stall: StallDetector::new(Duration::ZERO),
            done_checked: 0,
            budget_now: 0,
            budget: 0,
            read: HashMap::new(),
            frozen_until: Duration::ZERO,
            started: Duration::ZERO,
        }
    }

    /// A new process takes the place of the old one; nothing is remembered.
    pub(crate) fn restart(&mut self, now: Duration, subject: Subject, budget: usize) {
        *self = Self {
            subject: Some(subject),
            generation: self.generation + 1,
            calls: [self.last_call + 1, self.last_call + 2, self.last_call + 3],
            last_call: self.last_call + 3,
            budget,
            stall: StallDetector::new(now),
            started: now,
            ..Self::new()
        };
    }

    /// The call that an append of this stream goes over.
    pub(crate) fn call_for(&mut self, stream: usize, alone: bool) -> u32 {
        let lane = if alone { LANES } else { stream % LANES };
        self.calls[lane]
    }

    /// The call ends, and the lane's next one begins; the lane, or none if it had ended.
    pub(crate) fn end_call(&mut self, call: u32) -> Option<u32> {
        let lane = self.calls.iter().position(|open| *open == call)?;
        self.last_call += 1;
        self.calls[lane] = self.last_call;
        u32::try_from(lane).ok()
    }

    /// The core was told that these appends' call ended.
    pub(crate) fn note_ended(&mut self, appends: &[AppendId]) {
        let ended = |flight: &&mut InFlight| appends.contains(&flight.append);
        for flight in self.in_flight.iter_mut().filter(ended) {
            flight.ended = true;
        }
    }

    /// Ends the process without a word. The session, if there was one, is what the server still believes in.
    pub(crate) fn kill(&mut self) -> Option<SessionId> {
        self.generation += 1;
        self.subject = None;
        self.joining = false;
        self.frozen_until = Duration::ZERO;
        self.membership.take().map(|membership| membership.session)
    }

    /// A placeholder for this event is on its way: the event itself is not kept then, it comes again.
    pub(crate) fn fills(&self, source: &Source, target: Target) -> bool {
        let Target::Event { stream, revision } = target else {
            return false;
        };
        let sent = |flight: &InFlight| {
            let frozen = self.frozen.get(&flight.append)?;
            frozen.ids.get(skip(revision.checked_sub(frozen.first())?))
        };
        let own = source.event(stream, revision).map(|event| event.id);
        self.in_flight
            .iter()
            .filter(|flight| flight.stream == stream)
            .filter_map(sent)
            .any(|id| Some(*id) != own)
    }

    /// It takes no inputs now.
    pub(crate) fn is_frozen(&self, now: Duration) -> bool {
        now < self.frozen_until
    }

    /// Is there a core that takes inputs?
    pub(crate) fn runs(&self) -> bool {
        self.subject.is_some() && self.finished.is_none()
    }
}
