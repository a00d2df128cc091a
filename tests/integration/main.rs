//! ditto's pipeline in process between development servers, over real sockets: what is copied, what is acknowledged,
//! and what happens when something goes away. Never asserts a duration: times are deadlines of waits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod support;

mod acknowledging;
mod cluster_client;
mod clusters;
mod contract;
mod credentials;
mod dry_run;
mod failures;
mod holes;
mod measuring;
mod memory;
mod merging;
mod mirrored_states;
mod mirrors;
mod names;
mod ordering;
mod outages;
mod parked;
mod policies;
mod several;
mod stalling;
mod standby;
mod stream_states;
mod surprises;
mod timeouts;
mod unseen;
mod verify;
mod verify_mirrors;
mod verify_parts;
mod verify_unreadable;
