//! What starts pipelines, groups and comparisons with ditto's own types. Holds no test; what needs none of these types is in the
//! package `support`.

pub(crate) mod copying;
pub(crate) mod groups;
pub(crate) mod heard;
pub(crate) mod servers;
pub(crate) mod shown;
pub(crate) mod verifying;

pub(crate) use copying::{Copying, subscription};
pub(crate) use support::servers::{Servers, event, seed, write, write_metadata};
pub(crate) use support::wait::until;
pub(crate) use support::{difference as compare, wait};
