//! What a lookup at the destination means for what waits.
//!
//! Pure functions of what was read and what waits. Never changes a state and gives no command.

use crate::event::Event;
use crate::port::DuplicateReason;
use crate::streams::advance::placeholder_id;
use crate::streams::queue::Queue;

/// What a full look (the destination's events from `from` on, and its tail) decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// These waiting revisions are there already; the destination is aligned up to the last of them.
    There {
        /// Revision, and how it is known; `None`: a placeholder stands there.
        revisions: Vec<(u64, Option<DuplicateReason>)>,
        /// Revisions with equal id and other content.
        differs: Vec<u64>,
    },
    /// The destination holds another event at this revision.
    Conflict(Clash),
    /// The destination's last event decides: it lies before everything that waits, or what waits cannot be read any more
    /// and nothing that can shows whose the stream is. Compare it with the source's.
    Tail {
        /// The destination's last revision.
        tail: u64,
        /// Its event there, if this lookup read it.
        event: Option<Event>,
        /// Waiting revisions at or below the tail that cannot be read there.
        unreadable: Vec<u64>,
    },
    /// The page says nothing of the first waiting revision: it ended (by bytes) before it, or begins behind it
    /// because that came while the lookup was under way. Look again from here.
    Short {
        /// First revision to read.
        from: u64,
    },
}

/// Two different events at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) revision: u64,
    pub(super) source: uuid::Uuid,
    pub(super) destination: uuid::Uuid,
}

impl Clash {
    /// Text for the operator.
    pub(super) fn text(&self) -> String {
        format!(
            "revision {} is event {} at the source and event {} at the destination",
            self.revision, self.source, self.destination
        )
    }
}

/// Judges a forward page, read from revision `from` on, of the destination's stream whose last event number is `last`.
pub(super) fn full_lookup(queue: &Queue, from: u64, last: u64, events: &[Event]) -> Finding {
    let Some(first) = queue.first() else {
        return Finding::There {
            revisions: Vec::new(),
            differs: Vec::new(),
        };
    };
    let at_tail = || events.iter().find(|event| event.revision == last).cloned();
    if last < first {
        return Finding::Tail {
            tail: last,
            event: at_tail(),
            unreadable: Vec::new(),
        };
    }
    if first < from {
        return Finding::Short {
            from: first.saturating_sub(1),
        };
    }
    // A page that is not empty says nothing of what lies behind its last event; an empty one says that
    // nothing from its start to the tail can be read any more.
    let covered = events.last().map_or(last, |event| event.revision.min(last));
    if covered < first {
        return Finding::Short { from: first };
    }
    let page = compare_page(queue, covered, events);
    // A truncation takes a stream's head: one event that is the source's shows whose the unreadable ones before it are.
    let proven = page
        .revisions
        .iter()
        .any(|(_, reason)| *reason != Some(DuplicateReason::Unreadable));
    if proven {
        return Finding::There {
            revisions: page.revisions,
            differs: page.differs,
        };
    }
    match page.clash {
        Some(clash) => Finding::Conflict(clash),
        None => Finding::Tail {
            tail: last,
            event: at_tail(),
            unreadable: page
                .revisions
                .iter()
                .map(|(revision, _)| *revision)
                .collect(),
        },
    }
}

/// A page compared with what waits, up to the first event that is another.
#[derive(Default)]
struct Compared {
    /// Waiting revisions that are at or below the tail, and how that is known.
    revisions: Vec<(u64, Option<DuplicateReason>)>,
    /// Revisions with equal id and other content.
    differs: Vec<u64>,
    clash: Option<Clash>,
}

fn compare_page(queue: &Queue, covered: u64, events: &[Event]) -> Compared {
    let mut compared = Compared::default();
    let mut page = events.iter().peekable();
    for entry in queue.iter().take_while(|entry| entry.revision() <= covered) {
        while page
            .peek()
            .is_some_and(|event| event.revision < entry.revision())
        {
            page.next();
        }
        let there = page
            .peek()
            .filter(|there| there.revision == entry.revision());
        let reason = match there {
            None => Some(DuplicateReason::Unreadable),
            Some(there) if there.id == placeholder_id(&entry.event.stream, there.revision) => None,
            Some(there) if there.id != entry.event.id => {
                compared.clash = Some(Clash {
                    revision: there.revision,
                    source: entry.event.id,
                    destination: there.id,
                });
                break;
            }
            Some(there) => {
                if !there.same_content(&entry.event) {
                    compared.differs.push(there.revision);
                }
                Some(DuplicateReason::Found)
            }
        };
        compared.revisions.push((entry.revision(), reason));
    }
    compared
}

/// The source's event at the destination's last revision, as a read of the source shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SourceTail {
    /// It can be read.
    Event(Event),
    /// The source has been there, and no longer shows it.
    Gone,
    /// It may not be read.
    Denied,
    /// The source's stream ends before it.
    Beyond,
}

/// What comparing both sides' event of the destination's last revision decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TailFinding {
    /// The same event; `differs`: with other content.
    Equal {
        /// The content is not the same.
        differs: bool,
    },
    /// The destination shows it and the source no longer does: taken as equal, and counted.
    OneSided,
    /// The destination does not show it: ask its server whether it is this event.
    Ask(Event),
    /// Neither the source shows it nor does the destination say enough.
    Gone,
    /// Nothing can tell: a matter of policy. Text for the operator.
    Unverified(String),
    /// The source has no such event: what the destination holds came from elsewhere.
    Foreign,
    /// The two sides hold different events at this revision.
    Conflict(Clash),
}

/// Compares both sides' event of the destination's last revision `tail`; `passes`: unreadable events wait for the answer.
pub(super) fn tail_lookup(
    tail: u64,
    destination: Option<&Event>,
    source: &SourceTail,
    passes: bool,
) -> TailFinding {
    match (destination, source) {
        (Some(there), SourceTail::Event(here)) if there.id == here.id => TailFinding::Equal {
            differs: !there.same_content(here),
        },
        (Some(there), SourceTail::Event(here)) => TailFinding::Conflict(Clash {
            revision: there.revision,
            source: here.id,
            destination: there.id,
        }),
        (_, SourceTail::Beyond) => TailFinding::Foreign,
        (_, SourceTail::Denied) => TailFinding::Unverified(
            "no permission to read this stream at the source, which ditto needs to compare its last event"
                .to_owned(),
        ),
        (Some(_), SourceTail::Gone) if !passes => TailFinding::OneSided,
        (_, SourceTail::Gone) => TailFinding::Gone,
        // Expected before it would be *no stream*, and that append could be written.
        (None, SourceTail::Event(_)) if tail == 0 => TailFinding::Unverified(
            "the destination's only event cannot be read, and its server cannot be asked about a stream's first event"
                .to_owned(),
        ),
        (None, SourceTail::Event(here)) => TailFinding::Ask(here.clone()),
    }
}

#[cfg(test)]
mod tests;
