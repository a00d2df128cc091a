//! The loop with servers that are played, in paused time: minutes of waiting take no time.

mod carrying_out;
mod played;
mod stalls;
