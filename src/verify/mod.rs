//! Proof that the destination is a copy: reads both sides, sorts every event into a class, and tells what differs.
//!
//! Streams are found through the subscription's own links (`links`), those of a mirror in the source's log (`log`), each once
//! ([`seen`] keeps 12 to 16 bytes of it), and compared many at once (`run`, `stream`) by a part that does no I/O (`exact`, or
//! `by_ids` where copies have revisions of their own). `whose` proves streams that cannot be read at the destination, by
//! appends that are never written. `backlog` knows how far the group or the mirror is, so that an
//! event on its way is not taken for one that is missing. Works while the daemon runs. What is lacking is only noted
//! ([`Repair`]); `bring` alone leads to writes, through the daemon's own core, and never overwrites or deletes.

mod backlog;
mod bring;
mod by_ids;
mod class;
mod exact;
mod links;
mod log;
mod lost;
mod outcome;
mod point;
mod prepare;
mod reading;
pub mod resume;
mod room;
mod run;
mod seen;
mod side_buffer;
mod stream;
mod whose;

pub use bring::{Brought, bring};
pub use class::{Class, Counts, Finding, Tally, What};
pub use outcome::Repair;
pub use point::{KEPT_FINDINGS, Point};
pub use reading::Failure;
pub use run::{End, Job, Progress, Scope, Watcher, run};
