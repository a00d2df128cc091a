//! The pipelines' own runtime, and a way to see whether it still runs.
//!
//! A client library that spins can freeze a whole runtime (protocol §11 T3); the supervisor, which feeds systemd's
//! watchdog, therefore lives on another one. Never runs anything of the supervisor.

use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

const BEAT: Duration = Duration::from_millis(1);

/// Starts the runtime that pipelines run on.
///
/// # Errors
/// If its threads cannot be started.
pub fn for_pipelines() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name("pipelines")
        .enable_all()
        .build()
}

/// Asks the runtime for a sign of life, one question at a time.
#[derive(Debug)]
pub(super) struct Pulse {
    runtime: Handle,
    question: JoinSet<()>,
}

impl Pulse {
    pub(super) fn new(runtime: Handle) -> Self {
        let mut pulse = Self {
            runtime,
            question: JoinSet::new(),
        };
        pulse.ask();
        pulse
    }

    /// Whether the last question was answered; if so, the next one is asked.
    pub(super) fn is_beating(&mut self) -> bool {
        let answered = self.question.try_join_next().is_some();
        if answered {
            self.ask();
        }
        answered
    }

    fn ask(&mut self) {
        // A timer, not an empty task: a frozen driver is what must be noticed.
        self.question
            .spawn_on(async { tokio::time::sleep(BEAT).await }, &self.runtime);
    }
}
