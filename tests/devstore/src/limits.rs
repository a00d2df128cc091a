//! How much an append may hold, which generations of servers count differently (protocol §4.1, §16).
//!
//! Only counts; never looks into an event.

use anyhow::{Result, anyhow};
use uuid::Uuid;

const MIB: usize = 1024 * 1024;

/// What is counted of the events of an append, and how much of it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendLimit {
    /// What of an event is counted.
    pub counted: Counted,
    /// Largest sum over one append.
    pub append: usize,
    /// Largest single event; `None`: as large as an append.
    pub event: Option<usize>,
}

/// What of an event counts against the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The data alone.
    Data,
    /// Data, metadata, and twice the length of the type in UTF-16 units.
    DataMetadataAndType,
}

impl AppendLimit {
    /// Servers up to 24.10.3: 1 MiB of data in sum.
    pub const V23_10: Self = Self {
        counted: Counted::Data,
        append: MIB,
        event: None,
    };
    /// Servers 24.10.4 to 24.10.14 and 25.0: 1 MiB in sum of everything that is counted.
    pub const V24_10: Self = Self {
        counted: Counted::DataMetadataAndType,
        append: MIB,
        event: None,
    };
    /// Servers from 25.1 on: 256 MiB in sum, 16 MiB an event.
    pub const V25_1: Self = Self {
        counted: Counted::DataMetadataAndType,
        append: 256 * MIB,
        event: Some(16 * MIB),
    };

    /// The limit of the first version that has it: `23.10`, `24.10`, `25.1`.
    ///
    /// # Errors
    /// Any other text.
    pub fn of_version(version: &str) -> Result<Self> {
        match version {
            "23.10" => Ok(Self::V23_10),
            "24.10" => Ok(Self::V24_10),
            "25.1" => Ok(Self::V25_1),
            _ => Err(anyhow!("must be 23.10, 24.10 or 25.1")),
        }
    }

    pub(crate) fn size(&self, data: usize, metadata: usize, event_type: &str) -> usize {
        match self.counted {
            Counted::Data => data,
            Counted::DataMetadataAndType => data + metadata + 2 * event_type.encode_utf16().count(),
        }
    }
}

/// What of an append is over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLarge {
    Append { limit: usize },
    Event { id: Uuid, size: usize, limit: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_by_generation() {
        for (limit, expected) in [
            (AppendLimit::V23_10, 100),
            (AppendLimit::V24_10, 100 + 10 + 2 * 3),
            (AppendLimit::V25_1, 100 + 10 + 2 * 3),
        ] {
            assert_eq!(limit.size(100, 10, "aöz"), expected, "{limit:?}");
        }
        assert_eq!(
            AppendLimit::V24_10.size(0, 0, "𝄞"),
            4,
            "a pair of UTF-16 units"
        );
    }
}
