//! A small database for the mirror: two categories, plain streams, links that a user wrote, and a stream whose first events
//! are truncated. Asks only the servers what was copied.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::append_req::ProposedMessage;
use ditto_protocol::streams::append_req::options::ExpectedStreamRevision;
use serde_json::json;
use support::compare::compare;
use support::store::{Proposed, Store, json_message};
use tokio::time::sleep;
use uuid::Uuid;

/// How long ditto may take to copy what is waited for.
const COPY: Duration = Duration::from_secs(30);

const ORDERS: u64 = 12;
const TRUNCATED: &str = "log";
const LOGGED: u64 = 200;
/// Revision of the first event of the truncated stream that the source still shows.
pub(crate) const FIRST: u64 = 150;

/// Both sides of the copy.
pub(crate) struct Database {
    source: Store,
    destination: Store,
    streams: Vec<String>,
    /// Revisions of all streams, those that were truncated included.
    pub(crate) events: u64,
}

/// What the servers hold of it.
pub(crate) struct Compared {
    pub(crate) streams: usize,
    pub(crate) identical: usize,
    pub(crate) differences: Vec<String>,
}

impl Database {
    /// Writes it to the source.
    pub(crate) async fn fill(source: &str, destination: &str) -> Result<Self> {
        let mut database = Self {
            source: Store::connect(source).await?,
            destination: Store::connect(destination).await?,
            streams: Vec::new(),
            events: 0,
        };
        for number in 1..=ORDERS {
            database
                .write(format!("order-{number}"), events("order_changed", 40))
                .await?;
            database
                .write(format!("invoice-{number}"), events("invoice_changed", 20))
                .await?;
        }
        database
            .write("settings".to_owned(), events("setting_changed", 60))
            .await?;
        let links = (1..=ORDERS).map(|number| link(&format!("0@order-{number}")));
        database
            .write("favourites".to_owned(), links.collect())
            .await?;
        database
            .write(TRUNCATED.to_owned(), events("logged", LOGGED))
            .await?;
        let truncated = json_message(
            Uuid::new_v4(),
            "$metadata",
            &json!({"$tb": FIRST}),
            &json!({}),
        );
        database
            .append(format!("$${TRUNCATED}"), vec![truncated])
            .await?;
        Ok(database)
    }

    async fn write(&mut self, stream: String, messages: Vec<ProposedMessage>) -> Result<()> {
        self.events += messages.len() as u64;
        self.streams.push(stream.clone());
        self.append(stream, messages).await
    }

    async fn append(&self, stream: String, messages: Vec<ProposedMessage>) -> Result<()> {
        let expected = ExpectedStreamRevision::NoStream(Empty {});
        self.source
            .append(Proposed {
                stream,
                expected,
                messages,
            })
            .await
    }

    /// Waits until the destination has that many revisions of it; returns how many it has.
    pub(crate) async fn copied(&self, wanted: u64) -> Result<u64> {
        let began = Instant::now();
        loop {
            let mut copied = 0;
            for stream in &self.streams {
                let last = self.destination.last(stream).await?;
                copied += last.map_or(0, |last| last + 1);
            }
            if copied >= wanted {
                return Ok(copied);
            }
            if began.elapsed() > COPY {
                bail!("only {copied} of {wanted} events were copied within {COPY:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Compares every stream from the first event on that the source shows.
    pub(crate) async fn compare(&self) -> Result<Compared> {
        let mut compared = Compared {
            streams: self.streams.len(),
            identical: 0,
            differences: Vec::new(),
        };
        for stream in &self.streams {
            let source = self.source.stream(stream).await?;
            let first = source.first().map_or(0, |event| event.revision);
            let mut destination = self.destination.stream(stream).await?;
            destination.retain(|event| event.revision >= first);
            let found = compare(stream, &source, &destination);
            compared.identical += found.identical;
            compared.differences.extend(found.differences);
        }
        Ok(compared)
    }
}

fn events(event_type: &str, count: u64) -> Vec<ProposedMessage> {
    let event = |number| {
        let data = json!({"number": number});
        json_message(
            Uuid::new_v4(),
            event_type,
            &data,
            &json!({"source": "ditto"}),
        )
    };
    (0..count).map(event).collect()
}

/// An event that points to another one: servers follow it for those who ask for that.
fn link(target: &str) -> ProposedMessage {
    let mut link = json_message(Uuid::new_v4(), "$>", &json!(null), &json!({}));
    link.data = target.to_owned().into();
    let binary = "application/octet-stream".to_owned();
    link.metadata.insert("content-type".to_owned(), binary);
    link
}
