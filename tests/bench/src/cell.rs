//! What is copied between what: shape of the data, pace of the servers, length of the lines.
//!
//! Plain data. Never measures anything.

use std::fmt;
use std::time::Duration;

/// Events of a filled source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Streams, one event of each in turn.
    pub(crate) streams: u32,
    /// Bytes of data of an event.
    pub(crate) size: u32,
    /// Every so many events one of 1 MiB; 0: none.
    pub(crate) large_every: u32,
    /// Records of other streams in the log behind each event.
    pub(crate) others: u32,
}

/// Round trips to the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) source: Duration,
    pub(crate) destination: Duration,
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) shape: Shape,
    /// The cost model of a real 23.10.4.
    pub(crate) model: bool,
    pub(crate) lines: Lines,
}

impl Cell {
    pub(crate) const fn new(streams: u32, model: bool) -> Self {
        Self {
            shape: Shape {
                streams,
                size: 200,
                large_every: 0,
                others: 0,
            },
            model,
            lines: Lines {
                source: Duration::ZERO,
                destination: Duration::ZERO,
            },
        }
    }

    pub(crate) const fn over(self, source_ms: u64, destination_ms: u64) -> Self {
        let lines = Lines {
            source: Duration::from_millis(source_ms),
            destination: Duration::from_millis(destination_ms),
        };
        Self { lines, ..self }
    }

    pub(crate) const fn sized(self, size: u32, large_every: u32) -> Self {
        Self {
            shape: Shape {
                size,
                large_every,
                ..self.shape
            },
            ..self
        }
    }

    /// Of the records in the log, one in so many is an event of the streams that are copied.
    pub(crate) const fn one_in(self, records: u32) -> Self {
        Self {
            shape: Shape {
                others: records - 1,
                ..self.shape
            },
            ..self
        }
    }

    /// The longer of the two round trips.
    pub(crate) fn round_trip(&self) -> Duration {
        self.lines.source.max(self.lines.destination)
    }

    /// Events with which a source is filled: enough for the fastest competitor's warm-up and window.
    pub(crate) fn events(&self, window: Duration) -> u32 {
        let per_second: u32 = match (self.model, self.shape.large_every) {
            (_, 1..) => 20_000,
            (true, _) => 60_000,
            (false, _) => 60_000,
        };
        let seconds = u32::try_from(window.as_secs()).unwrap_or(60) + 7;
        per_second.saturating_mul(seconds).max(self.shape.streams)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape {
            streams,
            size,
            large_every,
            others,
        } = self.shape;
        let model = if self.model { "model" } else { "no model" };
        let plural = if streams == 1 { "" } else { "s" };
        write!(f, "{model}, {streams} stream{plural}, {size} bytes")?;
        if large_every > 0 {
            write!(f, " (every {large_every}th 1 MiB)")?;
        }
        if others > 0 {
            write!(f, ", {others} records of others behind each event")?;
        }
        let (source, destination) = (
            self.lines.source.as_millis(),
            self.lines.destination.as_millis(),
        );
        match (source, destination) {
            (0, 0) => write!(f, ", round trip 0"),
            (s, 0) => write!(f, ", round trip {s} ms to the source"),
            (0, d) => write!(f, ", round trip {d} ms to the destination"),
            (s, d) if s == d => write!(f, ", round trip {s} ms to both"),
            (s, d) => write!(f, ", round trips {s} and {d} ms"),
        }
    }
}
