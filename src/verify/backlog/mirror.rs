//! How far a mirror is: the mark of its checkpoint, and the streams on its record of held ones.
//!
//! Both are at the destination. Never writes there, and never judges whether the source is the one of the checkpoint.

use super::{Backlog, Reach};
use crate::config::settings::MirrorSettings;
use crate::destination::Keeper as _;
use crate::destination::event_store::{EventStore, checkpoint_stream, held_stream};
use crate::eventstore::client::{Client, LogPlace};
use crate::eventstore::{Class, Error};
use crate::verify::outcome::Via;
use crate::verify::reading::{Failure, Reader, patiently};
use crate::verify::seen::Fingerprint;
use ditto_core::event::StreamName;
use ditto_core::filter::StreamFilter;
use ditto_core::port::log::{Checkpoint, CheckpointPage, HeldPage, HeldStream, Mark};

/// Looks at it, with what an operator should know. The record of held streams is read after the checkpoint: a stream that was
/// held before the mark is on it.
pub(in crate::verify) async fn lookup(
    source: &Reader,
    destination: &Client,
    mirror: &MirrorSettings,
) -> Result<(Backlog, Option<String>), Failure> {
    let checkpoint = checkpoint(destination, &mirror.name).await?;
    let held = held(destination, &mirror.name).await?;
    let (reach, note) = match of_these_rules(checkpoint, mirror) {
        Ok(mark) => (reach(source, mark).await?, None),
        Err(why) => {
            let text = "what is missing at the destination counts as behind";
            let note = format!("{}: the mirror {why}: {text}", mirror.key());
            (Reach::Nothing, Some(note))
        }
    };
    let of = |held: HeldStream| (Fingerprint::of(&held.stream), held.reason);
    let backlog = Backlog {
        reach,
        parked: Default::default(),
        held: held.into_iter().map(of).collect(),
        subscription: mirror.key().stream,
        via: Via::Mirror,
    };
    Ok((backlog, note))
}

/// The mark, if it is one of what is compared.
///
/// # Errors
/// There is none: why, of the mirror.
fn of_these_rules(
    checkpoint: Option<Checkpoint>,
    mirror: &MirrorSettings,
) -> Result<Mark, &'static str> {
    let checkpoint = checkpoint.ok_or("has no checkpoint yet")?;
    let rules: Result<StreamFilter, _> = checkpoint.rules.parse();
    if !rules.is_ok_and(|rules| mirror.filter.is_within(&rules)) {
        return Err("will begin again, since its checkpoint is of narrower rules");
    }
    checkpoint
        .mark
        .ok_or("has no checkpoint of copied events yet")
}

/// What is done: everything up to the mark. Servers put a position that is no record's before the record that it points to
/// (protocol §7.3), and a record's own pair is that of the record.
async fn reach(source: &Reader, mark: Mark) -> Result<Reach, Failure> {
    let record = match &mark.record {
        Some(record) => source.place(&record.stream, record.revision).await?,
        None => None,
    };
    let place = LogPlace {
        revision: 0,
        position: Some(mark.position.commit),
        // Only looked at where a server says no positions.
        created: record.map_or(i64::MIN, |place| place.created),
    };
    Ok(if mark.position.prepare == mark.position.commit {
        Reach::UpTo(place)
    } else {
        Reach::Before(place)
    })
}

async fn checkpoint(client: &Client, name: &str) -> Result<Option<Checkpoint>, Failure> {
    let store = EventStore::new(client.clone());
    let action = "read the mirror's checkpoint";
    let page = patiently(|| async {
        match store.newest_checkpoint(name).await {
            CheckpointPage::Failed => Err(silent(client, action)),
            page => Ok(page),
        }
    });
    match page.await? {
        CheckpointPage::Newest { checkpoint, .. } => Ok(Some(*checkpoint)),
        CheckpointPage::None { .. } => Ok(None),
        CheckpointPage::Unreadable(text) => Err(Failure::Refused(text)),
        CheckpointPage::Denied => Err(denied(client, action, &checkpoint_stream(name))),
        CheckpointPage::Failed => Err(silent(client, action).into()),
    }
}

async fn held(client: &Client, name: &str) -> Result<Vec<HeldStream>, Failure> {
    let store = EventStore::new(client.clone());
    let action = "read the record of held streams";
    let page = patiently(|| async {
        match store.held_streams(name).await {
            HeldPage::Failed => Err(silent(client, action)),
            page => Ok(page),
        }
    });
    match page.await? {
        HeldPage::Held { streams, .. } => Ok(streams),
        HeldPage::Unreadable(text) => Err(Failure::Refused(text)),
        HeldPage::Denied => Err(denied(client, action, &held_stream(name))),
        HeldPage::Failed => Err(silent(client, action).into()),
    }
}

fn silent(client: &Client, action: &'static str) -> Error {
    Error::new(client.side(), Class::Transient, action, "no answer")
}

fn denied(client: &Client, action: &'static str, stream: &StreamName) -> Failure {
    let error = Error::new(client.side(), Class::Denied, action, "access denied");
    Failure::Refused(format!(
        "{error} (add the user to $admins, or grant it the permission to read {stream})"
    ))
}
