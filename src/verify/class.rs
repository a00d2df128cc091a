//! The classes that a comparison sorts events into, how many of each, and what is told of a difference.
//!
//! Plain data. Never decides which class an event is of.

use std::fmt;

use serde::{Deserialize, Serialize};

use ditto_core::event::StreamName;

/// What became of events of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The same on both sides.
    Equal,
    /// Above the destination's tail, and the group or the mirror has not come to it yet.
    Behind,
    /// Above the destination's tail, and the group's parked queue holds events of the stream, or the mirror holds it.
    HeldOrParked,
    /// The source no longer hands it out: deleted, truncated or aged there.
    GoneAtSource,
    /// The destination had it, and no longer hands it out: truncated or aged there.
    AgedAtDestination,
    /// No projection links it (flagged JSON and is not), and no later event of its stream has brought it.
    NeverLinked,
    /// Nothing of the stream can be read at the destination, and nothing proves that it is a copy.
    Unverified,
    /// The destination holds something else.
    Different,
    /// The destination lacks it.
    Missing,
}

impl Class {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Equal,
        Self::Behind,
        Self::HeldOrParked,
        Self::GoneAtSource,
        Self::AgedAtDestination,
        Self::NeverLinked,
        Self::Unverified,
        Self::Different,
        Self::Missing,
    ];

    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Behind => "behind",
            Self::HeldOrParked => "held_or_parked",
            Self::GoneAtSource => "gone_at_source",
            Self::AgedAtDestination => "aged_at_destination",
            Self::NeverLinked => "never_linked",
            Self::Unverified => "unverified",
            Self::Different => "different",
            Self::Missing => "missing",
        }
    }

    /// The words in the table.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Behind => "behind",
            Self::HeldOrParked => "held or parked",
            Self::GoneAtSource => "not readable any more at the source",
            Self::AgedAtDestination => "aged or truncated at the destination",
            Self::NeverLinked => "never linked",
            Self::Unverified => "unverified at the destination",
            Self::Different => "different",
            Self::Missing => "missing",
        }
    }

    /// True for what makes the destination no copy of the source.
    #[must_use]
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Different | Self::Missing)
    }

    /// True for what is not copied yet: no fault while ditto runs, and one for a strict comparison.
    #[must_use]
    pub fn is_uncopied(self) -> bool {
        matches!(self, Self::Behind | Self::HeldOrParked)
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// A number for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts([u64; 9]);

impl Counts {
    /// How many are of this class.
    #[must_use]
    pub fn of(&self, class: Class) -> u64 {
        self.0[class.index()]
    }

    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many make the destination no copy.
    #[must_use]
    pub fn faults(&self) -> u64 {
        let faults = Class::ALL.into_iter().filter(|class| class.is_fault());
        faults.map(|class| self.of(class)).sum()
    }

    /// How many are not copied yet.
    #[must_use]
    pub fn uncopied(&self) -> u64 {
        let uncopied = Class::ALL.into_iter().filter(|class| class.is_uncopied());
        uncopied.map(|class| self.of(class)).sum()
    }

    /// Counts all of one class as another.
    pub(super) fn turn(&mut self, from: Class, to: Class) {
        let count = std::mem::take(&mut self.0[from.index()]);
        self.add(to, count);
    }

    /// Counts some more.
    pub(super) fn add(&mut self, class: Class, count: u64) {
        self.0[class.index()] += count;
    }
}

/// What was compared so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Streams that hold an event of a class, each counted once in every class that it has.
    pub streams: Counts,
    /// Events by class.
    pub events: Counts,
    /// Streams that were compared on both sides.
    pub compared: u64,
    /// Streams that `--sample` left out.
    pub left_out_streams: u64,
    /// Events before the beginning of `--since` in streams that were compared.
    pub left_out_events: u64,
    /// Entries of the subscription's stream, or records of the log, before the beginning of `--since`.
    pub left_out_links: u64,
    /// Streams that one side refused to read.
    pub refused: u64,
}

impl Tally {
    /// Adds one stream's outcome.
    pub(super) fn add(&mut self, events: &Counts) {
        self.compared += 1;
        for class in Class::ALL {
            let count = events.of(class);
            self.events.add(class, count);
            // "Equal" is a word about a whole stream: it counts only where there is nothing else.
            let counts = if class == Class::Equal {
                events.sum() == count
            } else {
                count > 0
            };
            self.streams.add(class, u64::from(counts));
        }
    }

    /// Adds another tally.
    pub fn merge(&mut self, other: &Self) {
        for class in Class::ALL {
            self.streams.add(class, other.streams.of(class));
            self.events.add(class, other.events.of(class));
        }
        self.compared += other.compared;
        self.left_out_streams += other.left_out_streams;
        self.left_out_events += other.left_out_events;
        self.left_out_links += other.left_out_links;
        self.refused += other.refused;
    }

    /// True if anything is different or missing.
    #[must_use]
    pub fn has_faults(&self) -> bool {
        self.events.faults() > 0
    }

    /// True if a stream could not be compared: refused, or not proven.
    #[must_use]
    pub fn has_gaps(&self) -> bool {
        self.refused > 0 || self.events.of(Class::Unverified) > 0
    }
}

/// What is peculiar about the events of a finding. The word is the value of `what` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Equal id, other content.
    Content,
    /// Another event stands at the revision.
    OtherEvent,
    /// The destination holds the source's events in another order.
    Reordered,
    /// The destination holds an event twice.
    Doubled,
    /// The destination holds events that the source does not.
    Extra,
    /// Events inside of the stream are left out, and what follows stands too low.
    Renumbered,
    /// The stream's last events are lacking.
    Tail,
    /// The whole stream is lacking.
    Stream,
    /// The stream was deleted at the destination.
    Deleted,
    /// Another writer truncated the stream at the destination.
    Truncated,
    /// The destination's events cannot be read, and are not the source's.
    Unreadable,
    /// The mirror holds the stream.
    Held,
    /// Nothing more is to be said than the class says.
    AsClassed,
}

/// Consecutive events of one stream that are not equal, all for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stream of the events.
    pub stream: StreamName,
    /// Revision of the first event.
    pub revision: u64,
    /// Number of events.
    pub events: u64,
    /// Class that all of them have.
    pub class: Class,
    /// What is particular about them.
    pub what: What,
    /// What differs, for the operator.
    pub text: String,
}

impl Finding {
    /// True for what is told at the end, beside the numbers.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.class.is_fault() || self.class == Class::Unverified || self.what == What::Truncated
    }

    /// Returns what the operator can do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match (self.class, self.what) {
            (Class::Missing, What::Tail | What::Stream) => "run ditto verify --repair to append it",
            (Class::Missing, What::Deleted) => {
                "delete it at the source too, if that was intended; Event Store cannot restart a stream, so copy it to another destination"
            }
            (Class::Different, What::Extra | What::Doubled) => {
                "stop the other writer of this stream at the destination; copy to another destination for an exact copy"
            }
            (Class::Different, What::Unreadable) => {
                "copy to another destination for an exact copy: another writer wrote this stream"
            }
            (Class::Different, What::Content) => {
                "copy to another destination for an exact copy: another writer wrote this event, and ditto never changes one"
            }
            (Class::Missing | Class::Different, _) => {
                "find the other writer of this stream; Event Store cannot restart a stream, so copy to another destination for an exact copy"
            }
            (Class::HeldOrParked, What::Held) => {
                "remove the named cause; ditto copies the stream once it can"
            }
            (Class::HeldOrParked, _) => {
                "run ditto parked list for the reason, then ditto parked replay"
            }
            (Class::NeverLinked, _) => {
                "wait for the stream's next event, or run ditto verify --repair"
            }
            (Class::Unverified, _) => {
                "remove the named obstacle and compare again, or find who wrote this stream at the destination"
            }
            (Class::AgedAtDestination, What::Truncated) => {
                "nothing, if it was intended; otherwise find who truncates this stream: ditto only sets $maxAge (time_to_live)"
            }
            (Class::Behind, _) => "nothing: the daemon will copy it",
            (Class::Equal | Class::GoneAtSource | Class::AgedAtDestination, _) => "nothing",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.revision + self.events.saturating_sub(1);
        write!(f, "{} #{}", self.stream, self.revision)?;
        if last > self.revision {
            write!(f, " to #{last}")?;
        }
        write!(f, ": {}: {}", self.class.label(), self.text)
    }
}
