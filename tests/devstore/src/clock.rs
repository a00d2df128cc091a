//! The server's wall clock: it goes with tokio's, so that it stands still and leaps with it in a test.
//!
//! Never asked how long something took: that is tokio's clock itself.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A moment by both clocks.
static BEGAN: OnceLock<(SystemTime, Instant)> = OnceLock::new();

/// Has the clocks of all servers of this process show that time now. Only before the first of them is started.
pub fn begin_at(time: SystemTime) {
    BEGAN.get_or_init(|| (time, Instant::now()));
}

pub(crate) fn now() -> SystemTime {
    let (time, began) = BEGAN.get_or_init(|| (SystemTime::now(), Instant::now()));
    *time + began.elapsed()
}

/// Time since 1970-01-01 UTC.
pub(crate) fn since_1970() -> Duration {
    now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
