//! `ditto mirror`: what a mirror keeps at the destination, and how an operator sets it back.
//!
//! Never touches an event that is copied. Who holds the mirror notices a reset at its next checkpoint, some seconds later.

use anyhow::{Context as _, bail};
use uuid::Uuid;

use super::{ConfigurationFile, Exit, complain, say_lines};
use crate::config::settings::{Destination, MirrorSettings, Settings};
use crate::destination::Keeper;
use crate::destination::event_store::EventStore;
use crate::escape;
use crate::eventstore::client::{Client, connection_name};
use crate::eventstore::{Class, Side};
use ditto_core::port::log::{Checkpoint, CheckpointPage, HeldPage, Holder, Mark, Record, epoch_of};
use ditto_core::port::{AppendOutcome, Expected, LogPosition};

/// Options of the commands.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the newest checkpoint of a mirror: who holds it, how far it is, which streams are held.
    Status(StatusArguments),
    /// Have a mirror read the source's log from its beginning again: nothing is copied twice. For a source that was restored or
    /// exchanged.
    Reset(ResetArguments),
}

#[derive(Debug, clap::Args)]
struct StatusArguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Name of the mirror.
    name: String,
}

#[derive(Debug, clap::Args)]
struct ResetArguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Name of the mirror.
    name: String,
    /// Go on from the mark all the same: you know that the source has the events before it that were copied
    #[arg(long)]
    keep_mark: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let (file, name) = match &arguments.command {
        Command::Status(StatusArguments { file, name })
        | Command::Reset(ResetArguments { file, name, .. }) => (file, name),
    };
    let settings = match super::settings(file) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let sides = match Sides::of(&settings, name) {
        Ok(sides) => sides,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    let work = async {
        match &arguments.command {
            Command::Status(_) => sides.status().await,
            Command::Reset(reset) => sides.reset(reset.keep_mark).await,
        }
    };
    match super::block_on(work) {
        Ok(lines) => {
            say_lines(&lines);
            Exit::Ok
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            Exit::Failed
        }
    }
}

/// A mirror, and the servers that it is between.
struct Sides {
    mirror: MirrorSettings,
    source: Client,
    destination: EventStore,
    holder: Holder,
}

impl Sides {
    fn of(settings: &Settings, name: &str) -> Result<Self, String> {
        let Some(mirror) = settings.mirrors.iter().find(|one| &*one.name == name) else {
            let names: Vec<&str> = settings.mirrors.iter().map(|one| &*one.name).collect();
            let names = names.join(", ");
            return Err(format!(
                "no mirror {name:?} is configured; there are: {names}"
            ));
        };
        let Destination::EventStore(destination) = &settings.destination else {
            return Err("the destination is not an Event Store: it keeps no checkpoint".to_owned());
        };
        Ok(Self {
            mirror: mirror.clone(),
            source: Client::connect(Side::Source, settings.source.clone()),
            holder: Holder {
                name: connection_name(destination),
                instance: Uuid::new_v4(),
            },
            destination: EventStore::new(Client::connect(Side::Destination, destination.clone())),
        })
    }

    async fn status(&self) -> anyhow::Result<String> {
        let name = &self.mirror.name;
        let Some((checkpoint, is_gone)) = self.newest().await?.map(|found| (found.1, found.2))
        else {
            return Ok(format!("mirror {name}: no checkpoint yet"));
        };
        let end = self
            .source
            .log_end()
            .await
            .context("failed to read the end of the source's log")?;
        let ended = if is_gone { ", which has ended" } else { "" };
        let mut lines = vec![
            format!("mirror {name}"),
            format!("holder  {}{ended}", escape::line(&checkpoint.holder.name)),
            format!("mark    {}", told(checkpoint.mark.as_ref())),
            format!("behind  {}", behind(checkpoint.mark.as_ref(), end)),
        ];
        let rules = checkpoint.rules.lines().map(escape::line);
        lines.extend(rules.map(|rule| format!("rules   {rule}")));
        lines.extend(self.held().await?);
        Ok(lines.join("\n"))
    }

    async fn held(&self) -> anyhow::Result<Vec<String>> {
        match self.destination.held_streams(&self.mirror.name).await {
            HeldPage::Held { streams, .. } => Ok(streams
                .iter()
                .map(|held| {
                    format!(
                        "held    {} from revision {}: {}",
                        escape::line(held.stream.as_str()),
                        held.revision,
                        escape::line(&held.reason)
                    )
                })
                .collect()),
            HeldPage::Unreadable(text) => bail!("{text}"),
            HeldPage::Denied => {
                bail!("the destination does not let the user read the record of held streams")
            }
            HeldPage::Failed => bail!("the destination does not answer: {}", self.silence()),
        }
    }

    async fn reset(&self, keep_mark: bool) -> anyhow::Result<String> {
        let name = &self.mirror.name;
        let Some((revision, before, _)) = self.newest().await? else {
            return Ok(format!(
                "mirror {name}: no checkpoint yet; it begins with the log's first event anyway"
            ));
        };
        let checkpoint = if keep_mark {
            self.kept(before).await?
        } else {
            Checkpoint {
                mark: None,
                mark_epoch: None,
                highest: None,
                origin: None,
                taken_over: false,
                released: true,
                rules: before.rules.clone(),
                holder: self.holder.clone(),
            }
        };
        let id = Uuid::new_v4();
        let expected = Expected::Exact(revision);
        let outcome = self
            .destination
            .write_checkpoint(name, id, expected, &checkpoint)
            .await;
        match outcome {
            AppendOutcome::Written(_) | AppendOutcome::Present(_) => Ok(format!(
                "mirror {name}: reset; it goes on from {}",
                told(checkpoint.mark.as_ref())
            )),
            AppendOutcome::WrongRevision => bail!(
                "mirror {name}: its holder wrote a checkpoint at the same moment; run the command again"
            ),
            AppendOutcome::Denied => {
                bail!("the destination does not let the user write the mirror's checkpoint")
            }
            AppendOutcome::Refused(words) => {
                bail!("the destination refused the checkpoint: {words}")
            }
            AppendOutcome::Deleted
            | AppendOutcome::TooLarge { .. }
            | AppendOutcome::NotReady
            | AppendOutcome::NoAnswer => bail!(
                "it is not known whether the checkpoint was written ({}); see \"ditto mirror status {name}\"",
                self.silence()
            ),
        }
    }

    /// The checkpoint before, proven by the source as it is now.
    async fn kept(&self, before: Checkpoint) -> anyhow::Result<Checkpoint> {
        let name = &self.mirror.name;
        let Some(mark) = before.mark else {
            bail!("mirror {name}: its checkpoint has no mark to keep; leave --keep-mark out");
        };
        let at = mark.position;
        let found = match self.source.record_at(at).await {
            Err(error) if *error.class() == Class::InvalidPosition => bail!(
                "mirror {name}: the source has no record at the mark {}/{}; leave --keep-mark out",
                at.commit,
                at.prepare
            ),
            found => found.context("failed to read the source's log at the mark")?,
        };
        let epochs = match self.source.epochs().await {
            Err(error) if *error.class() == Class::Denied => Vec::new(),
            epochs => epochs.context("failed to read the source's epochs")?,
        };
        let record = found.filter(|found| found.position == at);
        Ok(Checkpoint {
            mark: Some(Mark {
                position: at,
                record: record.map(|found| Record::of(&found.event, at)),
            }),
            mark_epoch: epoch_of(&epochs, at),
            highest: None,
            origin: None,
            taken_over: false,
            released: true,
            rules: before.rules,
            holder: self.holder.clone(),
        })
    }

    /// The newest checkpoint, its revision, and whether its holder's process has ended.
    async fn newest(&self) -> anyhow::Result<Option<(u64, Checkpoint, bool)>> {
        match self.destination.newest_checkpoint(&self.mirror.name).await {
            CheckpointPage::Newest {
                revision,
                checkpoint,
                is_gone,
            } => Ok(Some((revision, *checkpoint, is_gone))),
            CheckpointPage::None { .. } => Ok(None),
            CheckpointPage::Unreadable(text) => bail!("{text}"),
            CheckpointPage::Denied => {
                bail!("the destination does not let the user read the mirror's checkpoint")
            }
            CheckpointPage::Failed => bail!("the destination does not answer: {}", self.silence()),
        }
    }

    fn silence(&self) -> String {
        use crate::destination::Destination as _;
        self.destination
            .trouble()
            .unwrap_or_else(|| "no reason is known".to_owned())
    }
}

fn told(mark: Option<&Mark>) -> String {
    let Some(Mark { position, record }) = mark else {
        return "the beginning of the source's log".to_owned();
    };
    let LogPosition { commit, prepare } = position;
    match record {
        Some(record) => format!(
            "{commit}/{prepare}, after event {} of stream {}",
            record.revision,
            escape::line(record.stream.as_str())
        ),
        None => format!("{commit}/{prepare}"),
    }
}

fn behind(mark: Option<&Mark>, end: Option<LogPosition>) -> String {
    let mark = mark.map_or(0, |mark| mark.position.commit);
    let end = end.map_or(0, |end| end.commit);
    format!("{} bytes of log, of all streams", end.saturating_sub(mark))
}
