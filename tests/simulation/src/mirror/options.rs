//! What a seed decides for a schedule of mirrors.
//!
//! Plain data. Never decides while a schedule runs.

use std::fmt;
use std::time::Duration;

use ditto_core::port::state::StateRules;

use super::What;
use super::state::rules;
use crate::dice::Dice;

/// The options of one schedule.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// Streams that somebody writes.
    pub streams: u64,
    /// Of those, streams that the mirror leaves out.
    pub excluded: u64,
    /// Events written while things go wrong.
    pub writes: u64,
    /// Daemons that want the mirror.
    pub daemons: usize,
    /// The source plays 23.10: a subscription from a scavenged position skips a record.
    pub skips: bool,
    /// Faults in a hundred seconds.
    pub faults: u64,
    /// Answers lost in a thousand.
    pub lost: u64,
    /// Bytes that the core may hold.
    pub budget: usize,
    /// The source lets its epochs be read.
    pub epochs: bool,
    /// The source is replaced by another, or restored from its own past.
    pub replaced: bool,
    /// The operator wants the streams that were left out, too, from some time on.
    pub widened: bool,
    /// What others do at the destination, in a hundred seconds.
    pub meddling: u64,
    /// A stream whose history is gone from the source is held.
    pub holds_gaps: bool,
    /// Streams that are truncated whole or soft-deleted at the source, in a hundred seconds.
    pub hidden: u64,
    /// Metadata and deletions are copied, by these rules.
    pub states: Option<StateRules>,
    /// Changes of streams' states at the source.
    pub changes: u64,
    /// How long things go wrong.
    pub faulty: Duration,
}

impl Options {
    /// What this seed decides of such a schedule.
    #[must_use]
    pub fn of(seed: u64, what: What) -> Self {
        match what {
            What::Events => Self::new(seed),
            What::States => Self::new(seed).with_states(),
        }
    }

    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 90);
        let streams = dice.between(1, 8);
        Self {
            seed,
            streams,
            excluded: dice.below(streams.div_ceil(2)),
            writes: dice.between(5, 120),
            daemons: if dice.permille(400) { 2 } else { 1 },
            skips: dice.permille(600),
            faults: dice.pick(&[0, 5, 20, 60]),
            lost: dice.pick(&[0, 10, 100, 300]),
            budget: dice.pick(&[300, 2_000, 1 << 20]),
            epochs: !dice.permille(150),
            replaced: dice.permille(150),
            faulty: Duration::from_secs(dice.between(20, 240)),
            widened: dice.permille(200),
            meddling: dice.pick(&[0, 0, 5, 20]),
            holds_gaps: dice.permille(200),
            hidden: dice.pick(&[0, 0, 5, 20]),
            states: None,
            changes: 0,
        }
    }

    /// The same with metadata and deletions, in half of the schedules. Thrown with dice of its own: the other options stay what
    /// they were.
    fn with_states(self) -> Self {
        let mut dice = Dice::new(self.seed, 95);
        let states = rules(&mut dice);
        Self {
            states,
            changes: states.map_or(0, |_| dice.between(1, 60)),
            // Streams are hidden by their states.
            hidden: states.map_or(self.hidden, |_| 0),
            ..self
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
