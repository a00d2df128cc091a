//! One vocabulary of appends: what is sent, what it expects, how it is answered.
//!
//! Used by the core, by every destination and by the client alike. Plain data; never decides anything.

use super::AppendId;
use crate::event::{Event, StreamName};

/// The stream revision an append expects. Never "any" (protocol §5.1.3: not idempotent across a restart).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expected {
    /// The stream holds no event.
    NoStream,
    /// The stream's last event has this revision.
    Exact(u64),
}

/// One append: events of one stream in order, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Names it in its answer.
    pub id: AppendId,
    /// Stream to write to.
    pub stream: StreamName,
    /// What must be there.
    pub expected: Expected,
    /// In order; their `revision` is the source's. The core never sends none: empty is only a question that no append
    /// answers with success (protocol §15.2).
    pub events: Vec<Event>,
    /// It may end the call that carries it: it goes over one of its own, and no other append does.
    pub alone: bool,
}

/// How an append was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// Stored (or recognised as stored); the revision of the last event as the server says it.
    Written(u64),
    /// Recognised as stored before this append was sent: another writer stored it, or this one did by another append. The
    /// revision of the last event as the server says it.
    Present(u64),
    /// The destination's stream does not end where the append expected it to.
    WrongRevision,
    /// Larger than the server accepts.
    TooLarge {
        /// The limit that the server named, in bytes as it counts them (protocol §9); `None`: it named none.
        limit: Option<usize>,
    },
    /// No right to write this stream.
    Denied,
    /// The stream is deleted.
    Deleted,
    /// Refused for another lasting reason, in the server's own words.
    Refused(String),
    /// Not written: the server is not ready, too busy, or not the leader.
    NotReady,
    /// No answer within the time limit, ditto's or the server's: written or not, nobody knows.
    NoAnswer,
}

/// What came of appends. `E` tells why a call ended: in words here, as an error at the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<E = CallEnd> {
    /// One was answered.
    Appended {
        /// [`Append::id`] of the append that is answered.
        append: AppendId,
        /// The destination's answer, or that none came in time.
        outcome: AppendOutcome,
    },
    /// A call ended, was given up, or could not be made.
    CallEnded {
        /// The lane whose call it was; a stream's appends always go over the same one.
        lane: u32,
        /// Appends without an answer, in the order of sending: these may or may not have been written. Empty if nobody
        /// has seen any of them: then each is answered with [`AppendOutcome::NotReady`].
        unanswered: Vec<AppendId>,
        /// Why it ended, and whether that blames an append.
        why: E,
    },
}

impl<E> Answer<E> {
    /// The same with the end told in another way.
    pub fn map_end<F>(self, tell: impl FnOnce(E) -> F) -> Answer<F> {
        match self {
            Self::Appended { append, outcome } => Answer::Appended { append, outcome },
            Self::CallEnded {
                lane,
                unanswered,
                why,
            } => Answer::CallEnded {
                lane,
                unanswered,
                why: tell(why),
            },
        }
    }
}

/// Why a call ended without answering all that it carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// It was given up for its silence, or blames no append for another reason.
    pub silent: bool,
    /// For the operator.
    pub why: String,
    /// The server's own words alone, or what ditto found.
    pub said: String,
}

impl CallEnd {
    /// An end that names no culprit among what was sent.
    #[must_use]
    pub fn without_blame(why: String) -> Self {
        Self {
            silent: true,
            said: why.clone(),
            why,
        }
    }
}
