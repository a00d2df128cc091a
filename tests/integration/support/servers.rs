//! ditto's client and settings for a development server. Does not start servers: see the package `support`.

use devstore::Server;
use ditto::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString};
use ditto::eventstore::Side;
use ditto::eventstore::client::Client;

pub(crate) use support::servers::{played, seed_interleaved};

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
