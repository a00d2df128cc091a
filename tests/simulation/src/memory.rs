//! What a ditto may hold in memory, and what it must at least say that it holds.
//!
//! Counted from what the core was given, never from its own counters.

use std::collections::BTreeMap;

use ditto_core::ENTRY_OVERHEAD;
use ditto_core::event::{Event, Item};
use ditto_core::port::{
    AppendOutcome, Input, LinkPage, Mode, OnMissingHistory, ParkedPage, SourcePage,
};

use crate::daemon::Given;
use crate::fault::Fault;
use crate::source::Target;
use crate::world::World;

/// More than any event of the simulation costs.
const LARGEST: usize = 2048;

impl World {
    /// Takes note of events that come without a delivery, and of those that are written.
    pub(crate) fn note_memory(&mut self, daemon: usize, input: &Input) {
        match input {
            Input::Appended {
                append,
                outcome: AppendOutcome::Written(last),
            } => {
                // Only there have source and destination the same revisions.
                let exact = self.options.settings.mode == Mode::Exact;
                let at = &mut self.daemons[daemon];
                let waits = at.in_flight.iter().any(|flight| flight.append == *append);
                // Any other answer leaves it unknown what was written.
                if let (true, Some(sent)) = (waits && exact, at.frozen.get(append))
                    && sent.first() + sent.ids.len() as u64 == last + 1
                {
                    let (written, revisions) = (sent.stream, sent.first()..=*last);
                    at.read.retain(|(stream, revision), _| {
                        *stream != written || !revisions.contains(revision)
                    });
                }
            }
            Input::SourceRead {
                page: SourcePage::Events { events, .. },
                ..
            } => events.iter().for_each(|event| self.note(daemon, event)),
            Input::LinksRead {
                page: LinkPage::Items { items, .. },
                ..
            } => self.note_items(daemon, items.iter().map(|(_, item)| item)),
            Input::ParkedRead {
                page: ParkedPage::Entries(entries),
                ..
            } => self.note_items(daemon, entries.iter().map(|entry| &entry.item)),
            _ => {}
        }
    }

    fn note_items<'a>(&mut self, daemon: usize, items: impl Iterator<Item = &'a Item>) {
        for item in items {
            if let Item::Event(event) = item {
                self.note(daemon, event);
            }
        }
    }

    fn note(&mut self, daemon: usize, event: &Event) {
        if let Some(stream) = self.source.index_of(&event.stream) {
            self.daemons[daemon]
                .read
                .insert((stream, event.revision), event.size() + ENTRY_OVERHEAD);
        }
    }

    /// What it says it holds is what it was given and has not settled: no less than the deliveries that wait, no more
    /// than the budget, one delivery, and what was read.
    pub(crate) fn check_memory(&mut self, daemon: usize, says: usize) {
        let at = &self.daemons[daemon];
        // Who leaves may drop everything: it is delivered again. Of two deliveries with one id nobody can tell which was
        // acknowledged.
        let told_apart = !self.options.faults.has(Fault::DuplicateIds);
        let memberships = at
            .membership
            .as_ref()
            .filter(|membership| told_apart && !membership.leaving);
        let least = memberships.map_or(0, |membership| {
            // What waits to be parked, or to be acknowledged, is held no more.
            let held = |given: &&Given| match given.target {
                Target::Event { stream, revision } => {
                    !self.in_trouble(stream) && !self.arrived(stream, revision)
                }
                _ => false,
            };
            least_waiting(membership.delivered.iter().filter(held))
        });
        let settings = &self.options.settings;
        let placeholders = if settings.on_missing_history == OnMissingHistory::Fill {
            self.options.streams * settings.max_append_events as usize * LARGEST
        } else {
            0
        };
        let most = at
            .budget
            .saturating_add(LARGEST)
            .saturating_add(at.read.values().sum())
            .saturating_add(placeholders);
        if !(least..=most).contains(&says) {
            self.violate(|| format!("says {says} bytes are held, but {least} to {most} are"));
        }
    }
}

/// What deliveries without an answer cost at least: several of one event are held once, and a stream that began again has
/// another event of the same revision.
fn least_waiting<'a>(delivered: impl Iterator<Item = &'a Given>) -> usize {
    let mut least = BTreeMap::new();
    for given in delivered.filter(|given| given.taken) {
        if let Target::Event { stream, revision } = given.target {
            let costs = least.entry((stream, revision)).or_insert(given.bytes);
            *costs = given.bytes.min(*costs);
        }
    }
    least.values().sum()
}
