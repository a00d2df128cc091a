//! The loop with servers that are played, in paused time: minutes of waiting take no time.

mod carrying_out;
mod contract;
mod played;
mod played_destination;
mod stalls;
