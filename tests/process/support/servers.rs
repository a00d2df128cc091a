//! A source and a destination in this process.

use std::sync::Arc;

use bytes::Bytes;
use devstore::store::{Expected, Proposed, Record, Store, StreamRead};
use devstore::{Options, Server};
use uuid::Uuid;

/// Source and destination, on free ports.
pub(crate) struct Servers {
    pub(crate) source: Server,
    pub(crate) destination: Server,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let start = || async { Server::start(Options::default()).await.expect("a server") };
        Self {
            source: start().await,
            destination: start().await,
        }
    }

    /// A configuration that copies these groups of `$ce-customer`.
    pub(crate) fn configuration(&self, groups: &[&str]) -> String {
        let mut text = format!(
            "[source]\nconnection_string = \"{}\"\n\n[destination]\nconnection_string = \"{}\"\n\n[http]\nlisten = \
             \"127.0.0.1:0\"\n",
            self.source.connection_string(),
            self.destination.connection_string()
        );
        for group in groups {
            text +=
                &format!("\n[[subscription]]\nstream = \"$ce-customer\"\ngroup = \"{group}\"\n");
        }
        text
    }

    /// Whether the destination has the stream as the source has it: the same events, and no others.
    pub(crate) fn is_copied(&self, stream: &str) -> bool {
        let (here, there) = (
            events(self.source.store(), stream),
            events(self.destination.store(), stream),
        );
        !here.is_empty()
            && here.len() == there.len()
            && here
                .iter()
                .zip(&there)
                .all(|(here, there)| is_same(here, there))
    }

    /// Waits until that holds for each of these streams.
    pub(crate) async fn until_copied(&self, streams: &[String]) {
        super::until("everything is copied", || {
            let all = streams.iter().all(|stream| self.is_copied(stream));
            all.then_some(())
        })
        .await;
    }
}

fn events(store: &Store, stream: &str) -> Vec<Arc<Record>> {
    let (mut events, mut from) = (Vec::new(), 0);
    while let StreamRead::Page(page) = store.read_forward(stream, from, 1_000) {
        events.extend(page.events);
        from = page.next;
        if page.at_end {
            break;
        }
    }
    events
}

fn is_same(here: &Record, there: &Record) -> bool {
    (here.id, here.revision, &here.event_type, here.is_json)
        == (there.id, there.revision, &there.event_type, there.is_json)
        && (here.data(), here.metadata()) == (there.data(), there.metadata())
}

/// A client that nobody here wrote.
pub(crate) fn foreign_client(server: &Server) -> eventstore::Client {
    let string = server.connection_string();
    eventstore::Client::new(string.parse().expect("a connection string")).expect("a client")
}

/// Writes `count` more events to a stream.
pub(crate) fn seed(store: &Store, stream: &str, count: u64) {
    let first = store.stream_info(stream).last.map_or(0, |last| last + 1);
    for number in first..first + count {
        let event = Proposed {
            id: Uuid::new_v4(),
            event_type: "customer_renamed".into(),
            is_json: true,
            data: Bytes::from(format!("{{\"number\":{number}}}")),
            metadata: Bytes::new(),
        };
        store
            .append(stream, Expected::Any, vec![event])
            .expect("an append");
    }
}
