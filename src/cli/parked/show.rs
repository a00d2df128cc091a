//! `ditto parked list` and `ditto parked show`.
//!
//! Never changes a queue.

use serde_json::json;

use crate::cli::table::{Side, grouped, table};
use crate::cli::{Exit, complain, say, say_json, say_lines};
use crate::config::settings::SubscriptionSettings;
use crate::eventstore::client::Client;
use crate::parked::{self, Entry, Kind, Parked, Queue};
use ditto_core::event::StreamName;

/// More of a reason does not fit into a table.
const LONGEST_REASON: usize = 100;

pub(super) async fn list(
    source: &Client,
    subscriptions: &[SubscriptionSettings],
    as_json: bool,
) -> anyhow::Result<Exit> {
    let header = [
        "SUBSCRIPTION",
        "STREAM",
        "PARKED",
        "FROM",
        "SINCE",
        "BY",
        "REASON",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for subscription in subscriptions {
        let key = subscription.key().to_string();
        let Queue { streams, other, .. } = super::queue(source, subscription).await?;
        for ((kind, stream), parked) in &streams {
            if as_json {
                say_json(&line(&key, *kind, stream, parked).to_string());
            } else {
                rows.push(row(&key, stream, parked));
            }
        }
        if let Some(entry) = other {
            complain(&format!(
                "{key}: the queue holds too many streams: those of entry {entry} and perhaps others are not listed"
            ));
        }
    }
    if !as_json && rows.len() == 1 {
        say("nothing is parked");
    } else if !as_json {
        use Side::{Left, Right};
        say_lines(&table(&rows, [Left, Left, Right, Right, Left, Left, Left]));
    }
    Ok(Exit::Ok)
}

fn row(key: &str, stream: &StreamName, parked: &Parked) -> [String; 7] {
    let oldest = &parked.oldest;
    let whole = reason(oldest);
    let mut reason: String = whole.chars().take(LONGEST_REASON).collect();
    if reason.len() < whole.len() {
        reason.push('…');
    }
    [
        key.to_owned(),
        stream.to_string(),
        grouped(parked.count),
        parked
            .revisions
            .map_or_else(|| "-".to_owned(), |(first, _)| format!("#{first}")),
        oldest.added.clone(),
        by(oldest).to_owned(),
        reason,
    ]
}

/// Why it was parked, behind what else there is to know of it.
fn reason(entry: &Entry) -> String {
    match entry.remark() {
        Some(remark) => format!("{remark}: {}", entry.reason),
        None => entry.reason.clone(),
    }
}

fn line(key: &str, kind: Kind, stream: &StreamName, parked: &Parked) -> serde_json::Value {
    json!({
        "subscription": key,
        "stream": stream.as_str(),
        "kind": kind.word(),
        "parked": parked.count,
        "first": parked.revisions.map(|(first, _)| first),
        "last": parked.revisions.map(|(_, last)| last),
        "since": parked.oldest.added,
        "by": by(&parked.oldest),
        "reason": parked.oldest.reason,
        "remark": parked.oldest.remark(),
    })
}

/// Who parked it, in a word.
pub(super) fn by(entry: &Entry) -> &'static str {
    if entry.by_ditto { "ditto" } else { "server" }
}

pub(super) async fn show(
    source: &Client,
    subscriptions: &[SubscriptionSettings],
    stream: &StreamName,
) -> anyhow::Result<Exit> {
    let mut count = 0_u64;
    for subscription in subscriptions {
        let key = subscription.key();
        let explain = |error| anyhow::anyhow!("{key}: {}", parked::advice(&error, &key));
        let found = parked::search(source, &key).await.map_err(explain)?;
        let mut from = Some(0);
        while let Some(at) = from {
            let page = parked::page(source, &key, at, &found).await;
            let (entries, next) = page.map_err(explain)?;
            for entry in entries.iter().filter(|entry| entry.stream() == *stream) {
                count += 1;
                say(&shown(&key.to_string(), entry));
            }
            from = next;
        }
    }
    if count == 0 {
        complain(&format!("{stream} has no parked events"));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Ok)
}

fn shown(key: &str, entry: &Entry) -> String {
    let revision = entry
        .revision()
        .map_or_else(|| entry.text.clone(), |revision| format!("#{revision}"));
    format!(
        "{key}: {revision} (entry {}) parked {} by {}: {}",
        entry.entry,
        entry.added,
        by(entry),
        reason(entry)
    )
}
