//! One subscription's way from source to destination.
//!
//! `core` decides, without I/O. Never names a type of a client library.

pub mod core;
pub mod replicate;
