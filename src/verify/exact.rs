//! One stream compared revision by revision: what both sides hold, handed over in pages, becomes counts and findings.
//!
//! Pure: reads nothing and knows no server. Never looks at a revision above the source's tail as it was at first.

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};

use serde::de::IgnoredAny;
use uuid::Uuid;

use super::class::{Class, What};
use super::outcome::{Absent, Comparison, Facts, Outcome, Step};
use super::side_buffer::{Front, SideBuffer};
use ditto_core::event::{Event, StreamName};

/// So many events are looked at to find out how two streams of different events belong together.
const AHEAD: usize = 200;
/// So many ids are remembered, to know an event that stands twice.
const REMEMBERED: usize = 512;

/// The comparison of one stream.
#[derive(Debug)]
pub(super) struct Exact {
    source: SideBuffer,
    destination: SideBuffer,
    outcome: Outcome,
    links: Links,
    /// The first revision that the source has not handed out yet.
    expected: u64,
    absent: Option<Absent>,
    /// The first and the last revision that count as aged at the destination.
    aged: Option<(u64, u64)>,
    /// The source's last events, oldest first.
    recent: VecDeque<Uuid>,
    /// Events that the destination holds elsewhere than the source.
    displaced: HashSet<Uuid>,
    /// From here on nothing can be told apart any more, and all has been counted.
    broken: bool,
}

/// How events get into the subscription's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// By a projection, which leaves out what is flagged JSON and is not (protocol §6.2).
    Projected,
    /// As they are, or by somebody's own links.
    All,
}

impl Exact {
    /// Compares from this revision on.
    pub(super) fn new(stream: StreamName, from: u64, links: Links) -> Self {
        Self {
            source: SideBuffer::new(from),
            destination: SideBuffer::new(from),
            outcome: Outcome::new(stream),
            links,
            expected: from,
            absent: None,
            aged: None,
            recent: VecDeque::new(),
            displaced: HashSet::new(),
            broken: false,
        }
    }

    /// The revisions between the last event of the source and this one cannot be read there.
    fn note_gone(&mut self, next: u64) {
        let gone = next.saturating_sub(self.expected);
        self.outcome.class(
            Class::GoneAtSource,
            self.expected,
            gone,
            "it was deleted, truncated or has expired at the source",
        );
        self.expected = self.expected.max(next);
    }

    fn consumed(&mut self, event: &Event) {
        self.note_gone(event.revision);
        self.expected = event.revision + 1;
        self.outcome.read += 1;
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(event.id);
    }

    fn both(&mut self, tail: u64) -> Option<Step> {
        let is_same = {
            let mut fronts = (self.source.events(), self.destination.events());
            match (fronts.0.next(), fronts.1.next()) {
                (Some(here), Some(there)) => here.id == there.id,
                _ => return None,
            }
        };
        if !is_same {
            let (source, destination) = (!self.source.holds(AHEAD), !self.destination.holds(AHEAD));
            if source || destination {
                return Some(Step::Read {
                    source,
                    destination,
                });
            }
            self.diagnose(tail);
        }
        let (Some(here), Some(there)) = (self.source.take(), self.destination.take()) else {
            return None;
        };
        self.consumed(&here);
        if is_same {
            self.content(&here, &there);
        }
        None
    }

    fn content(&mut self, here: &Event, there: &Event) {
        if here.same_content(there) {
            self.outcome.counts.add(Class::Equal, 1);
            return;
        }
        self.outcome
            .find((Class::Different, What::Content), here.revision, 1, || {
                differences(here, there)
            });
    }

    /// Two events at one revision: how do the streams go on?
    fn diagnose(&mut self, tail: u64) {
        let (Some(here), Some(there)) = (
            self.source.events().next().cloned(),
            self.destination.events().next().cloned(),
        ) else {
            return;
        };
        let revision = here.revision;
        let place = |side_buffer: &SideBuffer, id: Uuid| {
            let event = side_buffer.events().skip(1).find(|event| event.id == id)?;
            Some(event.revision - revision)
        };
        let skipped = place(&self.source, there.id);
        let inserted = place(&self.destination, here.id);
        let ids = format!(
            "event {} at the source, {} at the destination",
            here.id, there.id
        );
        let is_old = self.recent.contains(&there.id);
        let rest = tail + 1 - revision;
        match (skipped, inserted) {
            (Some(skipped), None) => {
                self.outcome.find((Class::Missing, What::Renumbered), revision, skipped, || {
                    format!(
                        "left out, so that the following events are {skipped} too low at the destination"
                    )
                });
                self.outcome.counts.add(Class::Different, rest - skipped);
                self.broken = true;
            }
            (None, Some(inserted)) => {
                let what = if is_old { What::Doubled } else { What::Extra };
                let text = if is_old {
                    format!(
                        "the destination holds {inserted} events twice, so that the following events are too high"
                    )
                } else {
                    format!(
                        "the destination holds {inserted} more events here, so that the following events are too high"
                    )
                };
                self.outcome
                    .find((Class::Different, what), revision, rest, || text);
                self.broken = true;
            }
            (Some(_), Some(_)) => {
                self.displaced.insert(here.id);
                self.other(What::Reordered, revision, ids);
            }
            (None, None) if self.displaced.contains(&there.id) => {
                self.other(What::Reordered, revision, ids);
            }
            (None, None) if is_old => self.other(What::Doubled, revision, ids),
            (None, None) => self.other(What::OtherEvent, revision, ids),
        }
    }

    fn other(&mut self, what: What, revision: u64, ids: String) {
        let text = match what {
            What::Reordered => format!("another order: {ids}"),
            What::Doubled => format!("an event that is there before: {ids}"),
            _ => format!("another event: {ids}"),
        };
        self.outcome
            .find((Class::Different, what), revision, 1, || text);
    }

    fn only_source(&mut self, revision: u64) {
        let Some(event) = self.source.take() else {
            return;
        };
        self.consumed(&event);
        if self.destination.last().is_some_and(|tail| revision <= tail) {
            self.aged.get_or_insert((revision, revision)).1 = revision;
            self.outcome.class(
                Class::AgedAtDestination,
                revision,
                1,
                "the destination had it, and no longer returns it",
            );
            return;
        }
        let is_linked = self.links == Links::All || !is_left_out(&event);
        let absent = self.absent.get_or_insert(Absent {
            first: revision,
            end: revision,
            linked_end: revision,
        });
        absent.end = revision + 1;
        if is_linked {
            absent.linked_end = revision + 1;
        }
    }
}

impl Comparison for Exact {
    fn step(&mut self) -> Step {
        loop {
            let (here, there) = (self.source.front(), self.destination.front());
            if here == Front::Unread || there == Front::Unread {
                return Step::Read {
                    source: here == Front::Unread,
                    destination: there == Front::Unread,
                };
            }
            let Some(tail) = self.source.last() else {
                return Step::Done;
            };
            let within = |front| match front {
                Front::At(revision) if revision <= tail => Some(revision),
                _ => None,
            };
            match (within(here), within(there)) {
                _ if self.broken => return Step::Done,
                (None, None) => {
                    self.note_gone(tail + 1);
                    return Step::Done;
                }
                (Some(here), Some(there)) if here == there => {
                    if let Some(step) = self.both(tail) {
                        return step;
                    }
                }
                (Some(here), there) if there.is_none_or(|there| here < there) => {
                    self.only_source(here);
                }
                _ => drop(self.destination.take()),
            }
        }
    }

    fn source(&mut self) -> &mut SideBuffer {
        &mut self.source
    }

    fn destination(&mut self) -> &mut SideBuffer {
        &mut self.destination
    }

    fn parked_above(&self) -> Option<u64> {
        self.destination.last()
    }

    fn absent(&self) -> Option<Absent> {
        self.absent
    }

    fn beyond(&self) -> Option<u64> {
        let beyond = self.destination.last()?;
        let is_beyond = !self.broken && self.source.last().is_some_and(|tail| beyond > tail);
        is_beyond.then_some(beyond)
    }

    fn unreadable(&self) -> Option<u64> {
        self.aged?;
        let tail = self.destination.last();
        tail.filter(|_| !self.destination.is_readable())
    }

    fn aged(&self) -> Option<(u64, u64)> {
        self.aged
    }

    fn finish(mut self, facts: &Facts) -> Outcome {
        if let (Some(beyond), Some(tail)) = (self.beyond(), facts.source_last)
            && beyond > tail
        {
            let doubled = self.destination.events().next();
            let is_old = doubled.is_some_and(|event| self.recent.contains(&event.id));
            let what = if is_old { What::Doubled } else { What::Extra };
            self.outcome
                .find((Class::Different, what), tail + 1, beyond - tail, || {
                    if is_old {
                        "the destination holds the source's last events twice".to_owned()
                    } else {
                        format!("the source ends at revision {tail}, the destination at {beyond}")
                    }
                });
        }
        if let Some(absent) = self.absent {
            self.outcome.lacks(absent, self.destination.last(), facts);
        }
        self.outcome.judge_aged(facts);
        self.outcome.end();
        self.outcome
    }
}

/// Whether projections leave an event out: it is flagged JSON, and is not (protocol §6.2).
pub(super) fn is_left_out(event: &Event) -> bool {
    event.is_json && serde_json::from_slice::<IgnoredAny>(&event.data).is_err()
}

/// Which parts differ, for the operator.
pub(super) fn differences(here: &Event, there: &Event) -> String {
    let bytes = |name: &str, here: usize, there: usize| {
        format!("{name} ({here} bytes at the source, {there} at the destination)")
    };
    let content_type = |is_json: bool| if is_json { "JSON" } else { "binary" };
    let parts = [
        (here.event_type != there.event_type).then(|| {
            format!(
                "type ({:?} at the source, {:?} at the destination)",
                here.event_type, there.event_type
            )
        }),
        (here.is_json != there.is_json).then(|| {
            format!(
                "content type ({} at the source, {} at the destination)",
                content_type(here.is_json),
                content_type(there.is_json)
            )
        }),
        (here.data != there.data).then(|| bytes("data", here.data.len(), there.data.len())),
        (here.metadata != there.metadata)
            .then(|| bytes("metadata", here.metadata.len(), there.metadata.len())),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("same id, other {}", parts.join(", "))
}
