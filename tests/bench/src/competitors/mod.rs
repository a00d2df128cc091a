//! Who is measured: ditto, the original's loop, and what each server can do alone.
//!
//! Each says how many events are done so far; the rate is taken from that. Never decides how long it runs.

mod baseline;
pub(crate) mod link;
mod sink;
mod source;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::cell::Cell;
use crate::process::{Devstore, Ditto, Reads};

/// Until rates are steady. ditto chooses its buffer size anew after a few seconds; the others have nothing to adapt.
const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_OF_DITTO: Duration = Duration::from_secs(5);

/// Copying one event at a time over a line is as fast as the line's round trips, which a few of them show.
const WINDOW_OVER_A_LINE: Duration = Duration::from_secs(3);

/// The wait for a sample is the measurement's own clock.
const SAMPLE: Duration = Duration::from_millis(250);

/// A way of moving events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Competitor {
    /// The original tool's loop: buffer 10, one event, one append awaited, acknowledged, next.
    Baseline,
    /// The subscription drained and acknowledged, nothing written.
    SourceCeiling,
    /// The same events appended without a subscription, so many an append.
    SinkCeiling(u32),
    /// The release binary with its default configuration, by a subscription.
    Ditto,
    /// The same by a mirror.
    Mirror,
}

impl std::fmt::Display for Competitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Baseline => f.write_str("one at a time"),
            Self::SourceCeiling => f.write_str("source ceiling"),
            Self::SinkCeiling(events) => write!(f, "sink ceiling, {events} an append"),
            Self::Ditto => f.write_str("ditto"),
            Self::Mirror => f.write_str("ditto's mirror"),
        }
    }
}

/// What one run gave.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// Events a second in the window.
    pub(crate) rate: f64,
    /// Microseconds of ditto's CPU time an event; 0 for others.
    pub(crate) cpu_micros: f64,
    /// Events of ditto's appends, on average; 0 for others.
    pub(crate) append_events: f64,
    /// The source was drained before the window ended: the rate is of what there was.
    pub(crate) drained: bool,
}

/// Runs a competitor for a warm-up and a window against a filled source and an empty destination.
pub(crate) async fn run(
    competitor: Competitor,
    cell: &Cell,
    source: &Devstore,
    events: u32,
    window: Duration,
    program: &Path,
) -> Result<Run> {
    let destination = Devstore::destination(cell).await?;
    let done = Arc::new(AtomicU64::new(0));
    let mut ditto = None;
    let task: Option<JoinHandle<Result<()>>> = match competitor {
        Competitor::Ditto | Competitor::Mirror => {
            let reads = match competitor {
                Competitor::Mirror => Reads::Log,
                _ => Reads::Subscription,
            };
            let (from, to) = (source.connection_string(), destination.connection_string());
            ditto = Some(Ditto::start(program, &from, &to, reads).await?);
            None
        }
        Competitor::Baseline => Some(baseline::start(source, &destination, done.clone())),
        Competitor::SourceCeiling => Some(source::start(source, done.clone())),
        Competitor::SinkCeiling(merged) => Some(sink::start(
            &destination,
            cell.shape,
            merged,
            events,
            done.clone(),
        )),
    };
    let count = async || match competitor {
        Competitor::Ditto | Competitor::Mirror => destination.appended().await,
        _ => Ok(done.load(Ordering::Relaxed)),
    };
    let window = if competitor == Competitor::Baseline && !cell.round_trip().is_zero() {
        window.min(WINDOW_OVER_A_LINE)
    } else {
        window
    };
    let measured = measure(&count, ditto.as_ref(), u64::from(events), window).await;
    if let Some(task) = task {
        // A competitor that failed has no rate.
        if task.is_finished() {
            task.await.context("a competitor panicked")??;
        } else {
            task.abort();
        }
    }
    measured.with_context(|| format!("failed to measure {competitor}"))
}

async fn measure(
    count: &impl AsyncFn() -> Result<u64>,
    ditto: Option<&Ditto>,
    all: u64,
    window: Duration,
) -> Result<Run> {
    let begun = Instant::now();
    let up = begun + Duration::from_secs(30);
    while count().await? == 0 {
        anyhow::ensure!(Instant::now() < up, "nothing was copied within 30 s");
        sleep_until(Instant::now() + SAMPLE / 10).await;
    }
    let warm_up = ditto.map_or(WARM_UP, |_| WARM_UP_OF_DITTO);
    let warm = Instant::now() + warm_up;
    // A source that would be empty too soon is measured over its second half.
    while Instant::now() < warm && count().await? * 2 < all {
        sleep_until(warm.min(Instant::now() + SAMPLE)).await;
    }
    let appends_first = appends(ditto).await?;
    let (start, first, cpu_first) = (Instant::now(), count().await?, cpu(ditto)?);
    let (mut last, mut at, mut drained) = (first, start, false);
    while at - start < window {
        sleep_until(at + SAMPLE).await;
        last = count().await?;
        at = Instant::now();
        drained = last >= all;
        if drained {
            break;
        }
    }
    let events = last.saturating_sub(first).max(1);
    let used = cpu(ditto)?.saturating_sub(cpu_first);
    let appends_last = appends(ditto).await?;
    // Counts stay far below what a float holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let events = events as f64;
    Ok(Run {
        rate: events / (at - start).as_secs_f64(),
        cpu_micros: used.as_secs_f64() * 1e6 / events,
        append_events: (appends_last.0 - appends_first.0)
            / (appends_last.1 - appends_first.1).max(1.0),
        drained,
    })
}

/// Events of all appends so far, and how many these were.
async fn appends(ditto: Option<&Ditto>) -> Result<(f64, f64)> {
    let Some(ditto) = ditto else {
        return Ok((0.0, 0.0));
    };
    Ok((
        ditto.counted("ditto_append_events_sum").await?,
        ditto.counted("ditto_append_events_count").await?,
    ))
}

fn cpu(ditto: Option<&Ditto>) -> Result<Duration> {
    ditto.map_or(Ok(Duration::ZERO), Ditto::cpu)
}
