//! Ditto's own client against small servers that the tests script themselves. Never needs a real server.

mod addresses;
mod appends;
mod batch;
mod batch_ends;
pub(crate) mod calls;
mod discovery;
pub(crate) mod fake;
mod log_node;
pub(crate) mod names;
mod no_status;
mod passwords;
mod proven;
mod read_all;
pub(crate) mod script;
mod secured;
mod stream_end;
mod subscribe_log;

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::error::Side;
use super::Client;
use crate::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};
use ditto_core::event::Event;

/// Longer than anything takes; only a test that fails waits for it.
const LIMIT: Duration = Duration::from_secs(20);

fn settings(string: &str) -> ClusterSettings {
    let string = ConnectionString::parse(string).expect("a good connection string");
    ClusterSettings::new(string, ClusterKeys::default()).expect("good settings")
}

pub(crate) fn client(string: &str) -> Client {
    Client::connect(Side::Destination, settings(string))
}

pub(crate) fn event(number: u64) -> Event {
    Event {
        id: Uuid::from_u64_pair(7, number),
        stream: "s".into(),
        revision: number,
        event_type: "customer_registered".into(),
        is_json: number.is_multiple_of(2),
        data: Bytes::from(format!("data {number}")),
        metadata: Bytes::from_static(b"{}"),
        created: 17_000_000_000_000_000,
    }
}

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what)
        .await
        .expect("it never came")
}
