//! devstore: an in-memory server that speaks Event Store's gRPC protocol as protocol/README.md describes it, for tests and
//! demos. Never part of the product, never durable, never secure.

pub mod clock;
mod cluster;
mod faults;
mod filter;
mod generation;
mod groups;
mod http;
mod lifecycle;
mod limits;
mod net;
mod node;
mod options;
mod pace;
mod server;
mod services;
pub mod store;
mod users;

pub use faults::{ActiveFault, Fault, FaultId, FaultKind, Faults};
pub use generation::Generation;
pub use limits::{AppendLimit, Counted};
pub use net::{Arrivals, Handed, Network};
pub use node::Counters;
pub use options::{Certificate, Ending, Model, Options, Startup, User};
pub use server::Server;
