//! One stream compared by ids in their order, where copies have revisions of their own (`skip_version_check`).
//!
//! Both sides are read once, each event waiting for its counterpart in a window that is bounded in events and bytes.
//! Events that only the destination holds are somebody else's, which this mode allows. Pure: reads nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;
use uuid::Uuid;

use super::class::{Class, What};
use super::exact::{Links, differences, is_left_out};
use super::outcome::{Absent, Comparison, Facts, Outcome, Step};
use super::side_buffer::{Front, SideBuffer};
use crate::eventstore::client::notes;
use ditto_core::event::{Event, StreamName};

/// Events of each side that wait for their counterpart; copies are hardly farther apart.
const WINDOW: usize = 500;
const WINDOW_BYTES: usize = 1024 * 1024;

/// What an event's metadata says of its correlation; what stands beside it may be a number that no type holds.
#[derive(Default, Deserialize)]
struct Correlated {
    #[serde(rename = "$correlationId")]
    id: Option<String>,
}

/// Which of a stream's events its subscription links to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them: `$ce-…`, or the stream itself.
    All,
    /// Those of one type: `$et-…`.
    Type(String),
    /// Those with one `$correlationId`: `$bc-…`.
    Correlation(String),
}

impl Part {
    /// By the name of the subscription's stream.
    pub(super) fn of(subscription: &StreamName) -> Self {
        let name = subscription.as_str();
        if let Some(of_type) = name.strip_prefix("$et-") {
            Self::Type(of_type.to_owned())
        } else if let Some(id) = name.strip_prefix("$bc-") {
            Self::Correlation(id.to_owned())
        } else {
            Self::All
        }
    }

    fn has(&self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Type(of_type) => *event.event_type == **of_type,
            Self::Correlation(id) => {
                let noted: Correlated = notes(&event.metadata);
                noted.id.is_some_and(|noted| noted == *id)
            }
        }
    }
}

/// Events of one side that wait for their counterpart.
#[derive(Debug, Default)]
struct Waiting {
    events: BTreeMap<u64, Event>,
    by_id: HashMap<Uuid, u64>,
    bytes: usize,
}

impl Waiting {
    fn put(&mut self, event: Event) {
        self.bytes += event.size();
        self.by_id.insert(event.id, event.revision);
        self.events.insert(event.revision, event);
    }

    fn take(&mut self, id: Uuid) -> Option<Event> {
        let revision = self.by_id.remove(&id)?;
        let event = self.events.remove(&revision)?;
        self.bytes -= event.size();
        Some(event)
    }

    fn oldest(&mut self) -> Option<Event> {
        let (_, event) = self.events.pop_first()?;
        self.by_id.remove(&event.id);
        self.bytes -= event.size();
        Some(event)
    }

    fn is_full(&self) -> bool {
        self.events.len() >= WINDOW || self.bytes >= WINDOW_BYTES
    }
}

/// Events of the source that follow each other there, none of which the destination has.
#[derive(Clone, Copy, Debug)]
struct Lacking {
    first: u64,
    last: u64,
    events: u64,
    is_linked: bool,
    /// The number of the next event that is copied, counted from the stream's first.
    next: u64,
}

/// The comparison of one stream.
#[derive(Debug)]
pub(super) struct ByIds {
    source: SideBuffer,
    destination: SideBuffer,
    outcome: Outcome,
    links: Links,
    part: Part,
    here: Waiting,
    there: Waiting,
    /// Number among those that are copied, by revision, of the events in `here`.
    numbers: HashMap<u64, u64>,
    count: u64,
    /// Source revisions by the revisions of their copies, the last ones.
    pairs: BTreeMap<u64, u64>,
    recent: VecDeque<Uuid>,
    lacking: Vec<Lacking>,
    first_copied: Option<u64>,
    last_copied: Option<u64>,
    first_readable: Option<u64>,
}

impl ByIds {
    /// Compares from this revision of the source on.
    pub(super) fn new(stream: StreamName, from: u64, links: Links, part: Part) -> Self {
        Self {
            source: SideBuffer::new(from),
            destination: SideBuffer::new(0),
            outcome: Outcome::new(stream),
            links,
            part,
            here: Waiting::default(),
            there: Waiting::default(),
            numbers: HashMap::new(),
            count: 0,
            pairs: BTreeMap::new(),
            recent: VecDeque::new(),
            lacking: Vec::new(),
            first_copied: None,
            last_copied: None,
            first_readable: None,
        }
    }

    fn take_source(&mut self) {
        let Some(event) = self.source.take() else {
            return;
        };
        self.outcome.read += 1;
        if !self.part.has(&event) {
            return;
        }
        self.numbers.insert(event.revision, self.count);
        self.count += 1;
        match self.there.take(event.id) {
            Some(copy) => self.pair(&event, &copy),
            None => self.here.put(event),
        }
    }

    fn take_destination(&mut self) {
        let Some(copy) = self.destination.take() else {
            return;
        };
        self.first_readable.get_or_insert(copy.revision);
        match self.here.take(copy.id) {
            Some(event) => self.pair(&event, &copy),
            None if self.recent.contains(&copy.id) => {
                let text = format!("event {} is at the destination twice", copy.id);
                let revision = copy.revision;
                self.outcome
                    .find((Class::Different, What::Doubled), revision, 1, || text);
            }
            None => self.there.put(copy),
        }
    }

    fn pair(&mut self, event: &Event, copy: &Event) {
        self.numbers.remove(&event.revision);
        self.first_copied = Some(
            self.first_copied
                .map_or(event.revision, |first| first.min(event.revision)),
        );
        self.last_copied = self.last_copied.max(Some(event.revision));
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(event.id);
        let before = self.pairs.range(..copy.revision).next_back();
        let behind = self.pairs.range(copy.revision..).next();
        let in_order = before.is_none_or(|(_, source)| *source < event.revision)
            && behind.is_none_or(|(_, source)| *source > event.revision);
        self.pairs.insert(copy.revision, event.revision);
        if self.pairs.len() > WINDOW {
            self.pairs.pop_first();
        }
        if !in_order {
            let text = format!(
                "its copy, revision {} at the destination, is in another order",
                copy.revision
            );
            self.outcome.find(
                (Class::Different, What::Reordered),
                event.revision,
                1,
                || text,
            );
        } else if event.same_content(copy) {
            self.outcome.counts.add(Class::Equal, 1);
        } else {
            let kind = (Class::Different, What::Content);
            self.outcome
                .find(kind, event.revision, 1, || differences(event, copy));
        }
    }

    /// The oldest event that waits has no counterpart.
    fn give_up(&mut self) {
        let Some(event) = self.here.oldest() else {
            return;
        };
        let number = self.numbers.remove(&event.revision).unwrap_or_default();
        let is_linked = self.links == Links::All || !is_left_out(&event);
        match self.lacking.last_mut() {
            Some(run) if run.next == number && run.is_linked == is_linked => {
                run.last = event.revision;
                run.events += 1;
                run.next += 1;
            }
            _ => self.lacking.push(Lacking {
                first: event.revision,
                last: event.revision,
                events: 1,
                is_linked,
                next: number + 1,
            }),
        }
    }

    fn classify(&mut self, run: Lacking, facts: &Facts) {
        let is_old = self.first_readable.is_some_and(|first| first > 0)
            && self.first_copied.is_none_or(|copied| run.last < copied);
        let (kind, text) = if is_old {
            let text = "the destination no longer returns its first events";
            ((Class::AgedAtDestination, What::AsClassed), text)
        } else if facts.is_parked {
            let text = "in the group's parked queue, or after an event that is";
            ((Class::HeldOrParked, What::AsClassed), text)
        } else if let Some(how) = facts.deleted {
            ((Class::Missing, What::Deleted), how)
        } else if !run.is_linked {
            let text = "flagged JSON and is not, so that no projection links it";
            ((Class::NeverLinked, What::AsClassed), text)
        } else if run.first >= facts.reached {
            let text = "the group has not delivered it yet";
            ((Class::Behind, What::AsClassed), text)
        } else if self.destination.last().is_none() {
            (
                (Class::Missing, What::Stream),
                "there is no such stream at the destination",
            )
        } else if self.last_copied.is_some_and(|last| run.first < last) {
            (
                (Class::Missing, What::AsClassed),
                "not among the destination's events",
            )
        } else {
            let text = "after the last event that was copied, and the group has acknowledged it";
            ((Class::Missing, What::Tail), text)
        };
        self.outcome
            .find(kind, run.first, run.events, || text.to_owned());
    }
}

impl Comparison for ByIds {
    fn step(&mut self) -> Step {
        loop {
            let tail = self.source.last();
            let here = match self.source.front() {
                Front::At(revision) if tail.is_none_or(|tail| revision > tail) => Front::End,
                front => front,
            };
            let there = self.destination.front();
            let wants_source = !self.here.is_full() && here != Front::End;
            let wants_destination = !self.there.is_full() && there != Front::End;
            match (wants_source, wants_destination) {
                _ if wants_source && here != Front::Unread => self.take_source(),
                _ if wants_destination && there != Front::Unread => self.take_destination(),
                (false, false) => {
                    // A long run of somebody else's events is no fault, so those make room first: a copy that is right is
                    // never told to be wrong. Where more than a window is lacking, the count may be too high.
                    if there != Front::End {
                        drop(self.there.oldest());
                    } else if self.here.events.is_empty() {
                        return Step::Done;
                    } else {
                        self.give_up();
                    }
                }
                (source, destination) => {
                    return Step::Read {
                        source,
                        destination,
                    };
                }
            }
        }
    }

    fn source(&mut self) -> &mut SideBuffer {
        &mut self.source
    }

    fn destination(&mut self) -> &mut SideBuffer {
        &mut self.destination
    }

    fn absent(&self) -> Option<Absent> {
        let first = self.lacking.first()?.first;
        let end = self.lacking.last()?.last + 1;
        Some(Absent {
            first,
            end,
            linked_end: end,
        })
    }

    fn parked_above(&self) -> Option<u64> {
        self.lacking.first()?.first.checked_sub(1)
    }

    fn beyond(&self) -> Option<u64> {
        None
    }

    fn finish(mut self, facts: &Facts) -> Outcome {
        for run in std::mem::take(&mut self.lacking) {
            self.classify(run, facts);
        }
        self.outcome
    }
}
