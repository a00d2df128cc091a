//! A log up to a position: what a backup holds, what a node has that is behind, what is left of a log that was cut.
//!
//! Never changes the log that it is made of; records are shared, not copied.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Epoch, Log, Record};

impl Log {
    /// This log as it was when it ended at that position. An epoch whose event would be missing is left out.
    pub(in crate::store) fn until(&self, end: u64) -> Self {
        let kept = self.records.partition_point(|record| record.position < end);
        let (epochs, gone): (Vec<Epoch>, Vec<Epoch>) =
            self.epochs.iter().partition(|epoch| epoch.is_before(end));
        let stretches = self.stretches.iter();
        let stretches = stretches.filter_map(|stretch| stretch.until(end)).collect();
        let next = self.forward(end).next();
        let next = next.map_or(self.end, |record| record.position);
        let mut log = Self {
            records: Vec::with_capacity(kept),
            stretches,
            end: gone.first().map_or(next, |epoch| epoch.position.min(next)),
            streams: Vec::new(),
            by_name: HashMap::new(),
            recent_ids: HashMap::new(),
            types: HashMap::new(),
            projections: self.projections.clone(),
            next_epoch: epochs.last().map_or(0, |epoch| epoch.number + 1),
            epochs,
            scavenged: self
                .scavenged
                .iter()
                .copied()
                .filter(|at| *at < end)
                .collect(),
        };
        for record in &self.records[..kept] {
            log.take(record, self);
        }
        log
    }

    /// Lets those who watch the streams of a log watch them in this one, and wakes them.
    pub(in crate::store) fn take_watches(&mut self, old: &mut Self) {
        for stream in &mut old.streams {
            if let Some(watch) = stream.watch.take() {
                let id = self.intern(&stream.name);
                watch.send_replace(self.end);
                self.stream_mut(id).watch = Some(watch);
            }
        }
    }

    /// Takes over the next record of the log that this one is made of.
    fn take(&mut self, record: &Arc<Record>, from: &Self) {
        let id = self.intern(&record.stream);
        let written_by_others = from
            .find(&record.stream)
            .is_some_and(|id| from.stream(id).written_by_others);
        if from.recent_ids.contains_key(&record.id)
            && let Ok(place) = u32::try_from(self.records.len())
        {
            self.recent_ids.insert(record.id, place);
        }
        self.records.push(Arc::clone(record));
        let stream = self.stream_mut(id);
        // Records and streams are compared by the name that they share.
        stream.name = Arc::clone(&record.stream);
        stream.written_by_others = written_by_others;
        if record.is_tombstone() {
            stream.tombstoned = true;
        } else {
            stream.events.push(Arc::clone(record));
            self.note_metadata(id, record);
        }
    }
}
