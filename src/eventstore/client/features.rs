//! What a server says that it can do (protocol §1.1).
//!
//! Never asks it: that is done when a node is opened.

use ditto_protocol::server_features::SupportedMethods;

/// The server's version and what of its abilities ditto depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Three numbers, such as `23.10.4`; empty if the server does not say.
    pub version: String,
    /// It has `Streams.BatchAppend` (21.10 and later).
    pub batch_append: bool,
    /// Groups can be managed over gRPC; the crate otherwise falls back to HTTP.
    pub group_management: bool,
}

pub(super) fn features(answer: &SupportedMethods) -> Features {
    let has = |service: &str, method: &str| {
        answer
            .methods
            .iter()
            .any(|known| known.service_name == service && known.method_name == method)
    };
    let group = |method| {
        has(
            "event_store.client.persistent_subscriptions.persistentsubscriptions",
            method,
        )
    };
    Features {
        version: answer.event_store_server_version.clone(),
        batch_append: has("event_store.client.streams.streams", "batchappend"),
        group_management: ["getinfo", "list", "replayparked", "restartsubsystem"]
            .into_iter()
            .all(group),
    }
}
