//! The commands, one file each, and their exit codes.
//!
//! 0: done or healthy. 1: failed. 64: wrong usage. 78: the configuration is not valid. Never any other, except that
//! `verify` uses 1 and 2 as it documents.

mod check;
mod completions;
mod import;
mod manual;
mod run;
mod status;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

/// Where the configuration is if nobody says otherwise.
const DEFAULT_FILE: &str = "/etc/ditto/ditto.toml";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    Failed,
    Usage,
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 64,
            Exit::Configuration => 78,
        })
    }
}

/// Copies events from an Event Store to a destination, exactly.
#[derive(Debug, Parser)]
#[command(name = "ditto", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy events until told to stop; what the service runs.
    Run(ConfigurationFile),
    /// Say whether the configuration is valid, and name every mistake in it.
    Check(check::Arguments),
    /// Ask the running daemon how it is.
    Status(status::Arguments),
    /// Make a configuration from the settings of the .NET program that ditto replaces.
    Import(import::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Print the part of the manual page that is about commands.
    #[command(hide = true)]
    Manual,
}

/// The option that all commands with a configuration share.
#[derive(Debug, clap::Args)]
struct ConfigurationFile {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
}

/// Runs the command that the arguments name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    match arguments.command {
        Command::Run(file) => run::run(&file.config),
        Command::Check(arguments) => check::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Manual => manual::run(Arguments::command()),
    }
    .into()
}

/// Prints what clap has to say. Help that was asked for is no mistake; clap's own code for mistakes, 2, is not ditto's.
fn usage(error: &clap::Error) -> Exit {
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => Exit::Ok,
        _ => Exit::Usage,
    }
}

/// Prints a line for the person or program that called; a closed pipe is theirs to know.
fn say(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{text}").unwrap_or_default();
}

/// Prints a line about a failure.
fn complain(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr().lock(), "ditto: {text}").unwrap_or_default();
}
