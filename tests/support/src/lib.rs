//! What ditto's tests share: development servers in this process or as processes, events for them, waits with a deadline, and
//! two ways to compare both sides, by the stores' memory and over gRPC. Does not use ditto's own code: it judges it.
// A test that cannot start a server or write to it fails at once.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod compare;
pub mod difference;
pub mod processes;
pub mod servers;
pub mod store;
pub mod wait;
