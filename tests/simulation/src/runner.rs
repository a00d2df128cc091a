//! Runs seeds: one with its trace, or many on several threads.
//!
//! Never decides what is right: it hands on what the schedule found.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::digest::{BLOCK, Digest, share};
use crate::mutation::Mutation;
use crate::options::Options;
use crate::setup;

/// What is kept of a schedule beside whether it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    Promises,
    /// The digest of what reached each port.
    Ports,
    /// That, and every line of what happened.
    Everything,
}

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
    /// What reached all ports, if that was asked for.
    pub digest: Option<u64>,
    /// The same, a line for each port.
    pub ports: Vec<String>,
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
    /// What reached the ports, for each thousand of seeds, if that was asked for.
    pub digests: BTreeMap<u64, u64>,
}

/// How many seeds with violations are collected before a run of many is ended.
const ENOUGH: usize = 20;

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, mutation: Option<Mutation>, watch: Watch) -> Report {
    let mut world = setup::world(Options::new(seed), mutation, watch == Watch::Everything);
    world.digest = (watch != Watch::Promises).then(Digest::default);
    world.run();
    let digest = world.digest.take();
    Report {
        violation: world.violation.take(),
        inputs: world.inputs,
        commands: world.commands,
        trace: world.trace.take().unwrap_or_default(),
        digest: digest.as_ref().map(Digest::total),
        ports: digest.as_ref().map(Digest::lines).unwrap_or_default(),
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
    watch: Watch,
) -> Summary {
    let enough = if until_first { 1 } else { ENOUGH };
    let parts = over_threads(first..first + count, threads, |seed, own: &mut Summary| {
        own.add(seed, run(seed, mutation, watch));
        own.violations.len() >= enough
    });
    let mut summary = Summary::default();
    parts.into_iter().for_each(|part| summary.join(part));
    summary.violations.sort();
    summary
}

/// Runs `step` for each of these seeds, over so many threads; what each thread gathered. Ends early once a step says that it
/// is enough.
pub(crate) fn over_threads<S: Default + Send>(
    seeds: Range<u64>,
    threads: usize,
    step: impl Fn(u64, &mut S) -> bool + Sync,
) -> Vec<S> {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let gathered = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = S::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        break;
                    }
                    if step(seed, &mut own) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
                gathered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(own);
            });
        }
    });
    gathered
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
}

impl Summary {
    fn add(&mut self, seed: u64, report: Report) {
        self.schedules += 1;
        self.inputs += report.inputs;
        self.violations
            .extend(report.violation.map(|violation| (seed, violation)));
        if let Some(digest) = report.digest {
            let block = self.digests.entry(seed / BLOCK * BLOCK).or_default();
            *block = block.wrapping_add(share(seed, digest));
        }
    }

    fn join(&mut self, mut other: Self) {
        self.schedules += other.schedules;
        self.inputs += other.inputs;
        self.violations.append(&mut other.violations);
        for (block, digest) in other.digests {
            let all = self.digests.entry(block).or_default();
            *all = all.wrapping_add(digest);
        }
    }
}
