//! ditto copies events from an Event Store to a destination. See ARCHITECTURE.md for the map.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod destination;
mod escape;
pub mod eventstore;
mod host;
pub mod http;
pub mod log;
pub mod metrics;
mod net;
pub mod parked;
pub mod pipeline;
pub mod report;
pub mod source;
pub mod status;
pub mod verify;

// What `tests/contract` asserts is included by the tests of this crate, too, and names it from outside.
#[cfg(test)]
extern crate self as ditto;
