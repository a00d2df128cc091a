//! One subscription's way from source to destination.
//!
//! The crate `ditto-core` decides, without I/O; `replicate` carries out. Never names a type of a client library.

pub mod replicate;
