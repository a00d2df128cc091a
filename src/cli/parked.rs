//! `ditto parked`: what the groups have set aside, and what becomes of it.
//!
//! Each command looks at the queues as they are on the source. Only `replay` leads to events being written, and only
//! `replay` and `discard` shorten a queue.

mod bring;
mod export;
mod show;

use std::path::PathBuf;

use super::{ConfigurationFile, Exit, complain};
use crate::config::settings::{Settings, SubscriptionSettings};
use crate::eventstore::Side;
use crate::eventstore::client::Client;
use crate::parked;
use ditto_core::event::StreamName;

/// Options of the commands.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the streams with parked events: how many, from which revision, since when, by whom and why.
    List(ListArguments),
    /// Show the parked events of a stream.
    Show(ShowArguments),
    /// Write every parked event to a file as JSON lines; "-" is the standard output.
    Export(ExportArguments),
    /// Copy streams up to their highest parked revision, then remove the entries whose events are proven to be at the
    /// destination.
    Replay(ReplayArguments),
    /// Give up parked events for good: record it in the journal, then remove them from the parked queue
    Discard(DiscardArguments),
}

/// The options that all of them have.
#[derive(Clone, Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Only this subscription: its stream, or STREAM::GROUP. Can be given several times.
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct ListArguments {
    #[command(flatten)]
    common: Common,
    /// Print JSON lines, one for each stream.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ShowArguments {
    #[command(flatten)]
    common: Common,
    /// Stream to show.
    stream: String,
}

#[derive(Debug, clap::Args)]
struct ExportArguments {
    #[command(flatten)]
    common: Common,
    /// File to write; an existing one is not overwritten.
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct ReplayArguments {
    #[command(flatten)]
    common: Common,
    /// Streams to replay.
    #[arg(required_unless_present = "all")]
    stream: Vec<String>,
    /// Every stream that has parked events.
    #[arg(long, conflicts_with = "stream")]
    all: bool,
}

#[derive(Debug, clap::Args)]
struct DiscardArguments {
    #[command(flatten)]
    common: Common,
    /// Streams whose parked events are given up.
    #[arg(required_unless_present = "all")]
    stream: Vec<String>,
    /// Every stream that has parked events.
    #[arg(long, conflicts_with = "stream")]
    all: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let common = match &arguments.command {
        Command::List(ListArguments { common, .. })
        | Command::Show(ShowArguments { common, .. })
        | Command::Export(ExportArguments { common, .. })
        | Command::Replay(ReplayArguments { common, .. })
        | Command::Discard(DiscardArguments { common, .. }) => common,
    };
    let settings = match super::settings(&common.file) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let subscriptions = match super::subscriptions(&settings, &common.subscription) {
        Ok(subscriptions) => subscriptions,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    let work = async { carry_out(arguments, &settings, subscriptions).await };
    super::block_on(work).unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        Exit::Failed
    })
}

async fn carry_out(
    arguments: &Arguments,
    settings: &Settings,
    subscriptions: Vec<SubscriptionSettings>,
) -> anyhow::Result<Exit> {
    let source = Client::connect(Side::Source, settings.source.clone());
    match &arguments.command {
        Command::List(list) => show::list(&source, &subscriptions, list.json).await,
        Command::Show(show) => {
            let stream = StreamName::from(show.stream.as_str());
            show::show(&source, &subscriptions, &stream).await
        }
        Command::Export(export) => export::export(&source, &subscriptions, &export.file).await,
        Command::Replay(replay) => {
            let wanted = Wanted::new(&replay.stream, replay.all);
            bring::replay(settings, source, &subscriptions, &wanted).await
        }
        Command::Discard(discard) => {
            let wanted = Wanted::new(&discard.stream, discard.all);
            bring::discard(&source, &subscriptions, &wanted, discard.yes).await
        }
    }
}

/// Which streams are meant.
#[derive(Clone, Debug)]
struct Wanted {
    streams: Vec<StreamName>,
    all: bool,
}

impl Wanted {
    fn new(streams: &[String], all: bool) -> Self {
        let streams = streams.iter().map(|name| StreamName::from(name.as_str()));
        Self {
            streams: streams.collect(),
            all,
        }
    }

    fn is(&self, stream: &StreamName) -> bool {
        self.all || self.streams.contains(stream)
    }
}

/// A group's queue, or why it cannot be had.
async fn queue(
    source: &Client,
    subscription: &SubscriptionSettings,
) -> anyhow::Result<parked::Queue> {
    let key = subscription.key();
    parked::read(source, &key)
        .await
        .map_err(|error| anyhow::anyhow!("{key}: {}", parked::advice(&error, &key)))
}
