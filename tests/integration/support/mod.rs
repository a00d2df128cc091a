//! What starts things, waits for things, and compares both stores. Holds no test.

pub(crate) mod compare;
pub(crate) mod copying;
pub(crate) mod groups;
pub(crate) mod servers;
pub(crate) mod verifying;
pub(crate) mod wait;

pub(crate) use compare::difference;
pub(crate) use copying::{Copying, subscription};
pub(crate) use servers::{Servers, event, seed, write, write_metadata};
pub(crate) use wait::until;
