//! What a pipeline does, told once: each happening in the log, in the counters and in the status.
//!
//! [`Reporter`] has a method for each thing that the loop around the core notices, and `happening` has one match, without a
//! default, over all that the core reports: what is new there does not compile before it is told. Never decides anything, and never
//! waits: the loop could drop all of it.

macro_rules! line {
    ($reporter:expr, $level:ident, $($rest:tt)*) => {
        $level!(ditto.stream = %$reporter.key.stream, ditto.group = %$reporter.key.group, $($rest)*)
    };
}

mod happening;
mod observer;
mod reporter;
mod sides;
mod states;

pub use observer::{Call, Listener, Observer};
pub use reporter::Reporter;

#[cfg(test)]
mod tests;
