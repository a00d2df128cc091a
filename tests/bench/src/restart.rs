//! A mirror that is killed in the middle: when it goes on, and what it reads again.
//!
//! Never waits for a checkpoint before the kill: it strikes whenever the time is over.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep_until};

use crate::cell::Cell;
use crate::plan::{Settings, row as table_row};
use crate::process::{Devstore, Ditto, Reads};
use crate::report::{Row, progress};

const SAMPLE: Duration = Duration::from_millis(20);

/// More than is copied: something is left when it is killed.
const MOST_A_SECOND: u32 = 50_000;

const GOES_ON_WITHIN: Duration = Duration::from_secs(2);

/// Events that came from the source, copied or not.
const RECEIVED: &str = "ditto_events_received_total";

/// A checkpoint follows the one before after this time.
const CHECKPOINTS: Duration = Duration::from_secs(5);

/// A run that is slower than this is broken.
const DONE_WITHIN: Duration = Duration::from_secs(120);

/// The row about a kill after this time of copying.
pub(crate) async fn row(settings: &Settings, copies_for: Duration) -> Result<Row> {
    let cell = Cell::new(1_000, true).sized(300, 0);
    let seconds = u32::try_from(copies_for.as_secs()).context("a long time")? + 2;
    let events = MOST_A_SECOND * seconds;
    let source = Devstore::source(&cell, events).await?;
    let destination = Devstore::destination(&cell).await?;
    let (from, to) = (source.connection_string(), destination.connection_string());
    let ditto = Ditto::start(&settings.ditto, &from, &to, Reads::Log).await?;
    let samples = copy_for(&destination, copies_for).await?;
    let received = ditto.counted(RECEIVED).await?;
    ditto.kill().await?;
    let copied = settled(&destination).await?;
    let begun = Instant::now();
    let ditto = Ditto::start(&settings.ditto, &from, &to, Reads::Log).await?;
    let within = || {
        let late = begun.elapsed() >= DONE_WITHIN;
        ensure!(!late, "not everything was copied in time");
        Ok(sleep_until(Instant::now() + SAMPLE))
    };
    // The first readings may come before ditto listens.
    while ditto.counted(RECEIVED).await.unwrap_or_default() < 1.0 {
        within()?.await;
    }
    let went_on = begun.elapsed();
    while destination.appended().await? <= copied + CHECKPOINT_EVENTS {
        within()?.await;
    }
    let copies = begun.elapsed();
    while destination.appended().await? < u64::from(events) {
        within()?.await;
    }
    let again = received + ditto.counted(RECEIVED).await? - f64::from(events);
    let brought = brought(&samples, copied);
    let measured = format!(
        "went on after {:.2} s, copied a new event after {:.1} s; read {again:.0} events again, 5 s brought {brought}",
        went_on.as_secs_f64(),
        copies.as_secs_f64()
    );
    progress(&measured);
    // Counts stay far below what a float holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let reached = went_on <= GOES_ON_WITHIN && again <= brought as f64;
    Ok(table_row(
        "a mirror killed and started again in the middle",
        "goes on within 2 s, reads again at most what 5 s brought",
        measured,
        Some(reached),
    ))
}

/// What a process that starts may append before it copies: its checkpoint.
const CHECKPOINT_EVENTS: u64 = 2;

/// Events copied at moments, from the first one on for this long.
async fn copy_for(destination: &Devstore, time: Duration) -> Result<Vec<(Instant, u64)>> {
    let up = Instant::now() + DONE_WITHIN;
    let mut samples: Vec<(Instant, u64)> = Vec::new();
    loop {
        sleep_until(Instant::now() + SAMPLE).await;
        let (now, copied) = (Instant::now(), destination.appended().await?);
        ensure!(now < up, "nothing was copied in time");
        if copied > CHECKPOINT_EVENTS {
            samples.push((now, copied));
        }
        if samples
            .first()
            .is_some_and(|(first, _)| now - *first >= time)
        {
            return Ok(samples);
        }
    }
}

/// Events at the destination once nothing is under way to it any more.
async fn settled(destination: &Devstore) -> Result<u64> {
    let mut before = None;
    loop {
        let now = destination.appended().await?;
        if before.replace(now) == Some(now) {
            return Ok(now);
        }
        sleep_until(Instant::now() + SAMPLE * 10).await;
    }
}

/// Events copied in the time of one checkpoint before the kill.
fn brought(samples: &[(Instant, u64)], copied: u64) -> u64 {
    let Some((last, _)) = samples.last() else {
        return 0;
    };
    let before = samples
        .iter()
        .rfind(|(at, _)| *last - *at >= CHECKPOINTS)
        .map_or(0, |(_, copied)| *copied);
    copied - before
}
