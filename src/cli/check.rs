//! `ditto check`: is the configuration valid?
//!
//! Never creates or changes anything, on this machine or on a server.

use std::path::Path;

use super::{ConfigurationFile, Exit, complain, say};
use crate::config::load::{Environment, Loaded, load};
use crate::config::settings::{Destination, Settings};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let file = &arguments.file.config;
    match load(file, &Environment::of_process(false)) {
        Ok(loaded) => {
            report(file, &loaded);
            Exit::Ok
        }
        Err(problems) => {
            complain(&format!("the configuration is not valid:\n{problems}"));
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
}

/// Source, destination and what is copied, in one line.
fn summary(settings: &Settings) -> String {
    let Destination::EventStore(destination) = &settings.destination;
    let (from, to) = (
        &settings.source.nodes.seeds()[0],
        &destination.nodes.seeds()[0],
    );
    let count = match settings.subscriptions.len() {
        0 => "no subscriptions".to_owned(),
        1 => "1 subscription".to_owned(),
        count => format!("{count} subscriptions"),
    };
    format!("{count}, from {from} to {to}")
}
