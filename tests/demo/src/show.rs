//! What the demo shows: fills the source, waits for ditto's copy, compares both sides and prints the table. Never asks
//! ditto whether it is done, only the servers.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use support::compare::{Comparison, compare};
use support::store::Store;
use tokio::time::sleep;
use uuid::Uuid;

use crate::database::{Database, FIRST};
use crate::seed;

const CATEGORY: &str = "$ce-customer";
/// How long ditto may take from its start until everything is copied.
const COPY: Duration = Duration::from_secs(30);

/// Where the servers and ditto's status page listen, as `host:port`.
#[derive(Debug)]
pub(crate) struct Addresses {
    pub(crate) source: String,
    pub(crate) destination: String,
    pub(crate) page: String,
}

/// Writes the customers' events to the source; returns how many.
pub(crate) async fn seed(at: &Addresses) -> Result<usize> {
    let seeded = seed::seed(&Store::connect(&at.source).await?).await?;
    say(&format!(
        "source {}: {seeded} events in streams customer-…\ndestination {}: empty; starting ditto\n",
        at.source, at.destination
    ))?;
    Ok(seeded)
}

/// Waits until the destination has as many events as the source, then compares every stream of both; whether all are
/// identical.
pub(crate) async fn copy_and_compare(at: &Addresses, seeded: usize) -> Result<bool> {
    let started = Instant::now();
    let (source, destination) = (
        Store::connect(&at.source).await?,
        Store::connect(&at.destination).await?,
    );
    loop {
        let copied = destination.stream(CATEGORY).await?.len();
        if copied >= seeded {
            break;
        }
        if started.elapsed() > COPY {
            bail!("only {copied} of {seeded} events were copied within {COPY:?}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    let took = started.elapsed();

    let mut streams: BTreeSet<String> = source.streams_of(CATEGORY).await?;
    streams.extend(destination.streams_of(CATEGORY).await?);
    let mut compared = Vec::new();
    for stream in streams {
        let found = compare(
            &stream,
            &source.stream(&stream).await?,
            &destination.stream(&stream).await?,
        );
        compared.push((stream, found));
    }
    say(&table(&compared, took))?;
    let identical = compared
        .iter()
        .map(|(_, found)| found.identical)
        .sum::<usize>();
    let different = compared
        .iter()
        .map(|(_, found)| found.differences.len())
        .sum::<usize>();
    if identical + different < seeded {
        bail!(
            "only {} of the {seeded} events could be read back",
            identical + different
        );
    }
    say(&format!(
        "{identical} of {} events identical",
        identical + different
    ))?;
    Ok(different == 0)
}

/// Writes the database to the source.
pub(crate) async fn fill(at: &Addresses, config: &Path) -> Result<Database> {
    let database = Database::fill(&at.source, &at.destination).await?;
    say(&format!(
        "\nThe second act: a whole database is mirrored, without a group ({}).\n\n\
         source: {} events more, in two categories and in plain streams, links that a user wrote,\n\
         and a stream whose first {FIRST} events are truncated; starting ditto",
        config.display(),
        database.events
    ))?;
    Ok(database)
}

/// Says where ditto was killed.
pub(crate) fn killed(copied: u64, database: &Database) -> Result<()> {
    say(&format!(
        "kill -9 after {copied} of {} events; starting ditto again",
        database.events
    ))
}

/// Waits until the destination has all of the database, then compares every stream of both; whether all are identical.
pub(crate) async fn mirrored(database: &Database) -> Result<bool> {
    let began = Instant::now();
    database.copied(database.events).await?;
    let took = began.elapsed();
    let found = database.compare().await?;
    for difference in &found.differences {
        say(&format!("  {difference}"))?;
    }
    say(&format!(
        "all is copied {:.1} s later; both servers read back: {} streams,\n{} of {} events identical, and placeholders for the \
         {FIRST} that the source no longer has",
        took.as_secs_f64(),
        found.streams,
        found.identical,
        found.identical + found.differences.len()
    ))?;
    Ok(found.differences.is_empty())
}

/// How somebody at a terminal adds an event and finds its copy.
pub(crate) fn how_to_go_on(at: &Addresses) -> Result<()> {
    let stream = format!("customer-{}", Uuid::new_v4());
    say(&format!(
        r#"
Add an event at the source (again and again, if you like):

  curl -i http://{source}/streams/{stream} \
    -H 'Content-Type: application/vnd.eventstore.events+json' \
    -d '[{{"eventId": "'$(cat /proc/sys/kernel/random/uuid)'", "eventType": "customer_registered",
         "data": {{"first_name": "Barbara", "last_name": "Liskov"}}, "metadata": {{"source": "curl"}}}}]'

and look at its copy at the destination:

  curl -s http://{destination}/streams/{stream} -H 'Accept: application/json'

ditto's own page: http://{page}/   Ctrl-C ends the demo."#,
        source = at.source,
        destination = at.destination,
        page = at.page,
    ))
}

fn table(compared: &[(String, Comparison)], took: Duration) -> String {
    let mut lines = vec![
        format!(
            "\ncopied after {:.1} s; both servers read back:\n",
            took.as_secs_f64()
        ),
        format!("{:<46} {:>6} {:>10}", "stream", "events", "identical"),
    ];
    for (stream, found) in compared {
        let events = found.identical + found.differences.len();
        lines.push(format!("{stream:<46} {events:>6} {:>10}", found.identical));
        lines.extend(
            found
                .differences
                .iter()
                .map(|difference| format!("  {difference}")),
        );
    }
    lines.join("\n")
}

pub(crate) fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}
