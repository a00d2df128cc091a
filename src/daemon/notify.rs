//! What systemd is told: ready, status, watchdog, reloading, stopping.
//!
//! Says nothing at all without `$NOTIFY_SOCKET`. Never says READY or WATCHDOG by itself.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

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
        self.send(&[NotifyState::Ready, NotifyState::Status(status)]);
        status.clone_into(&mut self.last_status);
    }

    /// The one line of `systemctl status`; sent when it changes.
    pub(super) fn status(&mut self, status: &str) {
        if self.last_status != status {
            self.send(&[NotifyState::Status(status)]);
            status.clone_into(&mut self.last_status);
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
        self.send(&[NotifyState::Stopping, NotifyState::Status(status)]);
        status.clone_into(&mut self.last_status);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        // Best effort: a service manager that cannot be reached will not miss it.
        if let Err(error) = sd_notify::notify(states) {
            debug!(ditto.error = %error, "failed to notify the service manager");
        }
    }
}
