//! What a mirror needs of both sides: the source's log and its epochs, and its own checkpoint at the destination; and what it
//! will find to be missing (`forecast`).
//!
//! Never writes: the one append is of no events, and refused.

use super::connect::Finding::{self, Fine, Problem, Warning};
use super::forecast::forecast;
use crate::config::settings::MirrorSettings;
use crate::destination::event_store::{EventStore, checkpoint_stream};
use crate::destination::{Destination, Keeper};
use crate::escape;
use crate::eventstore::client::Client;
use crate::eventstore::{Class, Error};
use ditto_core::filter::Rules;
use ditto_core::port::log::CheckpointPage;
use ditto_core::port::{LogPosition, Rights};
use indicatif::HumanBytes;

/// Looks at one mirror; without a destination at its source alone.
pub(super) async fn mirror(
    source: &Client,
    destination: Option<&Client>,
    settings: &MirrorSettings,
    findings: &mut Vec<Finding>,
) {
    let name = format!("mirror {}", settings.name);
    let end = match source.log_end().await {
        Ok(end) => {
            findings.push(Fine(format!("{name}: the source's log can be read")));
            end
        }
        Err(error) => {
            findings.push(unreadable(&name, "$all", &error));
            None
        }
    };
    findings.extend(epochs(source, &name).await);
    if let Some(destination) = destination {
        let destination = EventStore::new(destination.clone());
        let page = destination.newest_checkpoint(&settings.name).await;
        let begins = begins(&page, settings);
        findings.push(checkpoint(page, settings, &name, end));
        if settings.states.is_some() && !settings.replication.read_only {
            findings.extend(metadata(&destination, settings, &name).await);
        }
        if let (Some(after), Some(end)) = (begins, end) {
            findings.push(forecast(source, settings, after, end).await);
        }
    }
}

/// After which position the mirror goes on (`Some(None)`: at the log's beginning); `None`: it does not.
fn begins(page: &CheckpointPage, settings: &MirrorSettings) -> Option<Option<LogPosition>> {
    match page {
        CheckpointPage::None { .. } => Some(None),
        CheckpointPage::Newest { checkpoint, .. } => {
            let own = Rules {
                filter: settings.filter.clone(),
                states: settings.states.map(|rules| rules.deletions),
            };
            let rules: Result<Rules, _> = checkpoint.rules.parse();
            let is_within = rules.is_ok_and(|rules| own.are_within(&rules));
            let mark = checkpoint.mark.as_ref().filter(|_| is_within);
            Some(mark.map(|mark| mark.position))
        }
        CheckpointPage::Unreadable(_) | CheckpointPage::Denied | CheckpointPage::Failed => None,
    }
}

/// Without them a mirror works, and notices less.
async fn epochs(source: &Client, name: &str) -> Option<Finding> {
    match source.epochs().await {
        Err(error) if *error.class() == Class::Denied => Some(Warning(format!(
            "{name}: the source does not let the user read $epoch-information: ditto recognises the source by a single event \
             instead, and stops if that was scavenged (add the user to $admins, or grant it the permission to read that stream)"
        ))),
        // What else fails is told of the log.
        _ => None,
    }
}

/// Asked of metadata that only `$admins` may write unless an operator said otherwise, by an append that is never written.
async fn metadata(
    destination: &EventStore,
    settings: &MirrorSettings,
    name: &str,
) -> Option<Finding> {
    let stream = checkpoint_stream(&settings.name).metadata_stream();
    match destination.rights(stream).await {
        Rights::Denied => Some(Problem(format!(
            "{name}: the destination does not let the user write the metadata of every stream (add the user to $admins, or set \
             metadata = false)"
        ))),
        // What is not known shows when it is written.
        Rights::Allowed | Rights::Unknown => None,
    }
}

fn checkpoint(
    page: CheckpointPage,
    settings: &MirrorSettings,
    name: &str,
    end: Option<LogPosition>,
) -> Finding {
    let stream = checkpoint_stream(&settings.name);
    match page {
        CheckpointPage::Newest {
            checkpoint,
            is_gone,
            ..
        } => {
            let mark = checkpoint.mark.map_or(0, |mark| mark.position.commit);
            let left = end.map_or(0, |end| end.commit).saturating_sub(mark);
            let holder = escape::line(&checkpoint.holder.name).into_owned();
            let ended = if is_gone { ", which has ended" } else { "" };
            Fine(format!(
                "{name}: the destination has its checkpoint, of {holder}{ended}; {} of the source's log are left to look through",
                HumanBytes(left)
            ))
        }
        CheckpointPage::None { .. } => Fine(format!(
            "{name}: the destination has no checkpoint; ditto will begin with the log's first event, {} to look through",
            HumanBytes(end.map_or(0, |end| end.commit))
        )),
        CheckpointPage::Unreadable(text) => Problem(format!("{name}: {text}")),
        CheckpointPage::Denied => Problem(format!(
            "{name}: the destination does not let the user read the mirror's checkpoint (add the user to $admins, or grant it the \
             permission to read {stream})"
        )),
        CheckpointPage::Failed => Problem(format!(
            "{name}: the destination does not answer a read of {stream}"
        )),
    }
}

/// Streams of the server's own are for `$admins`, unless their access control list says otherwise.
fn unreadable(name: &str, stream: &str, error: &Error) -> Finding {
    Problem(match error.class() {
        Class::Denied => format!(
            "{name}: {error} (add the user to $admins, or grant it the permission to read {stream})"
        ),
        _ => format!("{name}: {}", error.with_hint()),
    })
}
