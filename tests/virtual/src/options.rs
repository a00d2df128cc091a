//! The command line.
//!
//! Never reads anything else.

use clap::Parser;

use crate::mistake::Mistake;

/// Runs ditto's own client and loop between development servers, in virtual time over a played network.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 200)]
    pub(crate) seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    pub(crate) first: u64,
    /// Run this seed alone, here.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Print what happens, with the time, to standard error; as RUST_LOG says if it is set.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Make this mistake on purpose: the seeds must find it.
    #[arg(long, value_parser = mistake)]
    pub(crate) mistake: Option<Mistake>,
    /// Demand, too, that nothing is copied from a restored source that lacks events which were copied: ditto does not notice
    /// each of them yet.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Run each seed twice, and demand that both are the same.
    #[arg(long)]
    pub(crate) twice: bool,
    /// Seeds that run at once; as many as there are processors if not given.
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
}

fn mistake(name: &str) -> Result<Mistake, String> {
    Mistake::named(name).ok_or_else(|| {
        let names: Vec<&str> = Mistake::ALL.iter().map(|(name, _)| *name).collect();
        format!("expected one of {}", names.join(", "))
    })
}
