//! What systemd is told: ready, status, watchdog, reloading, stopping.
//!
//! Says nothing at all without `$NOTIFY_SOCKET`. Never says READY or WATCHDOG by itself.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

use crate::escape;

/// systemd takes 4,096 bytes in a datagram; nobody reads a line that long.
const LONGEST_STATUS: usize = 2_000;

/// The way to the service manager.
#[derive(Debug, Default)]
pub struct Notifier {
    last_status: String,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the environment says: whom to tell, and whether there is a watchdog.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            last_status: String::new(),
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// How often the watchdog must be fed, if the unit has one: a third of its limit.
    pub(super) fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 3)
    }

    /// Start-up is over.
    pub(super) fn ready(&mut self, status: &str) {
        // Alone: the manager drops a datagram that is too long as a whole, and would wait for READY for ever.
        self.send(&[NotifyState::Ready]);
        self.status(status);
    }

    /// The one line of `systemctl status`; sent when it changes.
    pub(super) fn status(&mut self, status: &str) {
        let status = cut(status);
        if self.last_status != status {
            self.send(&[NotifyState::Status(&status)]);
            self.last_status = status;
        }
    }

    /// The supervisor and the pipelines' runtime make progress.
    pub(super) fn watchdog(&self) {
        if self.watchdog.is_some() {
            self.send(&[NotifyState::Watchdog]);
        }
    }

    /// A reload begins; READY ends it. Both in one datagram with the time, as systemd demands.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(error) => debug!(ditto.error = %error, "failed to read the monotonic clock"),
        }
    }

    /// The stop begins.
    pub(super) fn stopping(&mut self, status: &str) {
        self.send(&[NotifyState::Stopping]);
        self.status(status);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        // Best effort: a service manager that cannot be reached will not miss it.
        if let Err(error) = sd_notify::notify(states) {
            debug!(ditto.error = %error, "failed to notify the service manager");
        }
    }
}

/// One line that fits into a datagram; a line end would begin another variable of the protocol.
fn cut(status: &str) -> String {
    let mut line = escape::line(status).into_owned();
    if line.len() > LONGEST_STATUS {
        line.truncate(line.floor_char_boundary(LONGEST_STATUS));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_STATUS, cut};

    #[test]
    fn status_line_fits_into_a_datagram() {
        for (status, expected) in [
            ("1 subscription running", "1 subscription running"),
            ("two\nlines", "two\\nlines"),
        ] {
            assert_eq!(cut(status), expected);
        }
        let long = cut(&"ä".repeat(10_000));
        assert!(long.len() <= LONGEST_STATUS + '…'.len_utf8());
        assert!(long.ends_with("ä…"));
    }
}
