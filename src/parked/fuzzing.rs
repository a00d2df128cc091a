//! What tests/fuzz calls of the parked queue: the metadata that truncates it.
//!
//! Only with the Cargo feature `fuzzing`. Pure.

use bytes::Bytes;
use ditto_core::event::Event;

use super::truncate::truncated;

/// The metadata that would be written over this; `None`: none.
#[must_use]
pub fn truncation(newest: &Event, before: u64) -> Option<Bytes> {
    truncated(&newest.stream, Some(newest), before).map(|event| event.data)
}
