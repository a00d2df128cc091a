//! Two development servers in this process, source and destination, and events to write to them. Does not start ditto.

use bytes::Bytes;
use devstore::store::{Expected, Proposed, Store};
use devstore::{Generation, Options, Server};
use uuid::Uuid;

use crate::difference::{difference, events, stream_difference};
use crate::wait::until;

/// The variable with the version of the servers, 23.10.4 (the default) or 26.1.0.
const SERVER: &str = "DEVSTORE_SERVER";

/// Source and destination.
#[derive(Debug)]
pub struct Servers {
    /// Where events come from.
    pub source: Server,
    /// Where they go.
    pub destination: Server,
}

impl Servers {
    /// Starts both on free ports.
    ///
    /// # Panics
    /// A server cannot be started.
    pub async fn start() -> Self {
        Self::with(Options::default(), Options::default()).await
    }

    /// Both started, with these options, as the servers that the environment names.
    pub async fn with(source: Options, destination: Options) -> Self {
        Self::exactly(played(source), played(destination)).await
    }

    /// Both started, with these options whatever the environment names.
    pub async fn exactly(source: Options, destination: Options) -> Self {
        Self {
            source: Server::start(source).await.unwrap(),
            destination: Server::start(destination).await.unwrap(),
        }
    }

    /// What the two stores differ in, if they do.
    pub fn difference(&self) -> Result<(), String> {
        difference(self.source.store(), self.destination.store())
    }

    /// Waits until so many events were written to the destination, and no more. They are counted just after they are
    /// there.
    pub async fn until_written(&self, count: u64) {
        until("all is written once", || {
            match self.destination.counters().appended_events {
                events if events == count => Ok(()),
                events => Err(format!("{events} are written, not {count}")),
            }
        })
        .await;
    }

    /// Waits until both hold the same.
    pub async fn until_equal(&self) {
        until("everything is copied", || self.difference()).await;
    }

    /// Returns a configuration that copies these groups of `$ce-customer`.
    #[must_use]
    pub fn configuration(&self, groups: &[&str]) -> String {
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

    /// Whether the destination has the stream as the source has it: the same events, at least one, and no others.
    #[must_use]
    pub fn is_copied(&self, stream: &str) -> bool {
        let (source, destination) = (self.source.store(), self.destination.store());
        !events(source, stream).is_empty() && stream_difference(stream, source, destination).is_ok()
    }

    /// Waits until that holds for each of these streams.
    pub async fn until_copied(&self, streams: &[String]) {
        until("everything is copied", || {
            match streams.iter().find(|stream| !self.is_copied(stream)) {
                Some(stream) => Err(format!("{stream} is not")),
                None => Ok(()),
            }
        })
        .await;
    }
}

/// Returns the options with the server of the environment, where they play the default one.
pub fn played(mut options: Options) -> Options {
    let default = Generation::default();
    if options.server == default
        && let Ok(version) = std::env::var(SERVER)
    {
        options.server = Generation::of_version(&version).unwrap();
        if options.append_limit == default.append_limit() {
            options.append_limit = options.server.append_limit();
        }
    }
    options
}

/// An event whose content tells it from others.
pub fn event(stream: &str, number: u64) -> Proposed {
    Proposed {
        id: Uuid::new_v4(),
        event_type: if number == 0 {
            "customer_registered"
        } else {
            "customer_renamed"
        }
        .into(),
        is_json: true,
        data: Bytes::from(serde_json::json!({"stream": stream, "number": number}).to_string()),
        metadata: Bytes::from_static(br#"{"source":"ditto"}"#),
    }
}

/// Writes `count` more events to a stream, one by one.
pub fn seed(store: &Store, stream: &str, count: u64) {
    let first = store.stream_info(stream).last.map_or(0, |last| last + 1);
    for number in first..first + count {
        store
            .append(stream, Expected::Any, vec![event(stream, number)])
            .unwrap();
    }
}

/// Writes one event of this type and data, flagged JSON or not.
pub fn write(store: &Store, stream: &str, event_type: &str, is_json: bool, data: &str) {
    let proposed = Proposed {
        event_type: event_type.into(),
        is_json,
        data: Bytes::copy_from_slice(data.as_bytes()),
        ..event(stream, 0)
    };
    store.append(stream, Expected::Any, vec![proposed]).unwrap();
}

/// Writes a stream's metadata.
pub fn write_metadata(store: &Store, stream: &str, metadata: &str) {
    write(store, &format!("$${stream}"), "$metadata", true, metadata);
}

/// Writes `count` events to each of the streams, in turn: a delivery is hardly ever of the stream of the one before.
pub fn seed_interleaved(store: &Store, streams: &[String], count: u64) {
    for _ in 0..count {
        for stream in streams {
            seed(store, stream, 1);
        }
    }
}
