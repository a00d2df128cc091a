//! Memory of the ditto process: the peak over a large backlog in many streams, and whether a long run stays flat.
//!
//! Reads /proc of the process under test. Never measures a server.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep_until};

use crate::cell::Cell;
use crate::plan::Settings;
use crate::process::{Devstore, Ditto, Reads};
use crate::report::{Row, progress};

/// Part 6 of the speed issue names these.
const BACKLOG: (u32, u32) = (500_000, 50_000);
const LONG_RUN: (u32, u32) = (2_000_000, 1_000);

const SAMPLE: Duration = Duration::from_millis(500);

/// A run that is slower than this is broken.
const DONE_WITHIN: Duration = Duration::from_secs(600);

/// The rows about memory.
pub(crate) async fn rows(settings: &Settings) -> Result<Vec<Row>> {
    let (peak, _) = copy(settings, BACKLOG, Reads::Subscription).await?;
    let (long_peak, samples) = copy(settings, LONG_RUN, Reads::Subscription).await?;
    let (first, second) = samples.split_at(samples.len() / 2);
    let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or(0);
    let (first, second) = (most(first), most(second));
    let flat = second * 10 <= first * 11;
    Ok(vec![
        Row {
            what: format!(
                "peak memory, {} events over {} streams",
                BACKLOG.0, BACKLOG.1
            ),
            wanted: "<= 128 MiB".to_owned(),
            measured: format!("{} MiB", peak / 1024),
            reached: Some(peak <= 128 * 1024),
        },
        Row {
            what: format!("memory over {} events", LONG_RUN.0),
            wanted: "<= 128 MiB, second half within 10 % of the first".to_owned(),
            measured: format!(
                "peak {} MiB; halves {} and {} MiB",
                long_peak / 1024,
                first / 1024,
                second / 1024
            ),
            reached: Some(long_peak <= 128 * 1024 && flat),
        },
    ])
}

/// The row about a mirror that meets so many streams, and a fifth of them again.
pub(crate) async fn of_a_mirror(settings: &Settings, streams: u32) -> Result<Row> {
    let events = streams + streams / 5;
    let (peak, _) = copy(settings, (events, streams), Reads::Log).await?;
    Ok(Row {
        what: format!("peak memory of a mirror, {events} events over {streams} streams"),
        wanted: "<= 128 MiB".to_owned(),
        measured: format!("{} MiB", peak / 1024),
        reached: Some(peak <= 128 * 1024),
    })
}

/// Copies everything; the peak and the samples on the way, in KiB.
async fn copy(
    settings: &Settings,
    (events, streams): (u32, u32),
    reads: Reads,
) -> Result<(u64, Vec<u64>)> {
    let cell = Cell::new(streams, false);
    let source = Devstore::source(&cell, events).await?;
    let destination = Devstore::destination(&cell).await?;
    let ditto = Ditto::start(
        &settings.ditto,
        &source.connection_string(),
        &destination.connection_string(),
        reads,
    )
    .await?;
    let begun = Instant::now();
    let (mut samples, mut peak) = (Vec::new(), 0);
    loop {
        sleep_until(Instant::now() + SAMPLE).await;
        let copied = destination.appended().await?;
        let (now, most) = ditto.memory()?;
        peak = peak.max(most);
        samples.push(now);
        if copied >= u64::from(events) {
            progress(&format!(
                "{events} events over {streams} streams: {} s, peak {} MiB",
                begun.elapsed().as_secs(),
                peak / 1024
            ));
            return Ok((peak, samples));
        }
        ensure!(
            begun.elapsed() < DONE_WITHIN,
            "{copied} of {events} events copied within {} s",
            DONE_WITHIN.as_secs()
        );
    }
}
