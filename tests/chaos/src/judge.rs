//! Whether both sides are equal, asked of the servers alone.
//!
//! Never takes a difference as final before time is up, unless something is there twice.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use support::compare::{Recorded, compare};
use support::store::Store;
use tokio::time::{Instant, sleep};

use crate::group::{GROUP, source_stream};
use crate::others::{PLACEHOLDER, is_system};
use crate::trouble::Side;
use crate::world::{MIRROR, World};
use crate::writing::stream;

/// A read may take this long.
const CALL: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// So many differences are shown.
const SHOWN: usize = 8;

/// Reads both servers.
#[derive(Debug)]
pub(crate) struct Judge {
    source: Store,
    destination: Store,
    /// Links that the category has when everything is there.
    linked: u64,
    /// How many streams are compared.
    streams: usize,
}

impl Judge {
    /// Connects to both, which may still be starting.
    pub(crate) async fn new(
        world: &World,
        linked: u64,
        streams: usize,
        until: Instant,
    ) -> Result<Self> {
        Ok(Self {
            source: connect(world.addresses(Side::Source), until).await?,
            destination: connect(world.addresses(Side::Destination), until).await?,
            linked,
            streams,
        })
    }

    /// Waits until every stream is equal.
    ///
    /// # Errors
    /// It is not in time, or the destination has more than the source. Names the differences.
    pub(crate) async fn until_equal(&self, until: Instant) -> Result<()> {
        loop {
            let links = self.links().await?;
            if links >= self.linked {
                let differences = self.differences().await?;
                if differences.is_empty() {
                    return Ok(());
                }
                if links > self.linked {
                    bail!("something is there twice: {}", differences.join("; "));
                }
            }
            if Instant::now() >= until {
                let differences = self.differences().await?.join("; ");
                bail!(
                    "{links} of {} linked events are copied: {differences}",
                    self.linked
                );
            }
            sleep(PAUSE).await;
        }
    }

    /// What differs now.
    ///
    /// # Errors
    /// A server does not answer.
    pub(crate) async fn differences(&self) -> Result<Vec<String>> {
        let mut differences = Vec::new();
        for number in 0..self.streams {
            let name = stream(number);
            let (ours, theirs) =
                futures_util::try_join!(self.source.stream(&name), self.destination.stream(&name))?;
            differences.extend(differing(&name, &ours, &theirs));
        }
        let more = differences.len().saturating_sub(SHOWN);
        differences.truncate(SHOWN);
        if more > 0 {
            differences.push(format!("and {more} more"));
        }
        Ok(differences)
    }

    /// Reasons of the entries in the group's parked stream.
    ///
    /// # Errors
    /// The source does not answer.
    pub(crate) async fn parked(&self) -> Result<Vec<String>> {
        let name = format!(
            "$persistentsubscription-{}::{GROUP}-parked",
            source_stream()
        );
        let entries = self.source.stream(&name).await?;
        Ok(entries.iter().map(reason).collect())
    }

    /// What a mirror wrote of streams that it holds.
    ///
    /// # Errors
    /// The destination does not answer.
    pub(crate) async fn held(&self) -> Result<Vec<String>> {
        let name = format!("$ditto-held-{MIRROR}");
        let data = |entry: &Recorded| String::from_utf8_lossy(&entry.data).into_owned();
        let held = self.destination.stream(&name).await?;
        let held = held.iter().filter(|entry| entry.event_type == "ditto-held");
        Ok(held.map(data).collect())
    }

    async fn links(&self) -> Result<u64> {
        let last = self.destination.last(&source_stream()).await?;
        Ok(last.map_or(0, |last| last + 1))
    }
}

/// How a stream differs. The destination has nothing of a system stream, and placeholders only where the source's beginning is
/// gone.
fn differing(stream: &str, ours: &[Recorded], theirs: &[Recorded]) -> Vec<String> {
    if is_system(stream) {
        return compare(stream, &[], theirs).differences;
    }
    let first = ours.first().map_or(0, |event| event.revision);
    let before = theirs.iter().take_while(|event| event.revision < first);
    let (before, others) = theirs.split_at(before.count());
    let others_there = before
        .iter()
        .filter(|event| event.event_type != PLACEHOLDER)
        .map(|event| {
            format!(
                "{stream} #{}: the source's is gone, and no placeholder",
                event.revision
            )
        });
    let mut differences: Vec<String> = others_there.collect();
    differences.extend(compare(stream, ours, others).differences);
    differences
}

fn reason(entry: &Recorded) -> String {
    let metadata: serde_json::Value = serde_json::from_slice(&entry.metadata).unwrap_or_default();
    metadata["reason"].as_str().unwrap_or_default().to_owned()
}

async fn connect(addresses: &[String], until: Instant) -> Result<Store> {
    loop {
        for address in addresses {
            if let Ok(store) = Store::connect_within(address, CALL).await {
                return Ok(store);
            }
        }
        if Instant::now() >= until {
            return Err(anyhow::anyhow!("nobody listens")).context(addresses.join(", "));
        }
        sleep(PAUSE).await;
    }
}
