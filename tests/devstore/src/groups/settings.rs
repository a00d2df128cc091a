//! The settings of a group, as the server keeps and reports them. Never applies them: that is the group's work.

use super::position::Position;

/// How events are spread over the consumers of a group (protocol §8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// One consumer until it is full, then the next.
    DispatchToSingle,
    /// The next consumer in turn that has a free slot.
    RoundRobin,
    /// A consumer for each source stream.
    Pinned,
    /// A consumer for each correlation id.
    PinnedByCorrelation,
}

impl Strategy {
    const NAMES: [(Strategy, &str); 4] = [
        (Strategy::DispatchToSingle, "DispatchToSingle"),
        (Strategy::RoundRobin, "RoundRobin"),
        (Strategy::Pinned, "Pinned"),
        (Strategy::PinnedByCorrelation, "PinnedByCorrelation"),
    ];

    /// The strategy of a registered name.
    pub(crate) fn named(name: &str) -> Option<Strategy> {
        Strategy::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(strategy, _)| *strategy)
    }

    /// The registered name.
    pub(crate) fn name(self) -> &'static str {
        Strategy::NAMES
            .iter()
            .find(|(known, _)| *known == self)
            .map_or("", |(_, name)| name)
    }
}

/// The settings of one group; times in milliseconds of the server's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Links are delivered with their targets.
    pub(crate) resolve_links: bool,
    /// The first event of the group, or the end.
    pub(crate) start: Position,
    /// Latencies are reported per consumer.
    pub(crate) extra_statistics: bool,
    /// How long a consumer may hold an event; 0 or less: until the next tick.
    pub(crate) message_timeout_ms: i32,
    /// Deliveries after the first, before an event is parked.
    pub(crate) max_retry_count: i32,
    /// The least time between two checkpoints written by time.
    pub(crate) checkpoint_after_ms: i32,
    /// The least progress for a checkpoint by time.
    pub(crate) min_checkpoint_count: i32,
    /// The progress at which a checkpoint is written at once.
    pub(crate) max_checkpoint_count: i32,
    /// The most consumers at once; 0: any number.
    pub(crate) max_subscriber_count: i32,
    /// The newest live events kept while the group reads history.
    pub(crate) live_buffer_size: i32,
    /// Events of a page of history.
    pub(crate) read_batch_size: i32,
    /// Events read ahead of the consumers.
    pub(crate) history_buffer_size: i32,
    /// How events are spread.
    pub(crate) strategy: Strategy,
}

impl Settings {
    /// Why the real server refuses these settings, if it does (protocol §8.1).
    pub(crate) fn refused(&self) -> Option<String> {
        (self.read_batch_size >= self.history_buffer_size).then(|| {
            "Specified argument was out of the range of valid values. \
             (Parameter 'ReadBatchSize may not be greater than or equal to BufferSize')"
                .to_owned()
        })
    }

    /// Events of a page of history: 20 when nothing is set, never more than 100 (protocol §8.5).
    pub(crate) fn page_size(&self) -> usize {
        match usize::try_from(self.read_batch_size) {
            Ok(0) | Err(_) => 20,
            Ok(size) => size.min(100),
        }
    }
}
