//! Waits for a condition, with a deadline. Does not wait longer than the condition takes.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;

/// Only a failing test waits this long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at a condition that nobody announces.
const PAUSE: Duration = Duration::from_millis(10);

/// What a condition says of itself: that it holds, with what it found, or why it does not.
pub trait Condition {
    /// What holds.
    type Found;

    /// Returns what was found, or the reason why it was not.
    ///
    /// # Errors
    /// The condition does not hold yet.
    fn found(self) -> Result<Self::Found, String>;
}

impl<T, E: Display> Condition for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|why| why.to_string())
    }
}

impl<T> Condition for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "it is not there".to_owned())
    }
}

/// Waits until the condition holds and returns what it found.
///
/// # Panics
/// It does not hold at the deadline; the message says what was waited for and why it does not hold.
pub async fn until<C: Condition>(what: &str, mut condition: impl FnMut() -> C) -> C::Found {
    until_async(what, async || condition()).await
}

/// The same for a condition that must be asked for.
///
/// # Panics
/// It does not hold at the deadline.
pub async fn until_async<C: Condition>(
    what: &str,
    mut condition: impl AsyncFnMut() -> C,
) -> C::Found {
    let deadline = Instant::now() + DEADLINE;
    loop {
        match condition().await.found() {
            Ok(found) => return found,
            Err(why) => assert!(
                Instant::now() < deadline,
                "waited in vain until {what}: {why}"
            ),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
