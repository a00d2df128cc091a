//! A pipeline's appends: many at once over a few long calls.
//!
//! Never repeats an append by itself; the pipeline says what is sent again.

use futures_util::FutureExt;

use crate::destination::{Abort, Appends};
use crate::eventstore::client::{BatchAppender, BatchOptions, Client};
use ditto_core::port::{Answer, Append};

/// A call's window is 768 KiB at the server (protocol §10): over a long line one call is not enough. Each is opened
/// when the first stream needs it.
const CALLS: u32 = 4;

/// Answers taken at once, so that deliveries get their turn.
const MOST_ANSWERS: usize = 1_024;

/// The calls of one pipeline.
#[derive(Debug)]
pub struct EventStoreAppends {
    batch: BatchAppender,
}

impl EventStoreAppends {
    pub(super) fn new(client: &Client) -> Self {
        Self::with_calls(client, CALLS)
    }

    /// For metadata, which is small and seldom: one call, and another for what goes alone.
    pub(super) fn of_states(client: &Client) -> Self {
        Self::with_calls(client, 1)
    }

    fn with_calls(client: &Client, lanes: u32) -> Self {
        let options = BatchOptions {
            lanes,
            ..BatchOptions::default()
        };
        Self {
            batch: BatchAppender::new(client, options),
        }
    }
}

impl Abort for EventStoreAppends {
    fn abort(&mut self) {
        self.batch.abort();
    }
}

impl Appends for EventStoreAppends {
    fn send(&mut self, append: Append) {
        self.batch.submit(append);
    }

    async fn answers(&mut self, into: &mut Vec<Answer>) {
        into.push(self.batch.next().await.map_end(Into::into));
        while into.len() < MOST_ANSWERS
            && let Some(answer) = self.batch.next().now_or_never()
        {
            into.push(answer.map_end(Into::into));
        }
    }
}
