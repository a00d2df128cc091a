//! The original tool's loop: buffer 10, one event, one append awaited, acknowledged, next.
//!
//! Over batch append, as that tool's client does. Never has two appends in flight.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use ditto::destination::{Appends, Destination};
use ditto::source::persistent::GroupSession;
use ditto::source::{Arrival, Session};
use ditto_core::event::Item;
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected};
use tokio::task::JoinHandle;

use super::link;
use crate::process::Devstore;

const BUFFER: u32 = 10;

pub(crate) fn start(
    source: &Devstore,
    destination: &Devstore,
    done: Arc<AtomicU64>,
) -> JoinHandle<Result<()>> {
    let store = link::event_store(destination);
    let joining = link::join_task(source, BUFFER);
    tokio::spawn(async move {
        let (_subscription, mut stay) = joining.await?;
        let mut appends = store?.appends();
        let mut arrived = VecDeque::new();
        loop {
            if let Arrival::Over { why } = stay.next(&mut arrived).await {
                bail!("the subscription ended: {why:?}");
            }
            for delivered in arrived.drain(..) {
                if let Item::Event(event) = delivered.item {
                    let expected = event
                        .revision
                        .checked_sub(1)
                        .map_or(Expected::NoStream, Expected::Exact);
                    let (stream, revision) = (event.stream.clone(), event.revision);
                    let id = AppendId(done.load(Ordering::Relaxed));
                    appends.send(Append {
                        id,
                        stream,
                        expected,
                        events: vec![event],
                        alone: false,
                    });
                    let mut answers = Vec::new();
                    appends.answers(&mut answers).await;
                    match answers.pop() {
                        Some(Answer::Appended {
                            outcome: AppendOutcome::Written(last),
                            ..
                        }) if last == revision => {}
                        other => bail!("an append was answered with {other:?}"),
                    }
                }
                stay.done(vec![delivered.ack]);
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}
