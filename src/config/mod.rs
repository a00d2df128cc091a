//! From `ditto.toml` and the environment to checked settings, every mistake reported at once.
//!
//! Never connects to anything.

pub mod cluster;
pub mod diff;
mod directives;
pub(crate) mod files;
pub mod load;
mod raw;
mod section;
pub mod settings;
mod validate;
