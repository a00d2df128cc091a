//! The gRPC services, and which methods the server says it has (protocol §1).
//!
//! Never keeps state of its own: all of it is the node's.

pub(crate) mod admission;
mod features;
mod gossip;
mod groups;
mod projections;
pub(crate) mod status;
mod streams;
pub(crate) mod wire;

pub(crate) use features::{Features, refusal};
pub(crate) use gossip::Gossip;
pub(crate) use groups::{Door, Groups};
pub(crate) use projections::Projections;
pub(crate) use streams::Streams;
