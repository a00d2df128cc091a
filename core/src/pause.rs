//! The pauses between attempts, the same for everything that is tried again.
//!
//! Never knows what is tried.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// The pause before attempt number `attempts` (from 1): 0.2 s, doubling to 30 s.
pub(crate) fn back_off(attempts: u32) -> Duration {
    FIRST
        .saturating_mul(1 << attempts.saturating_sub(1).min(8))
        .min(LONGEST)
}

/// A pipeline that is stopped with a reason looks again after this pause, which doubles each time.
const STOPPED_ASKS_FIRST: Duration = Duration::from_secs(2);

/// The longest of these pauses.
const STOPPED_ASKS: Duration = Duration::from_secs(30);

/// The pause before look number `lookups` (from 0) of a pipeline that is stopped: many a cause is removed within seconds,
/// such as a password that is changed at the server before it is in its file.
pub(crate) fn stopped_pause(lookups: u32) -> Duration {
    STOPPED_ASKS_FIRST
        .saturating_mul(1 << lookups.min(4))
        .min(STOPPED_ASKS)
}
