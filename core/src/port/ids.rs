//! Ids of everything that is answered, and the time that every input comes with.
//!
//! Plain data. Ids are never reused within a pipeline.

use std::fmt;
use std::time::Duration;

/// Monotonic time since the pipeline's start. The core has no clock of its own.
pub type Moment = Duration;

/// One session in the subscription: given by the loop, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Identifies an append from its first sending to its answer; sent again under the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// Identifies a lookup at a destination stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookupId(pub u64);

/// Identifies a read at the source (of a stream, of links, of parked entries).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// Identifies a write of metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriteId(pub u64);

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Where events come from.
    Source,
    /// Where they go.
    Destination,
}

impl Side {
    /// Both, the source first.
    pub const ALL: [Self; 2] = [Self::Source, Self::Destination];

    /// The word for it, in log, status and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Side;

    #[test]
    fn each_side_has_its_word() {
        assert_eq!(Side::ALL.map(Side::as_str), ["source", "destination"]);
    }
}
