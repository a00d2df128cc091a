//! Runs seeds: one with its trace, or many on several threads.
//!
//! Never decides what is right: it hands on what the schedule found.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::mutation::Mutation;
use crate::options::Options;
use crate::setup;

/// What one schedule was like.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was wrong; `None`: nothing.
    pub violation: Option<String>,
    /// Inputs that the cores took.
    pub inputs: u64,
    /// Commands that they gave.
    pub commands: u64,
    /// What happened, line by line, if that was asked for.
    pub trace: Vec<String>,
}

/// What many schedules were like.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Schedules that were run.
    pub schedules: u64,
    /// Inputs of all of them.
    pub inputs: u64,
    /// Seeds that found something, and what; ascending.
    pub violations: Vec<(u64, String)>,
}

/// How many seeds with violations are collected before a run of many is ended.
const ENOUGH: usize = 20;

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, mutation: Option<Mutation>, traced: bool) -> Report {
    let mut world = setup::world(Options::new(seed), mutation, traced);
    world.run();
    Report {
        violation: world.violation.take(),
        inputs: world.inputs,
        commands: world.commands,
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// Runs `count` seeds from `first` on, over so many threads. Ends early if `until_first` and a violation was found.
#[must_use]
pub fn run_many(
    first: u64,
    count: u64,
    threads: usize,
    mutation: Option<Mutation>,
    until_first: bool,
) -> Summary {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let summary = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Summary::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let report = run(seed, mutation, false);
                    own.schedules += 1;
                    own.inputs += report.inputs;
                    if let Some(violation) = report.violation {
                        own.violations.push((seed, violation));
                        if until_first || own.violations.len() >= ENOUGH {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
                let mut all = summary
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                all.schedules += own.schedules;
                all.inputs += own.inputs;
                all.violations.append(&mut own.violations);
            });
        }
    });
    let mut summary = summary
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    summary.violations.sort();
    summary
}
