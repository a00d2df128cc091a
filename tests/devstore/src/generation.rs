//! The generations of servers that can be played, and all that differs between them (protocol §16).
//!
//! Only says what differs; the places where it shows ask here, and never compare versions themselves.

use anyhow::{Result, anyhow};

use crate::limits::AppendLimit;

/// Which server is played. The default: an EventStoreDB 23.10.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// EventStoreDB 23.10.4.
    #[default]
    V23_10_4,
    /// KurrentDB 26.1.0.
    V26_1_0,
}

impl Generation {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::V23_10_4, Self::V26_1_0];

    /// The generation that the server of this version belongs to.
    ///
    /// # Errors
    /// A version that is not played.
    pub fn of_version(version: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|generation| generation.version() == version)
            .ok_or_else(|| anyhow!("must be 23.10.4 or 26.1.0"))
    }

    /// The version that is played.
    #[must_use]
    pub const fn version(self) -> &'static str {
        match self {
            Self::V23_10_4 => "23.10.4",
            Self::V26_1_0 => "26.1.0",
        }
    }

    /// How much an append may hold by default.
    #[must_use]
    pub const fn append_limit(self) -> AppendLimit {
        match self {
            Self::V23_10_4 => AppendLimit::V23_10,
            Self::V26_1_0 => AppendLimit::V25_1,
        }
    }

    /// The version as `/info` and `/gossip` write it.
    pub(crate) const fn version_over_http(self) -> &'static str {
        match self {
            Self::V23_10_4 => "23.10.4.0",
            Self::V26_1_0 => "26.1.0",
        }
    }

    /// Type of the events in a group's checkpoint stream.
    pub(crate) const fn checkpoint_type(self) -> &'static str {
        match self {
            Self::V23_10_4 => "SubscriptionCheckpoint",
            Self::V26_1_0 => "$SubscriptionCheckpoint",
        }
    }

    /// A replay delivers parked entries whose target is gone, instead of dropping them silently.
    pub(crate) const fn replays_absent_targets(self) -> bool {
        matches!(self, Self::V23_10_4)
    }

    /// A live consumer that lets events pile up is aborted, instead of falling behind and catching up.
    pub(crate) const fn aborts_slow_consumers(self) -> bool {
        matches!(self, Self::V23_10_4)
    }

    /// A read that does not say how ids are written is never answered, instead of being refused.
    pub(crate) const fn leaves_reads_unanswered(self) -> bool {
        matches!(self, Self::V23_10_4)
    }

    /// A subscription to a stream that is not there is caught up at once; one to a tombstoned stream ends, from its end
    /// on, too.
    pub(crate) const fn is_caught_up_without_stream(self) -> bool {
        matches!(self, Self::V26_1_0)
    }

    /// A subscription to `$all` from a position that is no record is confirmed before it fails, and says why.
    pub(crate) const fn confirms_invalid_positions(self) -> bool {
        matches!(self, Self::V26_1_0)
    }

    /// A subscription to `$all` from a position whose record was scavenged begins with the first record that survived,
    /// instead of the one after it (protocol §15.6).
    pub(crate) const fn begins_with_survivors(self) -> bool {
        matches!(self, Self::V26_1_0)
    }

    /// A subscription to `$all` compares positions as pairs, so that one from (position, 0) begins with the record there
    /// (protocol §15.6).
    pub(crate) const fn compares_positions(self) -> bool {
        matches!(self, Self::V26_1_0)
    }

    /// Failures of finite reads say what was wrong.
    pub(crate) const fn explains_failed_reads(self) -> bool {
        matches!(self, Self::V26_1_0)
    }
}
