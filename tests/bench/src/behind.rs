//! A mirror that is far behind in a log of which it wants little: the source alone, then with ditto.
//!
//! The source makes the records of others when they are read. Never counts a run in which the mirror stood still as good.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ditto::eventstore::Side;
use ditto::eventstore::client::{LogMessage, SubscribeLog};
use ditto_core::filter::{Rule, StreamFilter};
use tokio::time::{Instant, sleep_until, timeout};

use crate::cell::Cell;
use crate::competitors::link;
use crate::plan::Settings;
use crate::process::{Devstore, Ditto, MIRRORED, Reads};
use crate::report::{Row, progress};
use crate::spread::Spread;

/// Of so many records one matches.
const ONE_IN: u32 = 1_000;

/// Streams of the events that match.
const STREAMS: u32 = 100;

/// The status is made once a second.
const SAMPLE: Duration = Duration::from_millis(250);

/// The mark may stand still for as long as two readings of the status are apart, and a little.
const STILL: Duration = Duration::from_secs(2);

/// A run that is slower than this is broken.
const DONE_WITHIN: Duration = Duration::from_secs(300);

/// What one run of the mirror gave.
struct Copied {
    took: Duration,
    /// The longest time without a move of the mark.
    still: Duration,
}

/// The row about that many events that match.
pub(crate) async fn row(settings: &Settings, events: u32) -> Result<Row> {
    let cell = Cell::new(STREAMS, true).sized(300, 0).one_in(ONE_IN);
    let source = Devstore::source(&cell, events).await?;
    let (mut alone, mut with_ditto, mut still) = (Vec::new(), Vec::new(), Duration::ZERO);
    for _ in 0..settings.runs {
        alone.push(look_through(&source, events).await?.as_secs_f64());
        let copied = copy(settings, &cell, &source, events).await?;
        with_ditto.push(copied.took.as_secs_f64());
        still = still.max(copied.still);
    }
    let (alone, mirror) = (Spread::of(&alone).median, Spread::of(&with_ditto).median);
    let records = f64::from(events) * f64::from(ONE_IN);
    let row = Row {
        what: format!("mirror behind by {records} records, one in {ONE_IN} matches"),
        wanted: ">= 70 % of what the source needs to look through them, the mark moves".to_owned(),
        measured: format!(
            "{:.0} records/s, {:.0} % of {:.0}; the mark stood still for {:.1} s at most",
            records / mirror,
            100.0 * alone / mirror,
            records / alone,
            still.as_secs_f64()
        ),
        reached: Some(alone >= 0.7 * mirror && still <= STILL),
    };
    progress(&row.measured);
    Ok(row)
}

/// The time until a subscription, read as fast as it comes, has brought everything.
async fn look_through(source: &Devstore, events: u32) -> Result<Duration> {
    let client = link::client(Side::Source, source)?;
    let rule = Rule::parse(MIRRORED).map_err(|why| anyhow!("{MIRRORED}: {why}"))?;
    let subscribe = SubscribeLog {
        after: None,
        streams: StreamFilter::new(Some(vec![rule]), Vec::new()).regex(),
    };
    let begun = Instant::now();
    let reading = async {
        let node = client.log_node(None, &[]).await?;
        let mut log = client.subscribe_log(&node, &subscribe).await?;
        let mut records = 0;
        loop {
            match log.next().await?.context("the subscription ended")? {
                LogMessage::Record(_) => records += 1,
                LogMessage::CaughtUp => return Ok::<u32, anyhow::Error>(records),
                LogMessage::LookedThrough(_) | LogMessage::FellBehind => {}
            }
        }
    };
    let records = timeout(DONE_WITHIN, reading)
        .await
        .context("the log was not looked through in time")??;
    ensure!(records == events, "{records} of {events} events came");
    Ok(begun.elapsed())
}

async fn copy(settings: &Settings, cell: &Cell, source: &Devstore, events: u32) -> Result<Copied> {
    let destination = Devstore::destination(cell).await?;
    let (from, to) = (source.connection_string(), destination.connection_string());
    let begun = Instant::now();
    let ditto = Ditto::start(&settings.ditto, &from, &to, Reads::Log).await?;
    let (mut last, mut moved, mut still) = (None, None, Duration::ZERO);
    while destination.appended().await? < events.into() {
        ensure!(
            begun.elapsed() < DONE_WITHIN,
            "not everything was copied in time"
        );
        sleep_until(Instant::now() + SAMPLE / 10).await;
        // The first readings may come before ditto listens.
        let mark = ditto.mark().await.unwrap_or(last);
        let now = Instant::now();
        if mark != last {
            (last, moved) = (mark, Some(now));
        }
        still = still.max(moved.map_or(Duration::ZERO, |moved| now - moved));
    }
    Ok(Copied {
        took: begun.elapsed(),
        still,
    })
}
