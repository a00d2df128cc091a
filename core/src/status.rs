//! Readings of the core: the state in words, and the figures behind metrics and `/status`.
//!
//! Never changes anything but what was last told.

use crate::Core;
use crate::port::{PipelineState, Report, Side, Status};

impl Core {
    /// A reading for status, metrics and the stall detector.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = Status {
            state: self.state(),
            events_buffered: self.cx.memory.entries(),
            bytes_buffered: self.cx.memory.bytes(),
            progress: self.cx.progress,
            ..Status::default()
        };
        self.streams.read_into(&mut status);
        self.intake.read_into(&self.cx, self.due(), &mut status);
        status
    }

    fn state(&self) -> PipelineState {
        if let Some(trouble) = self.intake.trouble() {
            return trouble;
        }
        let destination = self.streams.destination_answers();
        if destination == Some(false) {
            return PipelineState::Retrying(Side::Destination);
        }
        if self.cx.source_failing {
            return PipelineState::Retrying(Side::Source);
        }
        if let Some(searching) = self.intake.searching() {
            return searching;
        }
        let was_running = self.reported != PipelineState::Connecting;
        if destination.is_some() && (was_running || self.intake.is_ready()) {
            PipelineState::Running
        } else {
            PipelineState::Connecting
        }
    }

    pub(crate) fn report_state(&mut self) {
        let state = self.state();
        if state != self.reported {
            self.reported = state.clone();
            self.cx.report(Report::State(state));
        }
    }
}
