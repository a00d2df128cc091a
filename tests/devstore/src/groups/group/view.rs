//! What a group looks like from outside (protocol §8.5, §8.11). Never changes more than the mark of
//! the last look.

use super::Group;
use crate::groups::info::Info;

impl<E: Clone> Group<E> {
    /// A picture of the group.
    pub(crate) fn info(&mut self, now_ms: i64) -> Info {
        let (items, at_ms) = std::mem::replace(&mut self.measured, (self.total_items, now_ms));
        Info {
            status: self.status(),
            settings: self.settings.clone(),
            consumers: self.consumers.list().to_vec(),
            total_items: self.total_items,
            recent_items: self.total_items - items,
            recent_ms: now_ms - at_ms,
            last_checkpoint: self.progress.written(),
            last_known: self.last_known,
            read_buffer: self.buffer.fresh_count(),
            live_buffer: self.buffer.live_count(),
            retry_buffer: self.buffer.retry_count(),
            outstanding: self.in_flight.len(),
            parked: self.parked.map_or(0, |range| range.last - range.first + 1),
        }
    }

    fn status(&self) -> String {
        if !self.ready {
            return "NotReady".to_owned();
        }
        let flags = [
            (!self.buffer.is_live(), "Behind"),
            (self.page_requested, "OutstandingPageRequest"),
            (self.replay.is_some(), "ReplayingParkedMessages"),
            (self.buffer.is_live(), "Live"),
        ];
        let set: Vec<&str> = flags
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, name)| *name)
            .collect();
        set.join(", ")
    }
}
