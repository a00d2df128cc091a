//! `ditto parked replay` and `ditto parked discard`: what ends a parking.
//!
//! An entry is forgotten only after its event is at the destination, after the journal has it that the event stays out, or
//! when it stands for nothing that is ever copied. A queue can only be forgotten from its beginning: entries behind one
//! that is not done stay, and are named.

use std::collections::BTreeSet;

use super::Wanted;
use crate::cli::confirm::{Answer, confirm};
use crate::cli::table::grouped;
use crate::cli::verify::{Stop, event_store};
use crate::cli::{Exit, complain, say};
use crate::config::settings::{Settings, SubscriptionKey, SubscriptionSettings};
use crate::eventstore::Side;
use crate::eventstore::client::Client;
use crate::log::{audit, message_id};
use crate::parked::{self, Kind, Parked, Queue};
use crate::source::persistent::selected::{Choice, Outcome};
use crate::verify::bring;
use ditto_core::event::StreamName;

/// What is done with: each kind of entries of each stream.
type Done = BTreeSet<(Kind, StreamName)>;

pub(super) async fn replay(
    settings: &Settings,
    source: Client,
    subscriptions: &[SubscriptionSettings],
    wanted: &Wanted,
) -> anyhow::Result<Exit> {
    let Some(destination) = event_store(settings) else {
        complain(
            "the destination is a Kinesis data stream, where nobody can look what is there already: let the server replay \
             the group's parked events (they may come twice)",
        );
        return Ok(Exit::Configuration);
    };
    let clients = (
        source,
        Client::connect(Side::Destination, destination.clone()),
    );
    let mut stop = Stop::on_signals()?;
    let mut exit = Exit::Ok;
    let mut found = BTreeSet::new();
    for subscription in subscriptions {
        let queue = super::queue(&clients.0, subscription).await?;
        let meant = meant(&queue, wanted);
        found.extend(meant.iter().map(|(_, stream)| stream.clone()));
        if meant.is_empty() {
            continue;
        }
        if !one(subscription, &clients, &queue, &meant, &mut stop).await? {
            exit = Exit::Failed;
        }
    }
    report_unknown(wanted, &found, &mut exit);
    Ok(exit)
}

/// Replays one group's entries; true if all that is meant is done with.
async fn one(
    subscription: &SubscriptionSettings,
    clients: &(Client, Client),
    queue: &Queue,
    meant: &Done,
    stop: &mut Stop,
) -> anyhow::Result<bool> {
    let key = subscription.key();
    let choices = choices(&clients.0, queue, meant).await?;
    let is_exact =
        !subscription.replication.skip_version_check && !subscription.replication.read_only;
    if !is_exact && !choices.is_empty() {
        complain(&format!(
            "{key}: not replayed: with skip_version_check or read_only an event cannot be copied to its revision"
        ));
        return Ok(false);
    }
    for (stream, parked) in untraced(queue, meant) {
        complain(&format!(
            "{key}: {stream} is not copied: entry {} and perhaps others are {}",
            parked.oldest.entry,
            parked.oldest.remark().unwrap_or_default()
        ));
    }
    for (stream, parked) in queue.of(Kind::Never) {
        if meant.contains(&(Kind::Never, stream.clone())) {
            let remark = parked.oldest.remark().unwrap_or_default();
            say(&format!("{key}: {stream} needs no replay: {remark}"));
        }
    }
    let mut is_done = untraced(queue, meant).next().is_none();
    let mut there = BTreeSet::new();
    if !choices.is_empty() {
        let settings = subscription.clone().into();
        let brought = bring(&settings, clients.clone(), choices, stop.asked()).await;
        for (choice, outcome) in &brought.fates {
            match outcome {
                Outcome::There => drop(there.insert(choice.clone())),
                Outcome::Refused(why) => {
                    complain(&format!("{key}: {} is not copied: {why}", choice.stream));
                }
                Outcome::Open => {}
            }
        }
        is_done &= there.len() == brought.fates.len();
        if let Some(why) = brought.cut_short {
            complain(&format!(
                "{key}: {why}; what was copied stays, and the same command continues"
            ));
        }
    }
    let (done, all_proven) = proven(&key, clients, there).await?;
    is_done &= all_proven;
    is_done &= forget(&clients.0, &key, queue, &done).await;
    Ok(is_done)
}

/// The streams of which each parked event is at the destination, and whether these are all.
async fn proven(
    key: &SubscriptionKey,
    clients: &(Client, Client),
    there: BTreeSet<Choice>,
) -> anyhow::Result<(Done, bool)> {
    let streams: BTreeSet<StreamName> = there.iter().map(|one| one.stream.clone()).collect();
    if streams.is_empty() {
        return Ok((Done::new(), true));
    }
    let unproven = parked::unproven((&clients.0, &clients.1), key, &streams)
        .await
        .map_err(|error| anyhow::anyhow!("{key}: the entries stay: {}", error.with_hint()))?;
    for Choice { stream, revision } in &there {
        match unproven.get(stream) {
            None => say(&format!(
                "{key}: {stream} is at the destination up to revision {revision}"
            )),
            Some(why) => complain(&format!(
                "{key}: {stream} is at the destination up to revision {revision}, and its entries stay: {why}"
            )),
        }
    }
    let done = streams
        .into_iter()
        .filter(|stream| !unproven.contains_key(stream));
    Ok((
        done.map(|stream| (Kind::Copied, stream)).collect(),
        unproven.is_empty(),
    ))
}

pub(super) async fn discard(
    source: &Client,
    subscriptions: &[SubscriptionSettings],
    wanted: &Wanted,
    yes: bool,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    let mut found = BTreeSet::new();
    for subscription in subscriptions {
        let key = subscription.key();
        let queue = super::queue(source, subscription).await?;
        let done = meant(&queue, wanted);
        found.extend(done.iter().map(|(_, stream)| stream.clone()));
        if done.is_empty() {
            continue;
        }
        let lost: Vec<(&StreamName, &Parked)> = queue
            .streams
            .iter()
            .filter(|(of, _)| of.0 != Kind::Never && done.contains(*of))
            .map(|((_, stream), parked)| (stream, parked))
            .collect();
        if !lost.is_empty() {
            let question = question(&key, &lost);
            match confirm(&question, yes) {
                Answer::Yes => {}
                Answer::No => {
                    complain("nothing is discarded");
                    return Ok(Exit::Failed);
                }
                Answer::Nobody => {
                    complain(&format!(
                        "{question} There is no terminal to ask on: give --yes"
                    ));
                    return Ok(Exit::Usage);
                }
            }
        }
        for (stream, parked) in lost {
            note(&key, stream, parked);
        }
        if !forget(source, &key, &queue, &done).await {
            exit = Exit::Failed;
        }
    }
    report_unknown(wanted, &found, &mut exit);
    Ok(exit)
}

fn question(key: &SubscriptionKey, lost: &[(&StreamName, &Parked)]) -> String {
    let events: u64 = lost.iter().map(|(_, parked)| parked.count).sum();
    format!(
        "{key}: {} parked events of {} streams will never be copied by ditto. Discard them?",
        grouped(events),
        grouped(lost.len() as u64)
    )
}

/// What is meant of the queue, of every kind.
fn meant(queue: &Queue, wanted: &Wanted) -> Done {
    let all = queue.streams.keys();
    all.filter(|(_, stream)| wanted.is(stream))
        .cloned()
        .collect()
}

/// The entries that are meant and of which nobody knows what they stand for.
fn untraced<'q>(
    queue: &'q Queue,
    meant: &'q Done,
) -> impl Iterator<Item = (&'q StreamName, &'q Parked)> {
    let all = queue.of(Kind::Untraced);
    all.filter(|(stream, _)| meant.contains(&(Kind::Untraced, (*stream).clone())))
}

/// The highest parked event of each stream that is meant; of a stream with a user's own link its last event, since only
/// the link's stream is known.
async fn choices(source: &Client, queue: &Queue, meant: &Done) -> anyhow::Result<Vec<Choice>> {
    let mut choices = Vec::new();
    for (stream, parked) in queue.of(Kind::Copied) {
        if !meant.contains(&(Kind::Copied, stream.clone())) {
            continue;
        }
        let highest = parked.revisions.map_or(0, |(_, last)| last);
        let last = if parked.has_links {
            source.last_revision(stream).await?
        } else {
            None
        };
        choices.push(Choice {
            stream: stream.clone(),
            revision: last.unwrap_or_default().max(highest),
        });
    }
    Ok(choices)
}

fn report_unknown(wanted: &Wanted, found: &BTreeSet<StreamName>, exit: &mut Exit) {
    for stream in wanted.streams.iter().filter(|name| !found.contains(*name)) {
        complain(&format!("{stream} has no parked events"));
        *exit = Exit::Failed;
    }
    if wanted.all && found.is_empty() {
        say("nothing is parked");
    }
}

/// Writes down that a stream's parked events stay out.
fn note(key: &SubscriptionKey, stream: &StreamName, parked: &Parked) {
    let (first, last) = parked.revisions.map_or_else(
        || ("?".to_owned(), "?".to_owned()),
        |(first, last)| (first.to_string(), last.to_string()),
    );
    let reason = parked.oldest.reason.clone();
    let fields = [
        ("stream", key.stream.to_string()),
        ("group", key.group.to_string()),
        ("event_stream", stream.to_string()),
        ("first_revision", first.clone()),
        ("last_revision", last.clone()),
        ("events", parked.count.to_string()),
        ("reason", reason.clone()),
    ];
    let text = "parked events are discarded: ditto will not copy them";
    let is_noted = audit(message_id::PARKED_DISCARDED, text, &fields);
    let place = if is_noted {
        ""
    } else {
        " (there is no journal to note it in)"
    };
    complain(&format!(
        "{key}: {stream} #{first} to #{last}: {} parked events are discarded{place}: {reason}",
        parked.count
    ));
}

/// Forgets the queue up to the first entry that is not done, and says what stays. False if that failed, which was told.
async fn forget(source: &Client, key: &SubscriptionKey, queue: &Queue, done: &Done) -> bool {
    let before = queue.done_before(|kind, stream| done.contains(&(kind, stream.clone())));
    if before == 0 {
        report_staying(key, queue, before);
        return true;
    }
    if let Err(error) = parked::truncate(source, key, before).await {
        complain(&format!(
            "{key}: the queue keeps its entries: {}",
            parked::advice(&error, key)
        ));
        return false;
    }
    if before < queue.end {
        report_staying(key, queue, before);
    }
    true
}

fn report_staying(key: &SubscriptionKey, queue: &Queue, before: u64) {
    let mut all = queue.streams.iter();
    let first = all.find(|(_, parked)| parked.oldest.entry == before);
    let of = first.map_or_else(String::new, |((_, stream), _)| format!(" (of {stream})"));
    complain(&format!(
        "{key}: a queue is forgotten from its beginning: entries from {before}{of} on stay listed until that one is \
         replayed or discarded too"
    ));
}
