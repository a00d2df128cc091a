//! ditto copies events from an Event Store to a destination. See ARCHITECTURE.md for the map.

pub mod cluster;
pub mod config;
pub mod destination;
pub mod event;
pub mod pipeline;
pub mod source;
