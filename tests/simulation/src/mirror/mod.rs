//! Mirrors: the core that reads a log, against a model of `$all` and of a destination that keeps its checkpoint.
//!
//! A world of its own, with the same dice: nothing of groups is in it. Never opens a socket, never sleeps.

mod daemon;
mod destination;
mod faults;
mod mistake;
mod options;
mod others;
mod promises;
mod reading;
mod serve;
mod silence;
mod source;
mod state;
mod world;

pub use self::mistake::Mistake;
pub use self::options::Options;
use self::world::World;
use crate::runner::over_threads;

/// The inputs of many schedules, and the seeds that found something.
type Found = (u64, Vec<(u64, String)>);

/// What one schedule was like.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was wrong; `None`: nothing.
    pub violation: Option<String>,
    /// Inputs that the cores took.
    pub inputs: u64,
    /// Checkpoints that were stored.
    pub checkpoints: u64,
    /// Events at the destination at the end.
    pub copied: usize,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
}

/// What a schedule may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Events alone: metadata and deletions are not copied.
    Events,
    /// In half of the schedules metadata and deletions, too.
    States,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, what: What, mistake: Option<Mistake>, trace: bool) -> Report {
    let mut world = World::new(Options::of(seed, what), mistake, trace);
    world.run();
    Report {
        violation: world.promises.broken().map(str::to_owned),
        inputs: world.inputs,
        checkpoints: world.promises.checkpoints,
        copied: world.destination.streams.values().map(Vec::len).sum(),
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// Runs `count` seeds from `first` on, over so many threads: the inputs of all, and the seeds that found something.
#[must_use]
pub fn run_many(first: u64, count: u64, what: What, threads: usize) -> Found {
    let parts = over_threads(first..first + count, threads, |seed, own: &mut Found| {
        let report = run(seed, what, None, false);
        own.0 += report.inputs;
        own.1
            .extend(report.violation.map(|violation| (seed, violation)));
        false
    });
    let (inputs, found): (Vec<u64>, Vec<_>) = parts.into_iter().unzip();
    let mut found = found.concat();
    found.sort();
    (inputs.into_iter().sum(), found)
}
