//! The state machine that decides everything between a delivery and its acknowledgement.
//!
//! Deterministic: no clock, no randomness, no I/O, no logging. Names nothing but `event`.

pub mod port;
