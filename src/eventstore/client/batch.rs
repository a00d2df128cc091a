//! Many appends over few long calls (`Streams.BatchAppend`, protocol §4.2), answered one by one.
//!
//! Each submitted append is answered exactly once, or listed once in [`Answer::CallEnded`]; late, doubled and
//! unknown answers are ignored. Never splits, merges or repeats an append, and never has a task of its own: all of it
//! runs where [`BatchAppender::next`] is awaited, and dropping the appender ends its calls.

mod answer;
mod call;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod lane;
mod single;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::task::Poll;
use std::time::Duration;

use super::super::error::Error;
use super::Client;
use ditto_core::port::{Answer, Append};
use lane::Lane;

/// How a [`BatchAppender`] works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchOptions {
    /// How many calls, each over a connection of its own. A stream is always written over the same one, so that the
    /// order within it never depends on two connections.
    pub lanes: u32,
    /// A call that answers nothing for this long while appends are in flight is given up.
    pub silence: Duration,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            lanes: 1,
            silence: Duration::from_secs(10),
        }
    }
}

/// Sends appends, and hands out their answers. Whoever owns it bounds what is in flight.
#[derive(Debug)]
pub struct BatchAppender {
    lanes: Vec<Lane>,
    /// The lane asked first next time, so that none starves the others.
    turn: usize,
}

impl BatchAppender {
    /// Makes an appender; the first append of each lane opens its call.
    #[must_use]
    pub fn new(client: &Client, options: BatchOptions) -> Self {
        // The last one is for what goes alone.
        let lanes = (0..=options.lanes.max(1))
            .map(|lane| Lane::new(lane, client.clone(), options.silence))
            .collect();
        Self { lanes, turn: 0 }
    }

    /// Hands an append over. It goes out while [`BatchAppender::next`] is awaited, and in any case is answered there.
    pub fn submit(&mut self, append: Append) {
        let shared = self.lanes.len() - 1;
        let lane = if append.alone {
            shared
        } else {
            let mut hasher = DefaultHasher::new();
            append.stream.hash(&mut hasher);
            // The remainder is smaller than a length.
            #[allow(clippy::cast_possible_truncation)]
            let lane = (hasher.finish() % shared as u64) as usize;
            lane
        };
        self.lanes[lane].submit(append);
    }

    /// Ends all calls: what has not left stays, and what is unanswered is told as that of a call that ended.
    pub fn abort(&mut self) {
        self.lanes.iter_mut().for_each(Lane::abort);
    }

    /// Appends without an answer yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.lanes.iter().map(Lane::in_flight).sum()
    }

    /// Waits for the next answer; for ever while nothing is in flight. May be dropped at any point without loss.
    pub async fn next(&mut self) -> Answer<Error> {
        std::future::poll_fn(|cx| {
            let count = self.lanes.len();
            for step in 0..count {
                let lane = (self.turn + step) % count;
                if let Poll::Ready(event) = self.lanes[lane].poll_event(cx) {
                    self.turn = (lane + 1) % count;
                    return Poll::Ready(event);
                }
            }
            Poll::Pending
        })
        .await
    }
}
