//! The end: stop the sources, let what is in flight end, name what is left.
//!
//! Never waits longer than the deadline and a little, and not even that once it is asked again.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::{Finish, Supervisor};
use crate::daemon::signals::Control;
use crate::daemon::subscription_task::Wanted;
use crate::log::message_id;

/// While stopping, what is left is named this often.
const NAG: Duration = Duration::from_secs(5);
/// After the last deadline nothing is waited for any longer than this.
const CUT_OFF: Duration = Duration::from_secs(4);

impl Supervisor {
    /// Stops the sources, lets what is in flight end, names what is left.
    pub(super) async fn stop(mut self) -> Finish {
        let views = self.parts.status.views();
        let statuses = views.iter().filter_map(|view| view.status.as_ref());
        let held = statuses
            .map(|status| status.held.iter().sum::<usize>())
            .sum();
        let stuck = views.iter().any(|view| view.needs_reload);
        let deadline = Instant::now() + self.settings.daemon.shutdown_timeout;
        info!(
            ditto.timeout_s = self.settings.daemon.shutdown_timeout.as_secs_f64(),
            "stopping"
        );
        self.parts
            .notifier
            .stopping("stopping: finishing events in flight");
        self.want_stop(deadline);
        let mut clean = true;
        let mut nag = Instant::now() + NAG;
        while !self.subscription_tasks.is_empty() {
            tokio::select! {
                Some(ended) = self.subscription_tasks.join_next() => match ended {
                    Ok((key, was_clean)) => {
                        clean &= was_clean;
                        self.kept.remove(&key);
                    }
                    Err(_) => clean = false,
                },
                Some(Control::Stop) = self.parts.control.recv() => {
                    warn!(ditto.reason = "a second signal", "asked to stop again; stopping at once");
                    clean = false;
                    break;
                }
                _ = self.ticks.tick() => self.feed_watchdog(),
                () = sleep_until(nag) => {
                    nag += NAG;
                    info!(ditto.left = self.left(), "still stopping");
                }
                () = sleep_until(deadline + CUT_OFF) => {
                    clean = false;
                    break;
                }
            }
        }
        if clean {
            info!(
                message_id = message_id::STOPPED,
                "stopped; everything in flight was finished"
            );
        } else {
            warn!(
                message_id = message_id::STOPPED,
                ditto.left = self.left(),
                ditto.reason = "shutdown_timeout was over, or a second signal came",
                "stopped with events in flight; the source delivers them again"
            );
        }
        Finish { clean, held, stuck }
    }

    fn want_stop(&self, deadline: Instant) {
        for kept in self.kept.values() {
            kept.wanted.send_replace(Wanted::Stop(deadline));
        }
    }

    fn left(&self) -> String {
        let names: Vec<String> = self.kept.keys().map(ToString::to_string).collect();
        names.join(", ")
    }
}
