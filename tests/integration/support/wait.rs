//! Waits for a condition, with a deadline. Never waits longer than the condition takes.

use std::time::Duration;

use tokio::time::Instant;

/// Only a failing test waits this long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Between two lookups at a condition that nobody announces.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until the condition holds; fails with the last word on why it does not.
pub(crate) async fn until<E: std::fmt::Display>(
    what: &str,
    mut condition: impl FnMut() -> Result<(), E>,
) {
    until_async(what, async || condition()).await;
}

/// The same for a condition that must be asked for.
pub(crate) async fn until_async<E: std::fmt::Display>(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<(), E>,
) {
    let deadline = Instant::now() + DEADLINE;
    while let Err(why_not) = condition().await {
        assert!(
            Instant::now() < deadline,
            "waited in vain until {what}: {why_not}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
