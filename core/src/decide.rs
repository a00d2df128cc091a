//! The table of design "Exactness": what a look at the destination means for what waits.
//!
//! Pure functions of what was read and what waits. Never changes a state and gives no command.

use super::advance::placeholder_id;
use super::port::DuplicateReason;
use super::queue::Queue;
use crate::event::Event;

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
    /// The destination's tail lies before everything that waits: compare the event there with the source's.
    Behind {
        /// The destination's tail.
        tail: u64,
        /// Its event there, if this look read it.
        event: Option<Event>,
    },
    /// The page says nothing of the first waiting revision: it ended (by bytes) before it, or begins behind it
    /// because that came while the look was under way. Look again from here.
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
pub(super) fn full_look(queue: &Queue, from: u64, last: u64, events: &[Event]) -> Finding {
    let Some(first) = queue.first() else {
        return Finding::There {
            revisions: Vec::new(),
            differs: Vec::new(),
        };
    };
    if last < first {
        let event = events.iter().find(|event| event.revision == last).cloned();
        return Finding::Behind { tail: last, event };
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
    let (mut revisions, mut differs) = (Vec::new(), Vec::new());
    let mut page = events.iter().peekable();
    for entry in queue.iter().take_while(|entry| entry.revision() <= covered) {
        while page
            .peek()
            .is_some_and(|event| event.revision < entry.revision())
        {
            page.next();
        }
        match page.peek() {
            Some(there) if there.revision == entry.revision() => {
                if there.id == placeholder_id(&entry.event.stream, there.revision) {
                    revisions.push((there.revision, None));
                    continue;
                }
                if there.id != entry.event.id {
                    let clash = Clash {
                        revision: there.revision,
                        source: entry.event.id,
                        destination: there.id,
                    };
                    return if revisions.is_empty() {
                        Finding::Conflict(clash)
                    } else {
                        Finding::There { revisions, differs }
                    };
                }
                if !there.same_content(&entry.event) {
                    differs.push(there.revision);
                }
                revisions.push((there.revision, Some(DuplicateReason::Found)));
            }
            _ => revisions.push((entry.revision(), Some(DuplicateReason::Unreadable))),
        }
    }
    Finding::There { revisions, differs }
}

/// What comparing both sides' event of the destination's tail decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TailFinding {
    /// The same event; `differs`: with other content.
    Equal {
        /// The content is not the same.
        differs: bool,
    },
    /// Not readable on one side, or on neither: taken as equal, and counted.
    Unverified,
    /// Different events.
    Conflict(Clash),
}

/// Compares both sides' event of the destination's tail.
pub(super) fn tail_look(destination: Option<&Event>, source: Option<&Event>) -> TailFinding {
    match (destination, source) {
        (Some(there), Some(here)) if there.id == here.id => TailFinding::Equal {
            differs: !there.same_content(here),
        },
        (Some(there), Some(here)) => TailFinding::Conflict(Clash {
            revision: there.revision,
            source: here.id,
            destination: there.id,
        }),
        _ => TailFinding::Unverified,
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::{Entry, Origin};
    use super::*;
    use bytes::Bytes;
    use uuid::Uuid;

    fn event(revision: u64, id: u64, data: &'static str) -> Event {
        Event {
            id: Uuid::from_u128(u128::from(id)),
            stream: "s-1".into(),
            revision,
            event_type: "t".into(),
            is_json: true,
            data: Bytes::from_static(data.as_bytes()),
            metadata: Bytes::new(),
            created: 0,
        }
    }

    fn waiting(revisions: &[u64]) -> Queue {
        let mut queue = Queue::default();
        for revision in revisions {
            queue.insert(Entry::new(
                event(*revision, *revision, "x"),
                Origin::Delivered,
                None,
            ));
        }
        queue
    }

    /// Each page event as (revision, id); ids equal to the revision are the source's.
    fn look(queue: &[u64], last: u64, page: &[(u64, u64)]) -> Finding {
        let events: Vec<Event> = page
            .iter()
            .map(|(revision, id)| event(*revision, *id, "x"))
            .collect();
        full_look(&waiting(queue), queue[0] - 1, last, &events)
    }

    fn there(found: &[u64], unreadable: &[u64]) -> Finding {
        let mut revisions: Vec<_> = found
            .iter()
            .map(|revision| (*revision, Some(DuplicateReason::Found)))
            .collect();
        revisions.extend(
            unreadable
                .iter()
                .map(|revision| (*revision, Some(DuplicateReason::Unreadable))),
        );
        revisions.sort_by_key(|(revision, _)| *revision);
        Finding::There {
            revisions,
            differs: Vec::new(),
        }
    }

    fn clash(revision: u64, destination: u64) -> Finding {
        Finding::Conflict(Clash {
            revision,
            source: Uuid::from_u128(u128::from(revision)),
            destination: Uuid::from_u128(u128::from(destination)),
        })
    }

    #[test]
    fn a_tail_at_or_beyond_what_waits_is_compared_by_ids() {
        for (name, got, expected) in [
            (
                "all there",
                look(&[5, 6], 6, &[(4, 4), (5, 5), (6, 6)]),
                there(&[5, 6], &[]),
            ),
            (
                "first there, second not written",
                look(&[5, 6], 5, &[(4, 4), (5, 5)]),
                there(&[5], &[]),
            ),
            (
                "other id",
                look(&[5, 6], 6, &[(4, 4), (5, 99), (6, 6)]),
                clash(5, 99),
            ),
            (
                "other id later: what is before is settled first",
                look(&[5, 6], 6, &[(5, 5), (6, 99)]),
                there(&[5], &[]),
            ),
            (
                "head truncated",
                look(&[5, 6, 7], 9, &[(7, 7), (8, 8)]),
                there(&[7], &[5, 6]),
            ),
            ("all aged", look(&[5, 6], 9, &[]), there(&[], &[5, 6])),
            (
                "page cut before what waits",
                look(&[5], 9, &[(4, 4)]),
                Finding::Short { from: 5 },
            ),
            (
                "tail before",
                look(&[5], 4, &[(4, 4)]),
                Finding::Behind {
                    tail: 4,
                    event: Some(event(4, 4, "x")),
                },
            ),
            (
                "tail far before",
                look(&[5], 2, &[]),
                Finding::Behind {
                    tail: 2,
                    event: None,
                },
            ),
        ] {
            assert_eq!(got, expected, "{name}");
        }
    }

    #[test]
    fn what_came_below_the_page_while_it_was_read_is_looked_for_again() {
        let page = [event(8, 8, "x"), event(9, 9, "x")];
        assert_eq!(
            full_look(&waiting(&[3, 9]), 8, 9, &page),
            Finding::Short { from: 2 }
        );
    }

    #[test]
    fn equal_id_with_other_content_is_there_and_reported() {
        let page = [event(5, 5, "other")];
        assert_eq!(
            full_look(&waiting(&[5]), 4, 5, &page),
            Finding::There {
                revisions: vec![(5, Some(DuplicateReason::Found))],
                differs: vec![5]
            }
        );
    }

    #[test]
    fn the_tails_of_both_sides_are_compared_by_id() {
        let (same, changed, other) = (event(4, 4, "x"), event(4, 4, "y"), event(4, 9, "x"));
        for (destination, source, expected) in [
            (
                Some(&same),
                Some(&same),
                TailFinding::Equal { differs: false },
            ),
            (
                Some(&changed),
                Some(&same),
                TailFinding::Equal { differs: true },
            ),
            (Some(&same), None, TailFinding::Unverified),
            (None, Some(&same), TailFinding::Unverified),
            (None, None, TailFinding::Unverified),
            (
                Some(&other),
                Some(&same),
                TailFinding::Conflict(Clash {
                    revision: 4,
                    source: same.id,
                    destination: other.id,
                }),
            ),
        ] {
            assert_eq!(tail_look(destination, source), expected);
        }
    }
}
