//! One development server in a process of its own, filled before it says where it listens.
//!
//! Never measures; the events are the same for the same arguments.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use devstore::store::{Expected, Proposed, Store};
use devstore::{Model, Options, Server};
use uuid::Uuid;

use crate::cell::Shape;

const LARGE: usize = 1024 * 1024 - 512;

/// What the server holds and how it answers.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Events to begin with.
    #[arg(long, default_value_t = 0)]
    events: u32,
    /// Streams that they are in, one event of each in turn.
    #[arg(long, default_value_t = 1)]
    streams: u32,
    /// Bytes of data of each.
    #[arg(long, default_value_t = 200)]
    size: u32,
    /// Every so many events one of 1 MiB.
    #[arg(long, default_value_t = 0)]
    large_every: u32,
    /// Records of other streams behind each.
    #[arg(long, default_value_t = 0)]
    others: u32,
    /// Answer as slowly as a real 23.10.4.
    #[arg(long)]
    model: bool,
    /// Microseconds each way on every connection.
    #[arg(long, default_value_t = 0)]
    latency_us: u64,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<()> {
        let options = Options {
            model: self.model.then_some(Model::V23_10_4),
            latency: Duration::from_micros(self.latency_us),
            ..Options::default()
        };
        let server = Server::start(options)
            .await
            .context("failed to start a development server")?;
        let shape = Shape {
            streams: self.streams,
            size: self.size,
            large_every: self.large_every,
            others: self.others,
        };
        fill(server.store(), shape, self.events)?;
        let mut out = std::io::stdout();
        writeln!(out, "{}", server.address()).context("failed to print the address")?;
        out.flush().context("failed to print the address")?;
        // The benchmark ends this process; until then it serves.
        std::future::pending::<()>().await;
        Ok(())
    }
}

/// Name of a stream of the benchmark.
pub(crate) fn stream(number: u32) -> String {
    format!("bench-{number:06}")
}

/// The event with this number among all: its stream's number, and the event.
pub(crate) fn event(shape: Shape, number: u32) -> (u32, Proposed) {
    let large = shape.large_every > 0 && number % shape.large_every == shape.large_every - 1;
    let size = if large { LARGE } else { shape.size as usize };
    let head = format!("{{\"number\":{number},\"text\":\"");
    let text = "x".repeat(size.saturating_sub(head.len() + 2));
    let proposed = Proposed {
        id: Uuid::from_u128(0xd177_0000_0000_4000_8000_0000_0000_0000 + u128::from(number)),
        event_type: "bench-happened".into(),
        is_json: true,
        data: Bytes::from(format!("{head}{text}\"}}")),
        metadata: Bytes::from_static(b"{\"source\":\"bench\"}"),
    };
    (number % shape.streams, proposed)
}

fn fill(store: &Store, shape: Shape, events: u32) -> Result<()> {
    for number in 0..events {
        let (place, proposed) = event(shape, number);
        store
            .append(&stream(place), Expected::Any, vec![proposed])
            .map_err(|refused| anyhow::anyhow!("failed to fill the server: {refused:?}"))?;
        let (_, other) = event(shape, number);
        store.append_stretch("other-1", other, shape.others.into());
    }
    Ok(())
}
