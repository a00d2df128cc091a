//! One fault as it is asked for: what, where, how often, how long.
//!
//! Never counts; that is done where all faults are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::FaultKind;

/// A fault, and where it strikes. By default everywhere, until it is removed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub fault: FaultKind,
    /// How often it strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many it spares first.
    #[serde(default)]
    pub spare: u32,
    /// How long it lasts, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_ms: Option<u64>,
    /// Only calls of this name, such as `BatchAppend` or `PersistentSubscriptions/Read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Only what concerns this stream, where the stream is known when it strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Only on this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
}

impl Fault {
    /// That fault everywhere, until it is removed.
    #[must_use]
    pub fn new(fault: FaultKind) -> Self {
        Self {
            fault,
            times: None,
            spare: 0,
            lasts_ms: None,
            call: None,
            stream: None,
            node: None,
        }
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Not the first `spare` times.
    #[must_use]
    pub fn after(mut self, spare: u32) -> Self {
        self.spare = spare;
        self
    }

    /// Only for a time.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Only in calls of this name, with or without its service's name before it.
    #[must_use]
    pub fn in_call(mut self, call: impl Into<String>) -> Self {
        self.call = Some(call.into());
        self
    }

    /// Only for this stream.
    #[must_use]
    pub fn on_stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// Only on this node.
    #[must_use]
    pub fn on_node(mut self, node: usize) -> Self {
        self.node = Some(node);
        self
    }

    pub(super) fn concerns(&self, place: &Place<'_>) -> bool {
        let same_call = |call: &String| {
            let name = place.call.rsplit('/').next().unwrap_or(place.call);
            call == place.call || call == name
        };
        self.call.as_ref().is_none_or(same_call)
            && self
                .stream
                .as_deref()
                .is_none_or(|stream| place.stream == Some(stream))
            && self.node.is_none_or(|node| node == place.node)
    }
}

/// Where something happens that a fault may strike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Service and method, such as `Streams/Append`; empty for what is no call.
    pub(crate) call: &'a str,
    pub(crate) stream: Option<&'a str>,
    pub(crate) node: usize,
}
