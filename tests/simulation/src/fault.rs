//! The names of everything that can go wrong, and sets of them.
//!
//! Never makes anything go wrong itself: the models ask whether a fault is in the seed's set.

use std::fmt;

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Something that a schedule may contain.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Fault {
            /// All of them, in a fixed order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

faults! {
    /// Links that are never copied: system streams, deletions, tombstones, targets that cannot be read.
    NeverCopied,
    /// A user's own link inside a category stream.
    Forwards,
    /// The same id twice at the source.
    DuplicateIds,
    /// Events that the category does not link (flagged JSON, but are not).
    Unlinked,
    /// Events larger than the destination takes.
    TooLarge,
    /// Events that the destination refuses for their content.
    RefusedEvents,
    /// Events that end the call they are sent over.
    Poison,
    /// Streams that may not be written at the destination.
    DeniedAtDestination,
    /// Streams that may not be read at the source.
    DeniedAtSource,
    /// The destination holds the beginning of some streams already.
    CopiedBefore,
    /// Source streams whose head is gone from the start.
    HeadGone,
    /// The server parked some deliveries before ditto came.
    ParkedBefore,
    /// The group has a checkpoint when ditto comes.
    CheckpointBefore,
    /// The group begins at the end.
    StartAtEnd,
    /// Streams that have metadata at the destination already.
    MetadataBefore,
    /// An append is stored, its answer is lost.
    AnswerLost,
    /// An append is lost on the way.
    AppendLost,
    /// An append is answered with "not ready".
    NotReady,
    /// The call that carries appends ends.
    CallEnds,
    /// An append is stored long after it was given up.
    LateWrites,
    /// Answers come twice, also under ids that were answered long ago.
    DoubledAnswers,
    /// An append is answered with a revision that is not its own.
    OddAnswers,
    /// The destination refuses or hangs for a while.
    DestinationDown,
    /// The source restarts: the group is reloaded, retry counts are 0.
    SourceDown,
    /// The subscription's connection breaks.
    Drops,
    /// Reads fail.
    ReadFails,
    /// Reads take long.
    SlowReads,
    /// Somebody else writes to the destination's streams.
    Stranger,
    /// Somebody soft-deletes streams at the destination.
    SoftDelete,
    /// Somebody tombstones streams at the destination.
    Tombstone,
    /// Events at the destination age or are truncated.
    DestinationTruncated,
    /// Source streams are truncated while they are copied.
    SourceTruncated,
    /// Source streams keep a number of events only.
    MaxCount,
    /// Source streams are soft-deleted and begun again.
    SourceRecreated,
    /// Source streams are tombstoned.
    SourceTombstoned,
    /// Another consumer takes deliveries and acknowledges or returns them.
    Foreign,
    /// The group is reloaded from an older checkpoint.
    CheckpointBack,
    /// The group is reloaded from a checkpoint too far ahead.
    CheckpointJump,
    /// The group delivers out of order, as with `Pinned` or two consumers.
    Reorder,
    /// The server parks after few retries.
    FewRetries,
    /// Ditto is killed and started again.
    Kill,
    /// Ditto is stopped and started again.
    Stop,
    /// Two dittos on the same group and destination.
    Rival,
    /// An operator replays the parked entries.
    Replay,
    /// The byte budget changes.
    BudgetChanges,
    /// The group is missing, or may not be read, for a while.
    GroupGone,
    /// The parked stream may not be read.
    ParkedDenied,
    /// The destination's streams hold a stranger's events, all of them truncated.
    ForeignTruncated,
    /// What is truncated at the destination is removed for good.
    Scavenged,
    /// The source is read from a node that is behind.
    StalePages,
    /// The user loses the right to write at the destination, or even to read, and gets it back.
    RightsLost,
    /// Streams that can never be read at the destination, or at the source.
    BrokenStreams,
    /// Minutes in which little happens.
    Quiet,
    /// A ditto takes no inputs for a while, then all at once: a frozen process, a suspended machine.
    Frozen,
    /// Much is written when the faults stop, and has to arrive within a number of round trips.
    Backlog,
    /// Deliveries come one after the other, as over a line that carries only so many a second.
    ThinLine,
    /// The parked stream is tombstoned: what is parked from then on is lost, and counts as done.
    ParkedTombstoned,
    /// The category stream was truncated before ditto came.
    LinksGone,
    /// The category stream is truncated while ditto copies, or is away.
    LinksTruncated,
    /// The log may not be read.
    LogDenied,
}

/// The faults of one schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u128);

impl Faults {
    /// Adds one.
    pub fn insert(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u32;
    }

    /// Takes one away.
    pub fn remove(&mut self, fault: Fault) {
        self.0 &= !(1 << fault as u32);
    }

    /// Is this one among them?
    #[must_use]
    pub fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// Is one of these among them?
    #[must_use]
    pub fn any_of(self, faults: &[Fault]) -> bool {
        faults.iter().any(|fault| self.has(*fault))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Fault::ALL.iter().filter(|fault| self.has(**fault));
        match names.next() {
            None => return f.write_str("none"),
            Some(first) => write!(f, "{first:?}")?,
        }
        names.try_for_each(|fault| write!(f, ", {fault:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        assert!(Fault::ALL.len() <= 128, "the set is 128 bits wide");
        let mut faults = Faults::default();
        assert_eq!(faults.to_string(), "none");
        for fault in [Fault::Kill, Fault::NeverCopied, Fault::ParkedDenied] {
            faults.insert(fault);
            assert!(faults.has(fault));
        }
        faults.remove(Fault::Kill);
        assert_eq!(faults.to_string(), "NeverCopied, ParkedDenied");
        assert!(faults.any_of(&[Fault::Stop, Fault::NeverCopied]));
    }
}
