//! What both halves have at hand while an input is handled: settings, time, commands, ids, memory.
//!
//! Never decides anything, and holds nothing of an event.

use std::time::Duration;

use crate::budget::Memory;
use crate::port::{Command, CoreSettings, Moment, Report};

/// A tick comes every second: with nothing for so long the process was frozen, or its machine was suspended.
const FROZEN: Duration = Duration::from_secs(5);

/// The time, the settings, and where commands go.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: CoreSettings,
    pub(crate) now: Moment,
    /// When the process last went on after having been frozen.
    pub(crate) thawed: Option<Moment>,
    pub(crate) out: Vec<Command>,
    pub(crate) memory: Memory,
    /// Grows with every outcome, repair page and hole page.
    pub(crate) progress: u64,
    /// The source answered something last in a way that says that it does not work, or is behind.
    pub(crate) source_failing: bool,
    /// Nothing is written while another process may hold what is copied.
    pub(crate) may_write: bool,
    /// What streams of the source no longer show may still be in its log, and the intake can tell.
    pub(crate) has_log: bool,
    /// The pipeline is to end: nothing new is begun.
    pub(crate) ending: bool,
    last_id: u64,
}

impl Context {
    pub(crate) fn new(settings: CoreSettings) -> Self {
        Self {
            settings,
            now: Moment::ZERO,
            thawed: None,
            out: Vec::new(),
            memory: Memory::default(),
            progress: 0,
            source_failing: false,
            may_write: true,
            has_log: false,
            ending: false,
            last_id: 0,
        }
    }

    /// Time has passed; with a jump if the process was frozen.
    pub(crate) fn pass(&mut self, now: Moment) {
        if now.saturating_sub(self.now) > FROZEN {
            self.thawed = Some(now);
        }
        self.now = self.now.max(now);
    }

    pub(crate) fn report(&mut self, report: Report) {
        self.out.push(Command::Report(report));
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
