//! From `ditto.toml` and the environment to checked settings, every mistake reported at once.
//!
//! Never connects to anything.

pub mod cluster;
pub mod diff;
mod directives;
pub(crate) mod files;
pub mod load;
pub mod problem;
mod raw;
pub mod secret;
mod section;
pub mod settings;
pub mod units;
mod validate;
