//! Who is told of what a pipeline does: metrics and status.
//!
//! Never takes part: an observer cannot fail, wait, or change what happens.

use std::time::Duration;

use ditto_core::port::{GroupSeen, Report, Side, Status};

/// Told of one pipeline's doings, from that pipeline's task. Must be quick: the pipeline waits meanwhile.
pub trait Observer: Send + Sync {
    /// Something happened; the same that is logged.
    fn report(&self, what: &Report) {
        let _ = what;
    }

    /// The subscription handed over this many, copied or not.
    fn received(&self, deliveries: u64) {
        let _ = deliveries;
    }

    /// A reading, at least once a second.
    fn status(&self, status: &Status) {
        let _ = status;
    }

    /// The group as it was just seen, every few seconds.
    fn group(&self, group: &GroupSeen) {
        let _ = group;
    }

    /// A call was answered; `system` says what was called.
    fn call(&self, call: Call, system: &'static str, took: Duration) {
        let _ = (call, system, took);
    }

    /// So many records were refused for want of throughput; they are sent again.
    fn throttled(&self, records: u64) {
        let _ = records;
    }

    /// A connection to this side was lost and will be made anew.
    fn reconnect(&self, side: Side) {
        let _ = side;
    }

    /// This side does not answer, or not as asked.
    fn trouble(&self, side: Side, why: &str) {
        let _ = (side, why);
    }
}

/// Calls whose time is observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Joining the subscription.
    Join,
    /// Looking at the group.
    Group,
    /// Reading a source stream, the subscription's stream, or what was parked.
    SourceRead,
    /// Looking at a destination stream.
    Lookup,
    /// An append, from its first sending to its answer.
    Append,
    /// Writing metadata.
    Metadata,
    /// Asking whether a server answers.
    Probe(Side),
}

impl Call {
    /// The word used as the metric label `operation`.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Group => "group_info",
            Self::SourceRead => "read",
            Self::Lookup => "look",
            Self::Append => "append",
            Self::Metadata => "write_metadata",
            Self::Probe(_) => "probe",
        }
    }

    /// Which server was called.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::Join | Self::Group | Self::SourceRead => Side::Source,
            Self::Lookup | Self::Append | Self::Metadata => Side::Destination,
            Self::Probe(side) => side,
        }
    }
}

/// Observes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl Observer for Unobserved {}
