//! Scavenging: what metadata hides leaves the log, but for each stream's last event (protocol §15.6).
//!
//! Frees no memory: numbers and ids stay as they are, and what is gone is only left out where the log is read.

use super::Record;
use super::log::Log;

impl Log {
    /// Removes what nobody can read any more; returns how many events that were.
    pub(super) fn scavenge(&mut self) -> usize {
        let mut gone = Vec::new();
        for stream in self.stream_ids() {
            let events = &self.stream(stream).events;
            let last = events.len().saturating_sub(1);
            let first = if self.stream(stream).tombstoned {
                events.len()
            } else if self.is_soft_deleted(stream) {
                last
            } else {
                let first = self.first_readable(stream);
                usize::try_from(first).unwrap_or(usize::MAX).min(last)
            };
            gone.extend(events.iter().take(first).map(|event| event.position));
        }
        let before = self.scavenged.len();
        self.scavenged.extend(gone);
        self.scavenged.len() - before
    }

    pub(super) fn is_scavenged(&self, record: &Record) -> bool {
        !self.scavenged.is_empty() && self.scavenged.contains(&record.position)
    }
}
