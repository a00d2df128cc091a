//! Streams whose links were truncated from the subscription's stream: found in the source's log, so that a comparison does
//! not call equal what it never looked at.
//!
//! One page of the log at a time. Never decides whether a stream is equal.

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::links::{Link, Met};
use super::point::Cursor;
use super::reading::{Failure, PAUSES};
use super::seen::Fingerprint;
use crate::eventstore::client::Client;
use crate::source::persistent::search;
use ditto_core::event::StreamName;
use ditto_core::port::{LogPage, LogPosition};

/// Hands on the streams of the numbers `next..first`, which cannot be read any more. False if the reading is over.
pub(super) async fn search(
    source: &Client,
    stream: &StreamName,
    (next, first): (u64, u64),
    to: &mpsc::Sender<Result<Met, Failure>>,
) -> bool {
    let mut after = None;
    loop {
        let (met, more) = match page(source, stream, after).await {
            LogPage::Events { found, next: more } => (Ok(streams(found, next)), more),
            LogPage::Unsearchable(why) => (Ok(not_seen(stream, next, first, &why)), None),
            LogPage::Failed => {
                let text = "the source's log could not be searched".to_owned();
                (Err(Failure::Unreachable(text)), None)
            }
        };
        let failed = met.is_err();
        if to.send(met).await.is_err() || failed {
            return false;
        }
        if more.is_none() {
            return true;
        }
        after = more;
    }
}

/// A page of the log, asked for again a few times.
async fn page(client: &Client, stream: &StreamName, after: Option<LogPosition>) -> LogPage {
    for pause in PAUSES {
        match search::search(client, stream, after).await {
            LogPage::Failed => sleep(pause).await,
            page => return page,
        }
    }
    search::search(client, stream, after).await
}

fn streams(found: Vec<(StreamName, u64)>, next: u64) -> Met {
    let link = |(stream, _): (StreamName, u64)| Link {
        place: Cursor::number(next),
        fingerprint: Fingerprint::of(&stream),
        stream,
        revision: None,
    };
    Met::of(found.into_iter().map(link).collect(), Cursor::number(next))
}

fn not_seen(stream: &StreamName, next: u64, first: u64, why: &str) -> Met {
    let last = first.saturating_sub(1);
    let text = format!(
        "{stream}: numbers {next} to {last} can no longer be read, so their streams were not compared: {why}"
    );
    Met {
        not_seen: Some(text),
        ..Met::of(Vec::new(), Cursor::number(next))
    }
}
