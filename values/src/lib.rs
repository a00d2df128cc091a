//! What a setting is made of, whoever reads it: its place and what is wrong with it, secrets, durations and sizes.
//!
//! Never opens a file, and knows no key.

pub mod problem;
pub mod secret;
pub mod units;
