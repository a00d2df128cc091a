//! `virtual-time`: seeds one after the other or beside each other, each in a process of its own.
//!
//! A process of its own, because what a process draws by chance depends on what it drew before. Never judges anything.

mod end;
mod judge;
mod machine;
mod mistake;
mod network;
mod options;
mod plan;
mod process;
mod runner;
mod watched;
mod world;
mod writing;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let options = options::Options::parse();
    match options.seed {
        Some(seed) => runner::one(seed, &options),
        None => runner::many(&options),
    }
}
