//! `make chaos`: the real ditto between development servers, all of them processes of their own, while everything goes wrong
//! that the servers and the operating system know; and in the end both sides must be equal.
//!
//! Never reads anything of ditto's own code: it is judged by what the servers hold.

mod control;
mod daemon;
mod group;
mod judge;
mod nemesis;
mod options;
mod others;
mod run;
mod tally;
mod trouble;
mod world;
mod writing;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use devstore::Generation;
use support::processes::beside_this_program;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::options::Options;
use crate::run::{Setting, Verdict, run};
use crate::tally::Tally;

/// Lets everything go wrong between two servers and demands that both are equal in the end.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// These seeds and no other; may be repeated.
    #[arg(long)]
    seed: Vec<u64>,
    /// So many at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// The servers' version, 23.10.4 or 26.1.0; each seed chooses for both sides if absent.
    #[arg(long, value_name = "VERSION", value_parser = Generation::of_version)]
    server: Option<Generation>,
    /// How much faster than the day's the servers' clocks run.
    #[arg(long, default_value_t = 3.0)]
    time_scale: f64,
    /// Seconds after the end of the faults in which both sides must become equal.
    #[arg(long, default_value_t = 50)]
    patience: u64,
    /// Fail if something of the table never happened in any of the seeds.
    #[arg(long)]
    all_troubles: bool,
    /// Print after each seed how often everything happened in it, beside the sums at the end.
    #[arg(long)]
    each: bool,
    /// Keep the logs of runs that passed.
    #[arg(long)]
    keep: bool,
    /// The ditto to test; the one beside this program if absent.
    #[arg(long, value_name = "FILE")]
    ditto: Option<PathBuf>,
    /// Where logs are kept.
    #[arg(long, value_name = "FOLDER", default_value = "target/chaos")]
    logs: PathBuf,
}

/// What a fault finds to strike differs from run to run of a seed, and on a busy machine it may be nothing: with
/// `--all-troubles` the seeds run up to so many times until everything has happened once.
const ROUNDS: u32 = 3;

/// What all seeds gave.
#[derive(Debug, Default)]
struct Outcome {
    tally: Tally,
    failed: Vec<u64>,
    longest: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    match chaos(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if not even this can be written.
            let _unwritable = writeln!(io::stderr(), "chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn chaos(arguments: Arguments) -> Result<()> {
    let program = match arguments.ditto {
        Some(program) => program,
        None => beside_this_program("ditto")?,
    };
    let folder = std::env::current_dir()?.join(&arguments.logs);
    let setting = Arc::new(Setting {
        program,
        folder,
        server: arguments.server,
        time_scale: arguments.time_scale,
        patience: Duration::from_secs(arguments.patience),
        keep: arguments.keep,
    });
    let seeds: Vec<u64> = if arguments.seed.is_empty() {
        (arguments.first..arguments.first + arguments.seeds).collect()
    } else {
        arguments.seed
    };
    let mut outcome = Outcome::default();
    for round in 1..=ROUNDS {
        all(
            &seeds,
            arguments.jobs,
            arguments.each,
            &setting,
            &mut outcome,
        )
        .await?;
        let never = outcome.tally.never();
        if !arguments.all_troubles || never.is_empty() || round == ROUNDS {
            break;
        }
        writeln!(
            io::stdout(),
            "nothing to strike was found by: {}; the seeds run again",
            never.join(", ")
        )?;
    }
    let Outcome {
        tally,
        failed,
        longest,
    } = outcome;
    let mut out = io::stdout();
    writeln!(
        out,
        "How often everything happened in {} seeds:\n{tally}",
        seeds.len()
    )?;
    writeln!(
        out,
        "{} seeds, {} failed, the longest took {:.1} s",
        seeds.len(),
        failed.len(),
        longest.as_secs_f64()
    )?;
    if !failed.is_empty() {
        bail!(
            "these seeds failed: {failed:?}; logs are in {}",
            setting.folder.display()
        );
    }
    let never = tally.never();
    if arguments.all_troubles && !never.is_empty() {
        bail!("these troubles never happened: {}", never.join(", "));
    }
    Ok(())
}

/// Runs every seed, so many at the same time.
async fn all(
    seeds: &[u64],
    jobs: usize,
    each: bool,
    setting: &Arc<Setting>,
    outcome: &mut Outcome,
) -> Result<()> {
    let places = Arc::new(Semaphore::new(jobs.max(1)));
    let mut running = JoinSet::new();
    for seed in seeds {
        let (places, setting, seed) = (Arc::clone(&places), Arc::clone(setting), *seed);
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            run(seed, &setting).await
        });
    }
    while let Some(verdict) = running.join_next().await {
        let verdict = verdict.context("a run panicked")?;
        tell(&verdict, setting.server)?;
        if each {
            write!(io::stdout(), "{}", verdict.tally)?;
        }
        outcome.tally.merge(&verdict.tally);
        outcome.longest = outcome.longest.max(verdict.took);
        if verdict.complaint.is_some() {
            outcome.failed.push(verdict.seed);
        }
    }
    Ok(())
}

fn tell(verdict: &Verdict, server: Option<Generation>) -> Result<()> {
    let Verdict {
        seed,
        took,
        settled,
        most_bytes,
        complaint,
        ..
    } = verdict;
    let word = complaint.as_deref().unwrap_or("equal");
    writeln!(
        io::stdout(),
        "seed {seed} ({}): {word}; {:.1} s, {:.1} s after the last trouble, at most {most_bytes} bytes of memory",
        Options::new(*seed, server),
        took.as_secs_f64(),
        settled.as_secs_f64()
    )?;
    if complaint.is_some() {
        let server = server.map_or_else(String::new, |server| {
            format!(" SERVER={}", server.version())
        });
        writeln!(io::stdout(), "  again: make chaos SEED={seed}{server}")?;
    }
    Ok(())
}
