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
