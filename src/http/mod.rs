//! What the daemon shows over HTTP: `/metrics`, `/healthz`, `/readyz`, `/status`, and a page.
//!
//! Small limits of its own: one short request a connection, a few seconds, a bounded number of connections. Never changes
//! anything, and never asks a server: it shows what the status says.

mod advice;
mod answer;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod history;
mod hosts;
mod page;
pub mod report;
mod server;

pub use answer::Service;
pub use hosts::Hosts;
pub use report::Facts;
pub use server::{listen, serve, turn_away};
