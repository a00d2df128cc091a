//! An Event Store as configured: error classes, ditto's own client, what metadata says, and the factory for the crate's.
//!
//! Never decides what to copy, and never retries a write by itself.

mod bridge;
pub mod client;
pub mod crate_client;
mod error;
pub mod stream_state;

pub use error::{Class, Error, Side};
