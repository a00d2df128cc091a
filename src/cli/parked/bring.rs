//! `ditto parked replay` and `ditto parked discard`: what ends a parking.
//!
//! An entry is forgotten only after its event is at the destination, or after the journal has it that the event stays out.
//! A queue can only be forgotten from its beginning: entries behind one that is not done stay, and are named.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Wanted;
use crate::cli::confirm::{Answer, confirm};
use crate::cli::table::grouped;
use crate::cli::verify::{Stop, event_store};
use crate::cli::{Exit, complain, say};
use crate::cluster::Side;
use crate::cluster::client::Client;
use crate::config::settings::{Settings, SubscriptionKey, SubscriptionSettings};
use crate::log::{audit, message_id};
use crate::parked::{self, Queue};
use crate::pipeline::replicate::Unobserved;
use crate::source::chosen::{Choice, Fate};
use crate::verify::bring;
use ditto_core::event::StreamName;

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
    let destination = Client::connect(Side::Destination, destination.clone());
    let mut stop = Stop::on_signals()?;
    let mut exit = Exit::Ok;
    let mut found = BTreeSet::new();
    for subscription in subscriptions {
        let key = subscription.key();
        let queue = super::queue(&source, subscription).await?;
        let choices = choices(&queue, wanted);
        found.extend(choices.iter().map(|choice| choice.stream.clone()));
        if choices.is_empty() {
            continue;
        }
        if subscription.replication.skip_version_check || subscription.replication.read_only {
            complain(&format!(
                "{key}: not replayed: with skip_version_check or read_only an event cannot be brought to its revision"
            ));
            exit = Exit::Failed;
            continue;
        }
        let clients = (source.clone(), destination.clone());
        let brought = bring(
            subscription,
            clients,
            choices,
            Arc::new(Unobserved),
            stop.asked(),
        )
        .await;
        let mut done = BTreeSet::new();
        for (choice, fate) in &brought.fates {
            match fate {
                Fate::There => {
                    done.insert(choice.stream.clone());
                    say(&format!(
                        "{key}: {} is at the destination up to revision {}",
                        choice.stream, choice.revision
                    ));
                }
                Fate::Refused(why) => {
                    exit = Exit::Failed;
                    complain(&format!("{key}: {} is not brought: {why}", choice.stream));
                }
                Fate::Open => exit = Exit::Failed,
            }
        }
        if let Some(why) = brought.cut_short {
            complain(&format!(
                "{key}: {why}; what was brought stays, and the same command goes on"
            ));
        }
        if forget(&source, &key, &queue, &done).await.is_err() {
            exit = Exit::Failed;
        }
    }
    report_unknown(wanted, &found, &mut exit);
    Ok(exit)
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
        let done: BTreeSet<StreamName> = choices(&queue, wanted)
            .into_iter()
            .map(|choice| choice.stream)
            .collect();
        found.extend(done.iter().cloned());
        if done.is_empty() {
            continue;
        }
        let events: u64 = done
            .iter()
            .filter_map(|stream| queue.streams.get(stream))
            .map(|parked| parked.count)
            .sum();
        let question = format!(
            "{key}: {} parked events of {} streams will never be copied by ditto. Discard them?",
            grouped(events),
            grouped(done.len() as u64)
        );
        match confirm(&question, yes) {
            Answer::Yes => {}
            Answer::No => {
                complain("nothing is discarded");
                return Ok(Exit::Failed);
            }
            Answer::Nobody => {
                complain(&format!("{question} Nobody is there to ask: give --yes"));
                return Ok(Exit::Usage);
            }
        }
        for stream in &done {
            note(&key, stream, &queue);
        }
        if forget(source, &key, &queue, &done).await.is_err() {
            exit = Exit::Failed;
        }
    }
    report_unknown(wanted, &found, &mut exit);
    Ok(exit)
}

/// The highest parked event of each stream that is meant.
fn choices(queue: &Queue, wanted: &Wanted) -> Vec<Choice> {
    let meant = queue.streams.iter().filter(|(stream, _)| wanted.is(stream));
    meant
        .map(|(stream, parked)| Choice {
            stream: stream.clone(),
            revision: parked.last,
        })
        .collect()
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
fn note(key: &SubscriptionKey, stream: &StreamName, queue: &Queue) {
    let Some(parked) = queue.streams.get(stream) else {
        return;
    };
    let fields = [
        ("stream", key.stream.to_string()),
        ("group", key.group.to_string()),
        ("event_stream", stream.to_string()),
        ("first_revision", parked.first.to_string()),
        ("last_revision", parked.last.to_string()),
        ("events", parked.count.to_string()),
        ("reason", parked.oldest.reason.clone()),
    ];
    let text = "parked events are discarded: they stay out of the destination";
    let is_noted = audit(message_id::PARKED_DISCARDED, text, &fields);
    let place = if is_noted {
        ""
    } else {
        " (there is no journal to note it in)"
    };
    complain(&format!(
        "{key}: {stream} #{} to #{}: {} parked events are discarded{place}: {}",
        parked.first, parked.last, parked.count, parked.oldest.reason
    ));
}

/// Forgets the queue up to the first entry that is not done, and says what stays. The error was told.
async fn forget(
    source: &Client,
    key: &SubscriptionKey,
    queue: &Queue,
    done: &BTreeSet<StreamName>,
) -> Result<(), ()> {
    let before = queue.done_before(|stream| done.contains(stream));
    if let Err(error) = parked::truncate(source, key, before).await {
        complain(&format!(
            "{key}: the queue keeps its entries: {}",
            parked::advice(&error, key)
        ));
        return Err(());
    }
    let staying = queue
        .streams
        .iter()
        .filter(|(stream, parked)| done.contains(*stream) && parked.oldest.entry >= before)
        .count();
    let first = queue
        .streams
        .iter()
        .find(|(_, parked)| parked.oldest.entry == before);
    if staying > 0 || before < queue.end {
        let of = first.map_or_else(String::new, |(stream, _)| format!(" (of {stream})"));
        complain(&format!(
            "{key}: a queue is forgotten from its beginning: entries from {before}{of} on stay listed until that one is \
             replayed or discarded too"
        ));
    }
    Ok(())
}
