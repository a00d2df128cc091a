//! What the halves of the core hand to each other: an event goes to the streams with a claim, and what became of it comes
//! back with that claim.
//!
//! Plain data. Nothing here knows a server or a group: a claim is made and read by the intake alone, and to the streams it
//! is a token with an age.

use uuid::Uuid;

use crate::event::StreamName;
use crate::port::log::HeldStream;
use crate::port::{LogPosition, Moment, ReadId, SessionId};

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A session delivered it and waits for this id to be answered.
    Delivered(SessionId, Uuid),
    /// It stands at this position of the log, as it is while this number counts.
    Logged(LogPosition, u64),
    /// This read brought it: the newest one of a held stream that is looked at again.
    Newest(ReadId),
    /// ditto read it for its own reasons.
    Read,
}

/// Somebody who wants to know what becomes of an event.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    origin: Origin,
    number: Option<u64>,
    at: Moment,
    hole: bool,
}

impl Claim {
    /// A claim on a delivery of this session, which is answered by its id.
    pub(crate) fn delivered(session: SessionId, id: Uuid, number: Option<u64>, at: Moment) -> Self {
        Self {
            origin: Origin::Delivered(session, id),
            number,
            at,
            hole: false,
        }
    }

    /// A record of the log; `log` tells one log from another that had other records at its positions.
    pub(crate) fn logged(position: LogPosition, log: u64, at: Moment) -> Self {
        Self {
            origin: Origin::Logged(position, log),
            number: None,
            at,
            hole: false,
        }
    }

    /// The newest event of a held stream.
    pub(crate) fn newest(read: ReadId, at: Moment) -> Self {
        Self {
            origin: Origin::Newest(read),
            number: None,
            at,
            hole: false,
        }
    }

    /// The group never delivered this number; its event was read from the subscription's stream.
    pub(crate) fn hole(number: u64, at: Moment) -> Self {
        Self {
            origin: Origin::Read,
            number: Some(number),
            at,
            hole: true,
        }
    }

    /// Read for ditto's own reasons: nobody is answered.
    pub(crate) fn unasked(at: Moment) -> Self {
        Self {
            origin: Origin::Read,
            number: None,
            at,
            hole: false,
        }
    }

    /// For the intake: what to answer, over which session.
    pub(crate) fn ack(&self) -> Option<(SessionId, Uuid)> {
        match self.origin {
            Origin::Delivered(session, id) => Some((session, id)),
            Origin::Logged(..) | Origin::Newest(_) | Origin::Read => None,
        }
    }

    /// For the intake: where in this log it stands.
    pub(crate) fn position(&self, log: u64) -> Option<LogPosition> {
        match self.origin {
            Origin::Logged(position, of) if of == log => Some(position),
            _ => None,
        }
    }

    /// For the intake: the look at a held stream that it is for.
    pub(crate) fn look(&self) -> Option<ReadId> {
        match self.origin {
            Origin::Newest(read) => Some(read),
            _ => None,
        }
    }

    /// Its delay so far was the source's own.
    pub(crate) fn begin_again(&mut self, now: Moment) {
        self.at = now;
    }

    /// When it was delivered.
    pub(crate) fn at(&self) -> Moment {
        self.at
    }

    /// Number in the subscription's stream.
    pub(crate) fn number(&self) -> Option<u64> {
        self.number
    }

    /// The source delivered it and waits for an answer.
    pub(crate) fn is_delivered(&self) -> bool {
        !matches!(self.origin, Origin::Newest(_) | Origin::Read)
    }

    /// It was read because it was never delivered.
    pub(crate) fn is_hole(&self) -> bool {
        self.hole
    }

    /// The same id delivered again, or the same number read again: it takes the older one's place.
    pub(crate) fn replaces(&self, older: &Self) -> bool {
        match (self.origin, older.origin) {
            (Origin::Delivered(_, id), Origin::Delivered(_, old)) => id == old,
            (Origin::Logged(position, _), Origin::Logged(old, _)) => position == old,
            (Origin::Read, Origin::Read) => self.number == older.number,
            _ => false,
        }
    }

    /// Both came over one session: the source took the older one back.
    pub(crate) fn is_of_the_session_of(&self, older: &Self) -> bool {
        let session = |claim: &Self| claim.ack().map(|(session, _)| session);
        session(self).is_some() && session(self) == session(older)
    }
}

/// What became of an event, or of the pipeline by it.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is at the destination, or passed over by policy.
    Done {
        claim: Claim,
        /// If it took long, that was not for being one of too many.
        excused: bool,
    },
    /// Its stream is held, or it alone was refused.
    Held {
        claim: Claim,
        /// Its stream and revision, and why.
        held: Box<HeldStream>,
        extent: Extent,
    },
    /// It is given up unanswered; the source has it still.
    Dropped(Claim),
    /// It came again over the same session while the first one waited.
    Again {
        claim: Claim,
        older: Claim,
        excused: bool,
    },
    /// The stream begins with placeholders below this revision, which its metadata does not hide: it had some before.
    Hides { stream: StreamName, below: u64 },
    /// A policy stops the pipeline. Text for the operator.
    Stop(String),
    /// The source's stream no longer shows its revisions from this one on up to another: is there more of it in the log? To be
    /// answered under this id, once.
    Missing {
        read: ReadId,
        stream: StreamName,
        from: u64,
        to: u64,
    },
}

/// How much is held for the reason that an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The event's stream, until it is released.
    Stream,
    /// It alone: its stream goes on behind it.
    Event,
    /// What found no room: its stream goes on, and reads it from the source.
    Rest,
}

/// What a stream makes of an event that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is held for that.
    Held,
    /// What is under way has to come to its answer first.
    Later,
    /// Streams of this destination are never held.
    NeverHeld,
}
