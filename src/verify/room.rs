//! How many bytes of events all comparisons of a run may hold together, whatever the events' size.
//!
//! A comparison takes its room once, before it reads: enough for the largest event met so far. One that meets a larger event
//! gives its room back and begins again with more. Never makes a comparison wait while it holds room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::side_buffer::AHEAD_BYTES;

/// All comparisons together. One of the largest events that servers take (16 MiB) has it for itself alone.
const BUDGET: usize = 64 * 1024 * 1024;

/// What is expected of a store until a larger event is met.
const LARGEST_AT_FIRST: usize = 256 * 1024;

/// Room is counted in this.
const UNIT: usize = 1024;

/// The budget of a run.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    largest: AtomicUsize,
}

/// The room of one comparison. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    /// The largest event that there is room for.
    pub(super) largest: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// All is free.
    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(BUDGET / UNIT)),
            largest: AtomicUsize::new(LARGEST_AT_FIRST),
        }
    }

    /// Waits until there is room for a comparison of events as large as any that was met.
    pub(super) async fn enter(&self) -> Place {
        let largest = self.largest.load(Ordering::Relaxed);
        let units = u32::try_from(needed(largest).min(BUDGET) / UNIT).unwrap_or(u32::MAX);
        // Nothing ever closes it; without its permit a comparison would only be uncounted.
        let permit = self.free.clone().acquire_many_owned(units).await.ok();
        Place {
            largest,
            _permit: permit,
        }
    }

    /// An event of this size was met.
    pub(super) fn met(&self, size: usize) {
        let size = size.checked_next_power_of_two().unwrap_or(size);
        self.largest.fetch_max(size, Ordering::Relaxed);
    }
}

/// What a comparison holds at most of events up to this size: on each side what it looks ahead and a page behind it, which
/// ends with the event that fills it, and the two events under comparison.
fn needed(largest: usize) -> usize {
    let page = largest.saturating_mul(2);
    let side = AHEAD_BYTES.max(largest).saturating_add(page);
    side.saturating_add(largest).saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    /// How many comparisons have room at once.
    async fn at_once(room: &Room) -> usize {
        let mut places = Vec::new();
        while let Ok(place) = timeout(Duration::from_secs(1), room.enter()).await {
            places.push(place);
        }
        places.len()
    }

    #[tokio::test(start_paused = true)]
    async fn larger_events_leave_room_for_fewer_comparisons() {
        let room = Room::new();
        assert_eq!(at_once(&room).await, 18);
        for (size, expected) in [
            (1 << 20, 8),
            (1_000_000, 8),
            ((1 << 20) + 1, 4),
            (16 << 20, 1),
        ] {
            room.met(size);
            assert_eq!(at_once(&room).await, expected, "{size}");
        }
        room.met(usize::MAX);
        assert_eq!(at_once(&room).await, 1);
    }
}
