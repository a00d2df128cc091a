//! The commands, one file each, and their exit codes.
//!
//! 0: done or healthy. 1: failed; of `verify`: something is different or missing. 2, of `verify`: not everything
//! could be compared, and of `run --until caught-up`, if a stream is held. 64: wrong usage. 78: the configuration is not valid. Never any other.

mod check;
mod completions;
mod confirm;
mod daemon;
mod import;
mod manual;
mod mirror;
mod output;
mod parked;
mod reload;
mod run;
mod status;
mod table;
mod verify;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::config::load::{Environment, load};
use crate::config::settings::{Settings, SubscriptionSettings};
use ditto_core::event::StreamName;
use ditto_values::units::{DURATION_FORM, parse_duration};
use output::{complain, complain_lines, say, say_json, say_lines};

/// Where the configuration is if nobody says otherwise.
const DEFAULT_FILE: &str = "/etc/ditto/ditto.toml";
const ONLY_SUBSCRIPTIONS: &str = "this command is for subscriptions";

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok,
    Failed,
    Incomplete,
    Usage,
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Incomplete => 2,
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
    Run(run::Arguments),
    /// Validate the configuration, and name every error in it.
    Check(check::Arguments),
    /// Show the state of the running daemon
    Status(status::Arguments),
    /// Have the running daemon read its configuration again, and show the result
    Reload(reload::Arguments),
    /// Compare both sides event by event, while the daemon runs or not.
    Verify(verify::Arguments),
    /// Show what a mirror keeps at the destination, or set it back.
    Mirror(mirror::Arguments),
    /// Manage the events that the groups have parked: list, show, export, replay or discard them.
    Parked(parked::Arguments),
    /// Write a configuration from the settings of the .NET program that ditto replaces.
    Import(import::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Print the part of the manual page that is about commands.
    #[command(hide = true)]
    Manual,
}

/// The option that all commands with a configuration share.
#[derive(Clone, Debug, clap::Args)]
struct ConfigurationFile {
    /// Configuration file.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE)]
    config: PathBuf,
}

/// Runs the command that the arguments name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let exit = usage(&error);
            if exit == Exit::Usage {
                // A drop-in of the service may have changed the command line.
                crate::http::turn_away("ditto is not running: wrong usage, see the journal");
            }
            return exit.into();
        }
    };
    let exit = match &arguments.command {
        Command::Run(arguments) => run::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Status(arguments) => status::run(arguments),
        Command::Reload(arguments) => reload::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Mirror(arguments) => mirror::run(arguments),
        Command::Parked(arguments) => parked::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Completions(arguments) => completions::run(arguments, Arguments::command()),
        Command::Manual => manual::run(Arguments::command()),
    };
    match (exit, &arguments.command) {
        (Exit::Ok, Command::Verify(_)) if output::is_lost() => Exit::Incomplete,
        (Exit::Ok, _) if output::is_lost() => Exit::Failed,
        _ => exit,
    }
    .into()
}

/// Prints what clap has to say. Help that was asked for is no mistake; clap's own code for mistakes, 2, is not ditto's.
fn usage(error: &clap::Error) -> Exit {
    let printed = error.print().and_then(|()| std::io::stdout().flush());
    if !matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return Exit::Usage;
    }
    if let Err(error) = printed {
        output::note_lost(&error);
    }
    if output::is_lost() {
        Exit::Failed
    } else {
        Exit::Ok
    }
}

/// The settings of a command beside the daemon. Complains if they are not valid.
fn settings(file: &ConfigurationFile) -> Result<Settings, Exit> {
    match load(&file.config, &Environment::of_process(false)) {
        Ok(loaded) => Ok(loaded.settings),
        Err(problems) => {
            complain_lines(&format!("the configuration is not valid:\n{problems}"));
            Err(Exit::Configuration)
        }
    }
}

/// Runs a command that talks to servers, on threads of its own.
fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start")?;
    let outcome = runtime.block_on(command);
    // What a client library still does must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// The configured subscriptions of these names, or all. For the commands that have nothing to do with mirrors, and say so where
/// one is configured.
fn subscriptions(
    settings: &Settings,
    names: &[String],
) -> Result<Vec<SubscriptionSettings>, String> {
    let mirrors: Vec<&str> = settings.mirrors.iter().map(|one| &*one.name).collect();
    if names.is_empty() && !mirrors.is_empty() {
        let text = format!(
            "{ONLY_SUBSCRIPTIONS} and leaves out mirrors: {}",
            mirrors.join(", ")
        );
        if settings.subscriptions.is_empty() {
            return Err(text);
        }
        complain(&text);
    }
    named_subscriptions(settings, names, ONLY_SUBSCRIPTIONS)
}

/// The configured subscriptions of these names, or all: each name a stream, or `STREAM::GROUP`. `of_mirror` is what there is to
/// say where a name is that of a mirror.
fn named_subscriptions(
    settings: &Settings,
    names: &[String],
    of_mirror: &str,
) -> Result<Vec<SubscriptionSettings>, String> {
    let is = |one: &SubscriptionSettings, name: &String| {
        one.stream.as_str() == name || one.key().to_string() == *name
    };
    let unknown = names
        .iter()
        .find(|name| !settings.subscriptions.iter().any(|one| is(one, name)));
    if let Some(name) = unknown {
        let own_name = name.strip_prefix("$all::").unwrap_or(name);
        if settings.mirrors.iter().any(|one| *one.name == *own_name) {
            return Err(format!("{name:?} is a mirror: {of_mirror}"));
        }
        let known: Vec<String> = settings
            .subscriptions
            .iter()
            .map(|one| one.key().to_string())
            .collect();
        return Err(format!(
            "no subscription {name:?} is configured; there are: {}",
            known.join(", ")
        ));
    }
    let selected = settings.subscriptions.iter();
    let selected =
        selected.filter(|one| names.is_empty() || names.iter().any(|name| is(one, name)));
    Ok(selected.cloned().collect())
}

/// Those of the subscriptions that may copy a stream: it is their own, or of their category, or those whose names do not
/// tell whose events they link. None for a stream of the server's own, which is never copied.
fn subscriptions_of<'s>(
    subscriptions: &'s [SubscriptionSettings],
    stream: &StreamName,
) -> Vec<&'s SubscriptionSettings> {
    let category = stream
        .as_str()
        .split_once('-')
        .map(|(category, _)| category);
    let is_certain = |one: &&SubscriptionSettings| {
        one.stream == *stream || one.stream.as_str().strip_prefix("$ce-") == category
    };
    if stream.is_system() {
        return Vec::new();
    }
    let certain: Vec<_> = subscriptions.iter().filter(is_certain).collect();
    if !certain.is_empty() {
        return certain;
    }
    let may_link = |one: &&SubscriptionSettings| !one.stream.as_str().starts_with("$ce-");
    subscriptions.iter().filter(may_link).collect()
}

/// A duration among the arguments.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| DURATION_FORM.to_owned())
}
