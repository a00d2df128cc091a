//! What others do at the destination: foreign events in streams that are copied, and streams that are refused for a while.
//!
//! Thrown with dice of its own. Never touches what ditto wrote.

use std::time::Duration;

use ditto_core::event::{Event, StreamName};
use uuid::Uuid;

use super::world::{Happening, World, stream};

/// Ids of foreign events begin with this.
const FOREIGN: u128 = 9 << 64;

/// What somebody else wrote at the destination.
pub(super) fn is_foreign(event: &Event) -> bool {
    event.id.as_u128() >> 64 == FOREIGN >> 64
}

impl World {
    pub(super) fn meddle(&mut self) {
        if self.healed {
            return;
        }
        let name = stream(self.others.below(self.options.streams));
        match self.others.below(4) {
            0 => self.write_foreign(&name),
            1 => self.remove_foreign(&name),
            2 if self.options.states.is_some() => self.write_foreign_state(&name),
            _ => {
                self.note(|| format!("{name} is refused"));
                let reads = self.others.permille(300);
                self.destination.refused.insert(name.clone(), reads);
                let pause = self
                    .others
                    .time(Duration::from_secs(1), Duration::from_secs(100));
                self.agenda.plan(self.now + pause, Happening::Allow(name));
            }
        }
    }

    fn write_foreign(&mut self, name: &StreamName) {
        self.note(|| format!("somebody else writes to {name}"));
        self.foreign += 1;
        let id = Uuid::from_u128(FOREIGN | self.foreign);
        if self.destination.tombstoned.contains(name) {
            return;
        }
        let at = self.destination.streams.entry(name.clone()).or_default();
        let revision = at.len() as u64;
        at.push(Event {
            id,
            stream: name.clone(),
            revision,
            event_type: "foreign".into(),
            is_json: false,
            data: bytes::Bytes::new(),
            metadata: bytes::Bytes::new(),
            created: 0,
        });
        if self.destination.said(name).is_deletion() {
            // The server's metadata takes the place of a mirror's.
            self.promises.meddled.insert(name.clone());
        }
        self.destination.revive(name, revision);
    }

    /// The operator mends a stream: what is not the source's is gone, unless events of the source stand behind it.
    fn remove_foreign(&mut self, name: &StreamName) {
        if let Some(at) = self.destination.streams.get_mut(name)
            && let Some(first) = at.iter().position(is_foreign)
            && at[first..].iter().all(is_foreign)
        {
            at.truncate(first);
            self.note(|| format!("{name} is mended"));
        }
    }

    /// Nothing is refused any more; some streams are mended, some are not.
    pub(super) fn leave_alone(&mut self) {
        self.destination.refused.clear();
        for number in 0..self.options.streams {
            if self.others.permille(500) {
                self.remove_foreign(&stream(number));
            }
        }
    }
}
