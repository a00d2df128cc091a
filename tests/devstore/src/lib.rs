//! devstore: an in-memory server that speaks Event Store's gRPC protocol as `protocol.md` describes it, for tests and
//! demos. Never part of the product, never durable, never secure.

mod filter;
mod groups;
mod http;
mod net;
mod node;
mod options;
mod server;
mod services;
pub mod store;

pub use node::Counters;
pub use options::Options;
pub use server::Server;
