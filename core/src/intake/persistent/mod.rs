//! Intake from a persistent subscription: a group that delivers, takes back, retries and parks.

pub(crate) mod ack;
pub(crate) mod answered;
pub(crate) mod buffer_size;
pub(crate) mod deliver;
pub(crate) mod doubt;
pub(crate) mod dropped;
pub(crate) mod ending;
pub(crate) mod gaps;
pub(crate) mod holes;
pub(crate) mod joined;
pub(crate) mod late;
pub(crate) mod numbers;
pub(crate) mod parked;
pub(crate) mod session;
pub(crate) mod stopped;
pub(crate) mod unseen;
