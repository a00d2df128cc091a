//! What came of comparing one stream: counts, findings, and what a repair would bring.
//!
//! Pure. Keeps a bounded number of findings a stream; all events are counted.

use super::class::{Class, Counts, Finding, What};
use super::side_buffer::SideBuffer;
use ditto_core::event::StreamName;

/// More findings of one stream are only counted.
const MOST_FINDINGS: usize = 100;

/// What a comparison needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next page of these sides.
    Read {
        /// Of the source.
        source: bool,
        /// Of the destination.
        destination: bool,
    },
    /// The stream is compared.
    Done,
}

/// Comparing one stream, without I/O.
pub(super) trait Comparison {
    /// Compares what is there, and says what is needed to go on.
    fn step(&mut self) -> Step;
    /// Events read from the source that are not compared yet.
    fn source(&mut self) -> &mut SideBuffer;
    /// Events read from the destination that are not compared yet.
    fn destination(&mut self) -> &mut SideBuffer;
    /// What the destination lacks.
    fn absent(&self) -> Option<Absent>;
    /// Parked events count if they stand above this revision.
    fn parked_above(&self) -> Option<u64>;
    /// The destination's tail, if it lies above the source's and must not.
    fn beyond(&self) -> Option<u64>;
    /// The destination's tail, if the source's events up to it count as aged and no event could be read there.
    fn unreadable(&self) -> Option<u64> {
        None
    }
    /// The first and the last revision that count as aged at the destination.
    fn aged(&self) -> Option<(u64, u64)> {
        None
    }
    /// The end: what the pages alone could not tell is known now.
    fn finish(self, facts: &Facts) -> Outcome;
}

/// Revisions that the source has and that lie above the destination's tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Absent {
    /// The first of them.
    pub(super) first: u64,
    /// Behind the last of them.
    pub(super) end: u64,
    /// Behind the last of them that is linked: what follows comes with a later event only.
    pub(super) linked_end: u64,
}

/// Whose a destination stream is whose events cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// It is a copy.
    Ours,
    /// It holds other events.
    Foreign,
    /// Nothing proves either, for this reason.
    Unverified(String),
}

/// What copies a stream, for the words about its progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Via {
    /// A group of a subscription.
    #[default]
    Group,
    /// A mirror, of all streams that its rules match.
    Mirror,
}

impl Via {
    /// Of what is not copied yet.
    fn behind(self) -> &'static str {
        match self {
            Self::Group => "the group has not delivered it yet",
            Self::Mirror => "it is after the mirror's checkpoint",
        }
    }

    /// Of what should have been copied.
    fn done(self) -> &'static str {
        match self {
            Self::Group => "the group has acknowledged these",
            Self::Mirror => "the mirror's checkpoint is after these",
        }
    }
}

/// What pages do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// What copies the stream.
    pub(super) via: Via,
    /// The first of the absent revisions that it has not come to.
    pub(super) reached: u64,
    /// Why the mirror holds the stream, if it does.
    pub(super) held: Option<String>,
    /// The group's parked queue holds an event of the stream that the destination lacks.
    pub(super) is_parked: bool,
    /// How the stream was deleted at the destination, if it was.
    pub(super) deleted: Option<&'static str>,
    /// Number of the source's last event, read after the destination; `None`: not asked, or gone.
    pub(super) source_last: Option<u64>,
    /// Whose the stream is, if nothing of it can be read at the destination.
    pub(super) whose: Option<Whose>,
    /// Another writer cut off what counts as aged at the destination.
    pub(super) is_truncated: bool,
    /// The destination does not know the source's event of this revision, which counts as aged there.
    pub(super) refused: Option<u64>,
}

/// A stream whose last events are missing at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Stream to repair.
    pub stream: StreamName,
    /// First revision that is missing.
    pub from: u64,
    /// Last revision that is missing.
    pub to: u64,
    /// Events of the stream, these or others, that make it no copy: different or missing.
    pub faults: u64,
}

/// What came of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) stream: StreamName,
    pub(super) counts: Counts,
    pub(super) findings: Vec<Finding>,
    /// Events of the source that were read.
    pub(super) read: u64,
    /// What a repair would bring.
    pub(super) repair: Option<Repair>,
}

impl Outcome {
    pub(super) fn new(stream: StreamName) -> Self {
        Self {
            stream,
            counts: Counts::default(),
            findings: Vec::new(),
            read: 0,
            repair: None,
        }
    }

    /// Counts events of a class about which there is nothing more to say.
    pub(super) fn class(&mut self, class: Class, revision: u64, events: u64, text: &str) {
        self.find((class, What::AsClassed), revision, events, || {
            text.to_owned()
        });
    }

    /// Counts events and tells of them; joins them with those just before, if they are of the same kind.
    pub(super) fn find(
        &mut self,
        (class, what): (Class, What),
        revision: u64,
        events: u64,
        text: impl FnOnce() -> String,
    ) {
        if events == 0 {
            return;
        }
        self.counts.add(class, events);
        if let Some(before) = self.findings.last_mut()
            && (before.class, before.what) == (class, what)
            && before.revision + before.events == revision
        {
            before.events += events;
            return;
        }
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(Finding {
                stream: self.stream.clone(),
                revision,
                events,
                class,
                what,
                text: text(),
            });
        }
    }

    /// What counts as aged at the destination turns out to be something else, and is no longer to be repaired; or it is
    /// known who cut it off.
    pub(super) fn judge_aged(&mut self, facts: &Facts) {
        let (class, what, text) = match &facts.whose {
            Some(Whose::Foreign) => {
                let text = "the destination's events cannot be read and are not the source's";
                (Class::Different, What::Unreadable, text.to_owned())
            }
            Some(Whose::Unverified(why)) => {
                let text = "nothing of it can be read at the destination, and nothing proves that it is a copy";
                (Class::Unverified, What::AsClassed, format!("{text}: {why}"))
            }
            Some(Whose::Ours) | None if facts.is_truncated => {
                let mut text = "truncated by another writer at the destination".to_owned();
                if let Some(revision) = facts.refused {
                    text += &format!(
                        ", which does not know the source's revision {revision}: another event was there, or a scavenge \
                         removed it"
                    );
                }
                (Class::AgedAtDestination, What::Truncated, text)
            }
            Some(Whose::Ours) | None => return,
        };
        let aged = Class::AgedAtDestination;
        for finding in self.findings.iter_mut().filter(|one| one.class == aged) {
            (finding.class, finding.what) = (class, what);
            finding.text.clone_from(&text);
        }
        if class != aged {
            self.counts.turn(aged, class);
            self.repair = None;
        }
    }

    /// Nothing more is to be found.
    pub(super) fn end(&mut self) {
        if let Some(repair) = &mut self.repair {
            repair.faults = self.counts.faults();
        }
    }

    /// Sorts what lies above the destination's tail into classes.
    pub(super) fn lacks(&mut self, absent: Absent, tail: Option<u64>, facts: &Facts) {
        let Absent {
            first,
            end,
            linked_end,
        } = absent;
        if let Some(how) = facts.deleted
            && !facts.is_parked
            && facts.held.is_none()
        {
            self.find((Class::Missing, What::Deleted), first, end - first, || {
                how.to_owned()
            });
            return;
        }
        if let Some(reason) = &facts.held {
            let held = (Class::HeldOrParked, What::Held);
            self.find(held, first, linked_end - first, || {
                format!("the mirror holds the stream: {reason}")
            });
        } else if facts.is_parked {
            let text = "in the group's parked queue, or after an event that is";
            self.class(Class::HeldOrParked, first, linked_end - first, text);
        } else {
            let reached = facts.reached.clamp(first, linked_end);
            let what = if tail.is_none() {
                What::Stream
            } else {
                What::Tail
            };
            self.find((Class::Missing, what), first, reached - first, || {
                missing(first, tail, facts.via)
            });
            let text = facts.via.behind();
            self.class(Class::Behind, reached, linked_end - reached, text);
            // What is behind is the daemon's, and what follows that as well.
            let repair_end = if reached == linked_end { end } else { reached };
            self.repair = (repair_end > first).then(|| Repair {
                stream: self.stream.clone(),
                from: first,
                to: repair_end - 1,
                // Counted when all of the stream is.
                faults: 0,
            });
        }
        let text = "flagged JSON and is not, so that no projection links it";
        self.class(Class::NeverLinked, linked_end, end - linked_end, text);
    }
}

fn missing(first: u64, tail: Option<u64>, via: Via) -> String {
    let wanted = tail.map_or(0, |tail| tail + 1);
    let there = tail.map_or_else(
        || "there is no such stream at the destination".to_owned(),
        |tail| format!("the destination ends at revision {tail}"),
    );
    if first == wanted {
        format!("{there}, and {}", via.done())
    } else {
        format!("{there}, and the source no longer returns anything before revision {first}")
    }
}
