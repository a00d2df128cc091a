//! Command line of the simulator: many seeds, or one with everything that happened in it.
//!
//! Exit codes: 0 all seeds held, 1 some did not. Never looks for anything but the seeds it was given.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulation::mirror::{self, What};
use simulation::mutation::Mutation;
use simulation::options::Options;
use simulation::runner::{Watch, run, run_many};

#[derive(Debug, Parser)]
#[command(about = "Runs ditto's core against models of both servers, one schedule for each seed")]
struct Arguments {
    /// How many seeds to run
    #[arg(long, default_value_t = 100_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Run this seed alone and print its options
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: print everything that happens
    #[arg(long)]
    verbose: bool,
    /// Run every deliberate mistake and say after how many schedules it was found
    #[arg(long)]
    mistakes: bool,
    /// Print a digest of what reached each port, for each thousand of seeds and for all; with --seed: for each port
    #[arg(long)]
    digest: bool,
    /// Mirrors, which read a log, instead of subscriptions
    #[arg(long)]
    mirrors: bool,
    /// With --mirrors: metadata and deletions, too
    #[arg(long)]
    states: bool,
    /// Threads; as many as there are processors if not given
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut out = io::stdout().lock();
    match arguments.seed {
        Some(seed) if arguments.mirrors => one_mirror(&mut out, seed, &arguments),
        None if arguments.mirrors => many_mirrors(&mut out, &arguments),
        _ if arguments.mistakes => mistakes(&mut out),
        Some(seed) => one(&mut out, seed, &arguments),
        None => many(&mut out, &arguments),
    }
}

fn mistakes(out: &mut impl Write) -> io::Result<ExitCode> {
    let mut missed = false;
    for mutation in Mutation::ALL {
        // One thread, so that the number of schedules is exact.
        let summary = run_many(0, 20_000, 1, Some(*mutation), true, Watch::Promises);
        match summary.violations.first() {
            Some((seed, what)) => {
                writeln!(out, "{mutation:?}: after {} schedules: {what}", seed + 1)?
            }
            None => {
                missed = true;
                writeln!(out, "{mutation:?}: NOT FOUND")?;
            }
        }
    }
    Ok(if missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn one(out: &mut impl Write, seed: u64, arguments: &Arguments) -> io::Result<ExitCode> {
    writeln!(out, "{}", Options::new(seed))?;
    let watch = match (arguments.verbose, arguments.digest) {
        (true, _) => Watch::Everything,
        (false, true) => Watch::Ports,
        (false, false) => Watch::Promises,
    };
    let report = run(seed, None, watch);
    for line in &report.trace {
        writeln!(out, "{line}")?;
    }
    if arguments.digest {
        for line in &report.ports {
            writeln!(out, "{line}")?;
        }
        if let Some(digest) = report.digest {
            writeln!(out, "digest: {digest:016x}")?;
        }
    }
    match report.violation {
        None => {
            writeln!(
                out,
                "held: {} inputs, {} commands",
                report.inputs, report.commands
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Some(violation) => {
            writeln!(out, "VIOLATION: {violation}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn one_mirror(out: &mut impl Write, seed: u64, arguments: &Arguments) -> io::Result<ExitCode> {
    let what = what(arguments);
    writeln!(out, "{}", mirror::Options::of(seed, what))?;
    let report = mirror::run(seed, what, None, arguments.verbose);
    for line in &report.trace {
        writeln!(out, "{line}")?;
    }
    let (inputs, checkpoints, copied) = (report.inputs, report.checkpoints, report.copied);
    match report.violation {
        None => {
            writeln!(
                out,
                "held: {inputs} inputs, {checkpoints} checkpoints, {copied} events copied"
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Some(violation) => {
            writeln!(out, "VIOLATION: {violation}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn many_mirrors(out: &mut impl Write, arguments: &Arguments) -> io::Result<ExitCode> {
    let threads = threads(arguments)?;
    let begun = Instant::now();
    let (inputs, found) =
        mirror::run_many(arguments.first, arguments.seeds, what(arguments), threads);
    writeln!(
        out,
        "{} schedules of mirrors, {inputs} inputs, {} violations, {:.1} s",
        arguments.seeds,
        found.len(),
        begun.elapsed().as_secs_f64()
    )?;
    for (seed, violation) in found.iter().take(20) {
        writeln!(out, "  --mirrors --seed {seed}: {violation}")?;
    }
    Ok(if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn what(arguments: &Arguments) -> What {
    if arguments.states {
        What::States
    } else {
        What::Events
    }
}

fn threads(arguments: &Arguments) -> io::Result<usize> {
    match arguments.threads {
        Some(threads) => Ok(threads),
        None => Ok(std::thread::available_parallelism()?.get()),
    }
}

fn many(out: &mut impl Write, arguments: &Arguments) -> io::Result<ExitCode> {
    let threads = threads(arguments)?;
    let begun = Instant::now();
    let (first, seeds) = (arguments.first, arguments.seeds);
    let watch = if arguments.digest {
        Watch::Ports
    } else {
        Watch::Promises
    };
    let summary = run_many(first, seeds, threads, None, false, watch);
    if arguments.digest {
        for (block, digest) in &summary.digests {
            writeln!(out, "digest from {block}: {digest:016x}")?;
        }
        let all = summary.digests.values();
        let total = all.fold(0_u64, |total, digest| total.wrapping_add(*digest));
        writeln!(out, "digest of all: {total:016x}")?;
    }
    writeln!(
        out,
        "{} schedules, {} inputs, {} violations, {:.1} s",
        summary.schedules,
        summary.inputs,
        summary.violations.len(),
        begun.elapsed().as_secs_f64()
    )?;
    for (seed, violation) in &summary.violations {
        writeln!(out, "  --seed {seed}: {violation}")?;
    }
    Ok(if summary.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
