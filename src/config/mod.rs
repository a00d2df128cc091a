//! From `ditto.toml` and the environment to checked settings, every mistake reported at once.
//!
//! Never connects to anything.

pub mod cluster;
pub mod secret;
pub mod settings;
