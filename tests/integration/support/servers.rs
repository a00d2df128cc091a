//! Two development servers, source and destination, and events to put into them.

use bytes::Bytes;
use devstore::store::{Expected, Proposed, Store};
use devstore::{Generation, Options, Server};
use ditto::cluster::Side;
use ditto::cluster::client::Client;
use ditto::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};
use uuid::Uuid;

/// The variable with the version of the servers, 23.10.4 (the default) or 26.1.0.
const SERVER: &str = "DEVSTORE_SERVER";

/// Source and destination.
pub(crate) struct Servers {
    pub(crate) source: Server,
    pub(crate) destination: Server,
}

impl Servers {
    /// Both started, on free ports.
    pub(crate) async fn start() -> Self {
        Self::with(Options::default(), Options::default()).await
    }

    /// Both started, with these options, as the servers that the environment names.
    pub(crate) async fn with(source: Options, destination: Options) -> Self {
        Self::exactly(played(source), played(destination)).await
    }

    /// Both started, with these options whatever the environment names.
    pub(crate) async fn exactly(source: Options, destination: Options) -> Self {
        Self {
            source: Server::start(source).await.unwrap(),
            destination: Server::start(destination).await.unwrap(),
        }
    }

    /// What the two stores differ in, if they do.
    pub(crate) fn difference(&self) -> Result<(), String> {
        super::difference(self.source.store(), self.destination.store())
    }

    /// Waits until so many events were written to the destination, and no more. They are counted just after they are
    /// there.
    pub(crate) async fn until_written(&self, count: u64) {
        super::until("all is written once", || {
            match self.destination.counters().appended_events {
                events if events == count => Ok(()),
                events => Err(format!("{events} are written, not {count}")),
            }
        })
        .await;
    }

    /// Waits until both hold the same.
    pub(crate) async fn until_equal(&self) {
        super::until("everything is copied", || self.difference()).await;
    }
}

/// The options with the server of the environment, where they play the default one.
pub(crate) fn played(mut options: Options) -> Options {
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

/// ditto's client for a server.
pub(crate) fn client(side: Side, server: &Server) -> Client {
    Client::connect(side, cluster(server))
}

/// A server's settings. Calls that nobody answers are given up after two seconds.
pub(crate) fn cluster(server: &Server) -> ClusterSettings {
    cluster_as(server, ClusterKeys::default())
}

/// The same with more keys, such as credentials.
pub(crate) fn cluster_as(server: &Server, keys: ClusterKeys) -> ClusterSettings {
    let string = format!("{}&defaultDeadline=2000", server.connection_string());
    ClusterSettings::new(ConnectionString::parse(&string).unwrap(), keys).unwrap()
}

/// An event whose content tells it from others.
pub(crate) fn event(stream: &str, number: u64) -> Proposed {
    Proposed {
        id: Uuid::new_v4(),
        event_type: if number == 0 {
            "customer_registered"
        } else {
            "customer_renamed"
        }
        .into(),
        is_json: true,
        data: Bytes::from(format!(r#"{{"stream":"{stream}","number":{number}}}"#)),
        metadata: Bytes::from_static(br#"{"source":"ditto"}"#),
    }
}

/// Writes `count` more events to a stream, one by one.
pub(crate) fn seed(store: &Store, stream: &str, count: u64) {
    let first = store.stream_info(stream).last.map_or(0, |last| last + 1);
    for number in first..first + count {
        store
            .append(stream, Expected::Any, vec![event(stream, number)])
            .unwrap();
    }
}

/// Writes one event of this type and data, flagged JSON or not.
pub(crate) fn write(store: &Store, stream: &str, event_type: &str, is_json: bool, data: &str) {
    let proposed = Proposed {
        event_type: event_type.into(),
        is_json,
        data: Bytes::copy_from_slice(data.as_bytes()),
        ..event(stream, 0)
    };
    store.append(stream, Expected::Any, vec![proposed]).unwrap();
}

/// Writes a stream's metadata.
pub(crate) fn write_metadata(store: &Store, stream: &str, metadata: &str) {
    write(store, &format!("$${stream}"), "$metadata", true, metadata);
}

/// Writes `count` events to each of the streams, in turn: a delivery is hardly ever of the stream of the one before.
pub(crate) fn seed_interleaved(store: &Store, streams: &[String], count: u64) {
    for _ in 0..count {
        for stream in streams {
            seed(store, stream, 1);
        }
    }
}
