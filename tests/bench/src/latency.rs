//! Live latency: from the answer to an append at the source until the event can be read at the destination.
//!
//! One event every few milliseconds, no backlog. Never counts the first events: connections warm up.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use devstore::store::{Expected, Store};
use devstore::{Options, Server};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use uuid::Uuid;

use crate::cell::Cell;
use crate::figures::{Figures, Latencies};
use crate::plan::Settings;
use crate::process::{Ditto, Reads};
use crate::report::{Row, progress};
use crate::serve;
use crate::spread::at;

/// Streams that are written in turn.
const STREAMS: u32 = 20;

/// A latency above this is a loss.
const ALL_WITHIN: Duration = Duration::from_secs(30);

/// Events that are not counted.
const WARM_UP: u32 = 100;

/// The rows about latency.
pub(crate) async fn rows(settings: &Settings, figures: &mut Figures) -> Result<Vec<Row>> {
    let near = Cell::new(STREAMS, false);
    let mut rows = Vec::new();
    for (name, lines, cell, every_ms, p50, p99) in [
        ("loopback", "no model, loopback", near, 5, 3.0, 15.0),
        (
            "50 ms to the source",
            "round trip 50 ms to the source",
            near.over(50, 0),
            10,
            30.0,
            40.0,
        ),
        (
            "50 ms to the destination",
            "round trip 50 ms to the destination",
            near.over(0, 50),
            10,
            30.0,
            40.0,
        ),
    ] {
        let every = Duration::from_millis(every_ms);
        let sorted = measure(settings, &cell, every, Reads::Subscription).await?;
        rows.push(row(&format!("live latency, {lines}"), &sorted, p50, p99));
        figures.keep(Latencies { name, sorted });
    }
    Ok(rows)
}

/// The row about a mirror, which takes turns with a subscription: 200 events/s.
pub(crate) async fn of_a_mirror(settings: &Settings, figures: &mut Figures) -> Result<Row> {
    let near = Cell::new(STREAMS, false);
    let every = Duration::from_millis(5);
    let (mut mirror, mut subscription) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        subscription.extend(measure(settings, &near, every, Reads::Subscription).await?);
        mirror.extend(measure(settings, &near, every, Reads::Log).await?);
    }
    for latencies in [&mut mirror, &mut subscription] {
        latencies.sort_by(f64::total_cmp);
    }
    let reached = [0.5, 0.99]
        .iter()
        .all(|part| at(&mirror, *part) <= at(&subscription, *part));
    let row = Row {
        what: "live latency of a mirror, no model, loopback".to_owned(),
        wanted: "p50 and p99 <= the subscription's".to_owned(),
        measured: format!("{}; subscription {}", text(&mirror), text(&subscription)),
        reached: Some(reached),
    };
    figures.keep(Latencies {
        name: "mirror, loopback",
        sorted: mirror,
    });
    Ok(row)
}

fn text(sorted: &[f64]) -> String {
    format!(
        "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, most {:.1} ms",
        at(sorted, 0.5),
        at(sorted, 0.9),
        at(sorted, 0.99),
        at(sorted, 1.0)
    )
}

fn row(what: &str, sorted: &[f64], p50: f64, p99: f64) -> Row {
    let (median, late) = (at(sorted, 0.5), at(sorted, 0.99));
    let text = text(sorted);
    progress(&format!("{what}: {text}"));
    Row {
        what: what.to_owned(),
        wanted: format!("p50 <= {p50:.0} ms, p99 <= {p99:.0} ms"),
        measured: text,
        reached: Some(median <= p50 && late <= p99),
    }
}

/// Latencies in milliseconds, sorted. Servers run in this process: their stores are written and watched directly, so
/// that the lines delay what ditto does and not the measurement.
async fn measure(
    settings: &Settings,
    cell: &Cell,
    every: Duration,
    reads: Reads,
) -> Result<Vec<f64>> {
    let source = server(cell.lines.source).await?;
    let destination = server(cell.lines.destination).await?;
    let _ditto = Ditto::start(
        &settings.ditto,
        &source.connection_string(),
        &destination.connection_string(),
        reads,
    )
    .await?;
    let count = u32::try_from(settings.window.as_millis() / every.as_millis()).unwrap_or(u32::MAX)
        + WARM_UP;
    let watching = tokio::spawn(watch(destination.store().clone(), count as usize));
    let written = write_events(source.store(), count, every).await?;
    let seen = timeout(ALL_WITHIN, watching)
        .await
        .context("not everything arrived at the destination in time")?
        .context("the watcher panicked")?;
    let mut latencies: Vec<f64> = written
        .iter()
        .skip(WARM_UP as usize)
        .filter_map(|(id, at)| {
            seen.get(id)
                .map(|seen| seen.saturating_duration_since(*at).as_secs_f64() * 1000.0)
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}

async fn server(round_trip: Duration) -> Result<Server> {
    let options = Options {
        latency: round_trip / 2,
        ..Options::default()
    };
    Server::start(options)
        .await
        .context("failed to start a development server")
}

async fn write_events(store: &Store, count: u32, every: Duration) -> Result<Vec<(Uuid, Instant)>> {
    let shape = Cell::new(STREAMS, false).shape;
    let mut clock = interval(every);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut written = Vec::new();
    for number in 0..count {
        clock.tick().await;
        let (place, event) = serve::event(shape, number);
        let id = event.id;
        store
            .append(&serve::stream(place), Expected::Any, vec![event])
            .map_err(|refused| anyhow!("failed to append at the source: {refused:?}"))?;
        written.push((id, Instant::now()));
    }
    Ok(written)
}

/// When each event could first be read.
async fn watch(store: Store, count: usize) -> HashMap<Uuid, Instant> {
    let mut end = store.watch_log();
    let mut seen = HashMap::new();
    let mut from = 0;
    while seen.len() < count {
        if end.changed().await.is_err() {
            break;
        }
        let now = Instant::now();
        while let Ok(page) = store.read_all_forward(from, 1_000) {
            let ours = page
                .events
                .iter()
                .filter(|record| record.stream.starts_with("bench-"));
            seen.extend(ours.map(|record| (record.id, now)));
            if page.events.is_empty() {
                break;
            }
            from = page.next;
        }
    }
    seen
}
