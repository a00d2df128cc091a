//! The production core against a model of both servers: seeded, repeatable, and able to fail.
//!
//! Each seed expands into [`options::Options`] and one schedule in simulated time. Never opens a socket, never sleeps.

mod chaos;
mod commands;
mod daemon;
mod destination;
pub mod dice;
pub mod digest;
pub mod fault;
mod group;
mod happening;
mod liveness;
mod log;
mod membership;
mod memory;
pub mod mirror;
mod mistake;
pub mod mutation;
pub mod options;
mod parking;
mod queue;
pub mod runner;
mod safety;
mod sending;
mod serve;
mod setup;
mod source;
mod trace;
mod world;
