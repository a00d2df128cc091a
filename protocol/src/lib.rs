//! Event Store's gRPC protocol as generated code, for ditto's own client and for the development server.
//!
//! The `.proto` files are written from the wire tables of protocol §2. Never interprets a message: what an answer
//! means is decided by those who ask.

pub mod ids;

/// The generated code, in the modules that the packages' names ask for.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::wildcard_imports,
    clippy::cast_possible_truncation,
    clippy::too_many_lines
)]
mod generated {
    pub mod event_store {
        pub mod client {
            tonic::include_proto!("event_store.client");

            pub mod streams {
                tonic::include_proto!("event_store.client.streams");
            }
            pub mod persistent_subscriptions {
                tonic::include_proto!("event_store.client.persistent_subscriptions");
            }
            pub mod gossip {
                tonic::include_proto!("event_store.client.gossip");
            }
            pub mod projections {
                tonic::include_proto!("event_store.client.projections");
            }
            pub mod server_features {
                tonic::include_proto!("event_store.client.server_features");
            }
        }
    }
    pub mod google {
        pub mod rpc {
            tonic::include_proto!("google.rpc");
        }
    }
}

pub use generated::event_store::client as shared;
pub use generated::event_store::client::{
    gossip, persistent_subscriptions, projections, server_features, streams,
};
pub use generated::google::rpc;

/// Beginning of every `type_url` of details in a batch answer (protocol §2.1).
pub const TYPE_URL_PREFIX: &str = "type.googleapis.com/";
