//! What was written to a stream, whatever its metadata hides by now: live consumers get it all the same.
//!
//! Never a page of history: those are in `read`.

use std::sync::Arc;

use super::Record;
use super::log::Log;

impl Log {
    pub(super) fn appended(&self, name: &str, from: u64, max: usize) -> Vec<Arc<Record>> {
        let Some(stream) = self.find(name) else {
            return Vec::new();
        };
        let events = self.stream(stream).events.iter();
        events
            .skip(usize::try_from(from).unwrap_or(usize::MAX))
            .take(max)
            .cloned()
            .collect()
    }

    pub(super) fn tombstone_of(&self, name: &str) -> Option<Arc<Record>> {
        let stream = self.stream(self.find(name)?);
        if !stream.tombstoned {
            return None;
        }
        let newest_first = self.records().iter().rev();
        newest_first
            .filter(|record| record.is_tombstone())
            .find(|record| Arc::ptr_eq(&record.stream, &stream.name))
            .cloned()
    }
}
