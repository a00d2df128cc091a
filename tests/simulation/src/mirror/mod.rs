//! Mirrors: the core that reads a log, against a model of `$all` and of a destination that keeps its checkpoint.
//!
//! A world of its own, with the same dice: nothing of groups is in it. Never opens a socket, never sleeps.

mod daemon;
mod destination;
mod faults;
mod mistake;
mod options;
mod promises;
mod reading;
mod serve;
mod source;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::mistake::Mistake;
pub use self::options::Options;
use self::world::World;

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

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, mistake: Option<Mistake>, trace: bool) -> Report {
    let mut world = World::new(Options::new(seed), mistake, trace);
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
pub fn run_many(first: u64, count: u64, threads: usize) -> (u64, Vec<(u64, String)>) {
    let (next, inputs) = (AtomicU64::new(first), AtomicU64::new(0));
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let report = run(seed, None, false);
                    inputs.fetch_add(report.inputs, Ordering::Relaxed);
                    if let Some(violation) = report.violation {
                        let mut found = found
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner);
                        found.push((seed, violation));
                    }
                }
            });
        }
    });
    let mut found = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort();
    (inputs.into_inner(), found)
}
