//! What the core knows of one destination stream.
//!
//! Never knows of another: all of them are in `table`.

use crate::event::Event;
use crate::port::{AppendId, HeldReason, LookupId, Moment, ReadId};
use crate::streams::compare::SourceTail;
use crate::streams::line::Place;
use crate::streams::queue::Queue;
use crate::streams::table::Idle;

/// What is known of the destination's stream.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Just met, evicted, or its last append was answered with anything but success: look.
    Unknown,
    /// Being looked at.
    LookingUp(Box<LookingUp>),
    Aligned(Aligned),
    /// Only with `skip_version_check`.
    Unversioned(End),
    /// `$$S` is being written before revision 0; then the stream is in this state again.
    WritingMetadata(Box<State>),
    /// Not written to until somebody decides.
    Held(Held),
}

/// A stream whose events have the same revisions on both sides up to the destination's last one.
#[derive(Clone, Debug)]
pub(super) struct Aligned {
    /// The destination's last revision, which is the source's event of that revision; `None`: it holds nothing.
    pub(super) tail: Option<u64>,
    /// Placeholders are made for revisions below this one.
    pub(super) fill_to: Option<u64>,
    /// What lies between the tail and the first event that waits is read from the source.
    pub(super) repair: Option<Repair>,
}

/// A stream copied with `skip_version_check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The destination's own last revision; `None`: it holds nothing.
    pub(super) tail: Option<u64>,
    /// What waits now was looked for and is not there: it may be appended.
    pub(super) searched: bool,
}

/// Why and since when a stream is not written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// First bad revision.
    pub(super) first_bad: u64,
    /// Everything up to here is known to be there.
    pub(super) tail: Option<u64>,
    pub(super) reason: HeldReason,
    pub(super) text: String,
    /// When this process last looked at it.
    pub(super) looked_up: Option<Moment>,
}

/// A lookup under way. Several steps may be needed to decide.
#[derive(Clone, Debug)]
pub(super) struct LookingUp {
    pub(super) step: LookupStep,
    /// The stream was held before: the same finding is not told again.
    pub(super) was_held: Option<Held>,
}

/// What a lookup waits for.
#[derive(Clone, Debug)]
pub(super) enum LookupStep {
    /// In line for its turn.
    Wanted,
    /// `$$S` only, because revision 0 waits.
    Metadata(LookupId),
    /// The destination's events from just before the first waiting revision on.
    Full { lookup: LookupId, from: u64 },
    /// Both sides' event of the destination's last revision are compared.
    Tail(Tail),
    /// The destination's server is asked whether its last event, which it does not show, is the source's.
    Asked { lookup: LookupId, tail: Tail },
    /// It refused, which says something of this event only while it is the last: is it?
    Refused { lookup: LookupId, tail: Tail },
    /// `skip_version_check`: backwards through the destination's stream, by id.
    Search(Search),
}

impl State {
    /// Aligned, with nothing to fill or to repair.
    pub(super) fn aligned(tail: Option<u64>) -> Self {
        Self::Aligned(Aligned {
            tail,
            fill_to: None,
            repair: None,
        })
    }

    /// What an aligned stream is, also while its metadata is being written.
    fn as_aligned(&self) -> Option<&Aligned> {
        match self {
            Self::Aligned(aligned) => Some(aligned),
            Self::WritingMetadata(before) => before.as_aligned(),
            _ => None,
        }
    }

    fn as_aligned_mut(&mut self) -> Option<&mut Aligned> {
        match self {
            Self::Aligned(aligned) => Some(aligned),
            Self::WritingMetadata(before) => before.as_aligned_mut(),
            _ => None,
        }
    }
}

impl LookupStep {
    /// True if this lookup's answer is what the step waits for.
    pub(super) fn waits_for(&self, answered: LookupId) -> bool {
        match self {
            Self::Wanted => false,
            Self::Metadata(lookup) | Self::Full { lookup, .. } => *lookup == answered,
            Self::Tail(tail) => {
                matches!(&tail.destination, Half::Pending(lookup) if *lookup == answered)
            }
            Self::Asked { lookup, .. } | Self::Refused { lookup, .. } => *lookup == answered,
            Self::Search(search) => search.lookup == answered,
        }
    }
}

/// The comparison of the destination's last event with the source's of that revision.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) revision: u64,
    pub(super) destination: Half<LookupId, Option<Event>>,
    pub(super) source: Half<ReadId, SourceTail>,
    /// Waiting revisions at or below it that cannot be read at the destination.
    pub(super) unreadable: Vec<u64>,
}

/// One of two answers that are compared.
#[derive(Clone, Debug)]
pub(super) enum Half<Id, Answer> {
    Pending(Id),
    Got(Answer),
}

/// A backward search by id.
#[derive(Clone, Debug)]
pub(super) struct Search {
    pub(super) lookup: LookupId,
    /// Where the page under way begins; `None`: at the tail.
    pub(super) from: Option<u64>,
    /// The destination's last revision, from the first page.
    pub(super) tail: Option<u64>,
    /// When the newest readable event was stored, from the first page.
    pub(super) newest: Option<i64>,
    /// Source revisions that waited when it began and were not found yet.
    pub(super) wanted: Vec<u64>,
    /// Source revisions found so far.
    pub(super) found: Vec<u64>,
    /// The highest of them, and the revision of its copy at the destination.
    pub(super) copy: Option<(u64, u64)>,
}

/// Reading what lies between the destination's tail and the first delivered event.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    /// First revision that waits behind the gap.
    pub(super) to: u64,
    pub(super) read: Option<ReadId>,
    /// In line for its next page.
    pub(super) wanted: bool,
    /// Written so far.
    pub(super) written: u64,
}

/// What is known of a stream beside its state, and stays known while it has nothing to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Up to here nothing is known: it lies below what a lookup compared, or is a placeholder.
    pub(super) unverified: Option<u64>,
    /// It was told that the destination no longer shows some of its events.
    pub(super) told_unreadable: bool,
    /// A mirror has copied its metadata, and found the destination's stream to be the source's up to here, or hides it as the
    /// source does.
    pub(super) mirrored_to: Option<u64>,
    /// It was told that another writer truncated it.
    pub(super) told_truncated: bool,
    /// Highest source revision written, or with `skip_version_check` found at the destination.
    pub(super) high: Option<u64>,
    /// `skip_version_check`: somebody else writes there too, so each delivery is looked for.
    pub(super) shared: bool,
    /// `skip_version_check`: when the newest event that was there at first contact was stored. What the source wrote
    /// before may be among those events, whatever its revision.
    pub(super) newest_met: Option<i64>,
}

/// One stream with something to do. What is valid in one state only is in that state; the fields here outlive a change of
/// state, because a stream is looked at several times before it is written, and refused more than once before it is held.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) state: State,
    pub(super) known: Known,
    pub(super) queue: Queue,
    pub(super) flight: Option<AppendId>,
    /// Where it stands in the line of streams that may append.
    pub(super) in_line: Option<Place>,
    /// Up to this revision events are sent one by one, to find the one that is refused: also after the lookup that follows
    /// the refusal, until it is written or the stream is held.
    pub(super) single_until: Option<u64>,
    /// The destination refused this revision with these words: it is held if a look shows that it is not there.
    pub(super) refused: Option<(u64, String)>,
    /// Attempts in a row without progress; sets the back-off.
    pub(super) failures: u32,
    /// Nothing is tried before this time.
    pub(super) retry_at: Option<Moment>,
    /// When it last had a reason to be slow: what waited then may time out.
    pub(super) slow_at: Option<Moment>,
    /// `$$S` was written, or was there: also if the append of revision 0 fails after it, and the stream is looked at again.
    pub(super) metadata_done: bool,
    /// Since when the source's stream seems to end before the destination's, over all lookups until one tells.
    pub(super) beyond_since: Option<Moment>,
    /// Its own reads fail although others are answered: those of lookups, between them too, and those of a repair.
    pub(super) failing: Option<Failing>,
}

/// Reads of one stream that fail although the server answers others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failing {
    pub(super) since: Moment,
    pub(super) times: u32,
}

/// A copy is never older than its original, but clocks of two servers differ, and one that runs in local time differs by up
/// to a day: 25 hours in ticks of 100 ns.
pub(super) const CLOCKS_DIFFER: i64 = 25 * 60 * 60 * 10_000_000;

impl Stream {
    pub(super) fn new(idle: Idle) -> Self {
        Self {
            state: idle.state,
            known: idle.known,
            queue: Queue::default(),
            flight: None,
            in_line: None,
            single_until: None,
            refused: None,
            failures: 0,
            retry_at: None,
            slow_at: None,
            metadata_done: false,
            beyond_since: None,
            failing: None,
        }
    }

    /// The repair that is under way.
    pub(super) fn repair(&self) -> Option<&Repair> {
        self.state.as_aligned()?.repair.as_ref()
    }

    /// The repair that is under way.
    pub(super) fn repair_mut(&mut self) -> Option<&mut Repair> {
        self.state.as_aligned_mut()?.repair.as_mut()
    }

    /// Ends the repair that is under way.
    pub(super) fn take_repair(&mut self) -> Option<Repair> {
        self.state.as_aligned_mut()?.repair.take()
    }

    /// The stream is aligned up to this revision now; what is filled or repaired above it stays so.
    pub(super) fn move_tail(&mut self, tail: Option<u64>) {
        match &mut self.state {
            State::Aligned(aligned) => {
                aligned.tail = tail;
                let next = tail.map_or(0, |tail| tail + 1);
                aligned.fill_to.take_if(|end| *end <= next);
            }
            other => *other = State::aligned(tail),
        }
    }

    /// Placeholders are made for revisions below this one.
    pub(super) fn fill_to(&self) -> Option<u64> {
        self.state.as_aligned()?.fill_to
    }

    /// Aligned at `tail`: is the event of this revision known to be there?
    pub(super) fn knows(&self, revision: u64, tail: Option<u64>) -> bool {
        Self::is_known(revision, tail, self.known.unverified)
    }

    /// Known are revisions up to the tail, but for those at or below an unverified one.
    pub(super) fn is_known(revision: u64, tail: Option<u64>, unverified: Option<u64>) -> bool {
        Some(revision) <= tail && Some(revision) > unverified
    }

    /// `skip_version_check`: this event cannot be at the destination, so nobody needs to look for it.
    pub(super) fn is_surely_new(&self, event: &Event) -> bool {
        !self.known.shared
            && self.known.high.is_none_or(|high| event.revision > high)
            && self
                .known
                .newest_met
                .is_none_or(|newest| event.created > newest.saturating_add(CLOCKS_DIFFER))
    }

    /// Nothing waits, nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.flight.is_none()
            && !matches!(self.state, State::LookingUp(_) | State::WritingMetadata(_))
    }
}
