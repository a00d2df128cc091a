//! What the destination can do: the same events appended without a subscription.
//!
//! One append of a stream in flight, up to ditto's first limit of streams at once, so many events an append.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use ditto::destination::{Appends, Destination};
use ditto_core::event::Event;
use ditto_core::port::{Answer, Append, AppendId, AppendOutcome, Expected};
use tokio::task::JoinHandle;

use super::link;
use crate::cell::Shape;
use crate::process::Devstore;
use crate::serve;

const IN_FLIGHT: u32 = 256;

pub(crate) fn start(
    destination: &Devstore,
    shape: Shape,
    merged: u32,
    events: u32,
    done: Arc<AtomicU64>,
) -> JoinHandle<Result<()>> {
    let store = link::event_store(destination);
    tokio::spawn(async move {
        let mut appends = store?.appends();
        let mut next = vec![0_u32; shape.streams as usize];
        // Streams in turn; each place of the window belongs to the streams that come to it.
        let mut line: std::collections::VecDeque<u32> = (0..shape.streams).collect();
        let per_stream = events / shape.streams;
        let (mut flying, mut answers) = (0_u32, Vec::new());
        loop {
            while flying < IN_FLIGHT
                && let Some(stream) = line.pop_front()
            {
                let from = next[stream as usize];
                let to = (from + merged).min(per_stream);
                if from < to {
                    appends.send(append(shape, stream, from, to));
                    next[stream as usize] = to;
                    flying += 1;
                }
            }
            if flying == 0 {
                return Ok(());
            }
            appends.answers(&mut answers).await;
            for answer in answers.drain(..) {
                let Answer::Appended {
                    append: AppendId(id),
                    outcome: AppendOutcome::Written(_),
                } = answer
                else {
                    bail!("an append was answered with {answer:?}");
                };
                flying -= 1;
                let (stream, count) = (u32::try_from(id >> 32)?, id & u64::from(u32::MAX));
                line.push_back(stream);
                done.fetch_add(count, Ordering::Relaxed);
            }
        }
    })
}

/// The id holds stream and number of events, so that nothing has to be remembered.
fn append(shape: Shape, stream: u32, from: u32, to: u32) -> Append {
    let name = ditto_core::event::StreamName::new(serve::stream(stream));
    let events = (from..to)
        .map(|revision| {
            let (_, proposed) = serve::event(shape, revision * shape.streams + stream);
            Event {
                id: proposed.id,
                stream: name.clone(),
                revision: revision.into(),
                event_type: proposed.event_type,
                is_json: proposed.is_json,
                data: proposed.data,
                metadata: proposed.metadata,
                created: 0,
            }
        })
        .collect();
    Append {
        id: AppendId(u64::from(stream) << 32 | u64::from(to - from)),
        stream: name,
        expected: from
            .checked_sub(1)
            .map_or(Expected::NoStream, |last| Expected::Exact(last.into())),
        events,
        alone: false,
    }
}
