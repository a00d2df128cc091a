//! Persistent subscriptions (protocol §8): a pure state machine for each group, an actor around it that reads and
//! writes the store, and the gRPC service. Never keeps events of its own: a restarted group reads them again.

mod actor;
mod buffer;
mod call;
mod checkpoint;
mod clock;
mod config;
mod consumers;
mod effect;
mod filter;
mod group;
mod in_flight;
mod info;
mod item;
mod manager;
mod mischief;
pub(crate) mod pages;
mod pinned;
mod position;
mod request;
mod service;
mod settings;
mod source;
mod status;
mod streams;
mod wire;

pub(crate) use manager::Groups;
pub(crate) use service::Service;
