//! What the source can do: the subscription drained and acknowledged, nothing written.
//!
//! Uses the buffer size that ditto begins with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use ditto::source::persistent::GroupSession;
use ditto::source::{Arrival, Session};
use tokio::task::JoinHandle;

use super::link;
use crate::process::Devstore;

const BUFFER: u32 = 5_000;

pub(crate) fn start(source: &Devstore, done: Arc<AtomicU64>) -> JoinHandle<Result<()>> {
    let joining = link::join_task(source, BUFFER);
    tokio::spawn(async move {
        let (_subscription, mut stay) = joining.await?;
        let mut arrived = VecDeque::new();
        loop {
            if let Arrival::Over { why } = stay.next(&mut arrived).await {
                bail!("the subscription ended: {why:?}");
            }
            let acks: Vec<_> = arrived.drain(..).map(|delivered| delivered.ack).collect();
            let count = acks.len() as u64;
            stay.done(acks);
            done.fetch_add(count, Ordering::Relaxed);
        }
    })
}
