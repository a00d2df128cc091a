//! The real program as a child process: with a configuration of its own, a service manager that is a socket, a log that
//! is read, signals and a plain HTTP client. Never sleeps to synchronise: waits for conditions, up to a limit.

mod http;
mod program;
mod servers;

use std::time::{Duration, Instant};

pub(crate) use http::{get, raw, request};
pub(crate) use program::{Ditto, ask, command};
pub(crate) use servers::{Servers, foreign_client, seed};

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until `found` finds something.
pub(crate) async fn until<T>(what: &str, found: impl FnMut() -> Option<T>) -> T {
    until_or(|| what.to_owned(), found).await
}

/// As [`until`]; what was waited for is told as it is when the patience ends.
pub(crate) async fn until_or<T>(
    what: impl Fn() -> String,
    mut found: impl FnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {}", what());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
