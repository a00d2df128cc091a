//! `ditto check`: is the configuration valid, and with `--connect`: would it work?
//!
//! Never creates or changes anything, on this machine or on a server.

mod connect;
mod forecast;
mod mirror;

use std::path::Path;

use super::{ConfigurationFile, Exit, complain, complain_lines, say};
use crate::config::load::{Environment, Loaded, load};
use crate::config::settings::Settings;
use connect::Finding;
use ditto_values::problem::Problems;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Also connect to both sides, read the state of groups and mirrors, and look through each mirror's log for 5 s for missing
    /// history; creates and changes nothing.
    #[arg(long)]
    connect: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let file = &arguments.file.config;
    match load(file, &Environment::of_process(false)) {
        Ok(loaded) => {
            report(file, &loaded);
            let exit = if arguments.connect {
                check_servers(&loaded.settings)
            } else {
                Exit::Ok
            };
            if loaded.files.is_empty() {
                return exit;
            }
            complain_lines(&format!(
                "files that the configuration names cannot be used; ditto starts, and tries until they can:\n{}",
                Problems(loaded.files)
            ));
            Exit::Failed
        }
        Err(problems) => {
            complain_lines(&format!("the configuration is not valid:\n{problems}"));
            Exit::Configuration
        }
    }
}

fn report(file: &Path, loaded: &Loaded) {
    for note in &loaded.notes {
        say(&format!("note: {note}"));
    }
    say(&format!(
        "{} is valid: {}",
        file.display(),
        summary(&loaded.settings)
    ));
    for mirror in &loaded.settings.mirrors {
        say(&format!("mirror {} copies:", mirror.name));
        for rule in mirror.filter.to_string().lines() {
            say(&format!("  {rule}"));
        }
    }
}

fn check_servers(settings: &Settings) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let findings = match runtime {
        Ok(runtime) => {
            let findings = runtime.block_on(connect::connect(settings));
            // What a client library still does must not hold up the end.
            runtime.shutdown_background();
            findings
        }
        Err(error) => {
            complain(&format!("failed to start: {error}"));
            return Exit::Failed;
        }
    };
    let mut exit = Exit::Ok;
    for finding in findings {
        match finding {
            Finding::Fine(text) => say(&format!("ok: {text}")),
            Finding::Warning(text) => say(&format!("warning: {text}")),
            Finding::Problem(text) => {
                say(&format!("problem: {text}"));
                exit = Exit::Failed;
            }
        }
    }
    exit
}

/// Source, destination and what is copied, in one line.
fn summary(settings: &Settings) -> String {
    let from = settings.source.nodes.addresses();
    let to = settings.destination.address();
    format!("{}, from {from} to {to}", counted(settings))
}

/// How many subscriptions and mirrors there are, without the kind that is not configured.
fn counted(settings: &Settings) -> String {
    let counts = [
        (settings.subscriptions.len(), "subscription"),
        (settings.mirrors.len(), "mirror"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if counts.is_empty() {
        "no subscriptions or mirrors".to_owned()
    } else {
        counts.join(" and ")
    }
}
