//! The benchmark: how fast ditto copies, against copying one event at a time and against what the servers can do.
//!
//! Every figure that the project claims comes from here, printed with how to repeat it. Never asserts a time.

mod behind;
mod cell;
mod chart;
mod competitors;
mod figures;
mod latency;
mod memory;
mod mirror;
mod plan;
mod process;
mod report;
mod restart;
mod serve;
mod spread;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Measures ditto on this machine, against development servers.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Every cell of every scenario instead of the rows of the table.
    #[arg(long)]
    full: bool,
    /// Only rows and cells whose name contains this.
    #[arg(long, value_name = "TEXT")]
    scenario: Option<String>,
    /// Seconds that a run is measured, after its warm-up.
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    window: u64,
    /// Runs of each competitor.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// The ditto binary to measure.
    #[arg(long, value_name = "FILE", default_value = "target/release/ditto")]
    ditto: PathBuf,
    /// Folder for results.json and the charts.
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one development server, filled; used by the benchmark for servers in processes of their own.
    #[command(hide = true)]
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let written = writeln!(std::io::stderr(), "bench: {error:#}");
            drop(written);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start a runtime")?;
    match arguments.command {
        Some(Command::Serve(serve)) => runtime.block_on(serve.run()),
        None => runtime.block_on(plan::run(&plan::Settings {
            full: arguments.full,
            scenario: arguments.scenario,
            window: std::time::Duration::from_secs(arguments.window),
            runs: arguments.runs,
            ditto: arguments.ditto,
            out: arguments.out,
        })),
    }
}
