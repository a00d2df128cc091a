//! What a group tells about itself. Never formats it for the wire.

use super::consumers::Consumer;
use super::position::Position;
use super::settings::Settings;

/// A picture of a group at one moment (protocol §8.11).
#[derive(Clone, Debug)]
pub(crate) struct Info {
    /// The flags of its state, as text.
    pub(crate) status: String,
    pub(crate) settings: Settings,
    pub(crate) consumers: Vec<Consumer>,
    /// Events pushed so far.
    pub(crate) total_items: i64,
    /// Those since it was last asked.
    pub(crate) recent_items: i64,
    /// How long ago that was.
    pub(crate) recent_ms: i64,
    /// The last checkpoint written.
    pub(crate) last_checkpoint: Option<Position>,
    /// The newest event it has seen.
    pub(crate) last_known: Option<Position>,
    /// New events that wait.
    pub(crate) read_buffer: usize,
    /// Events in the ring of live ones.
    pub(crate) live_buffer: usize,
    /// Events that wait to be delivered again.
    pub(crate) retry_buffer: usize,
    /// Events that are tracked and not done with.
    pub(crate) outstanding: usize,
    /// Entries of the parked stream.
    pub(crate) parked: i64,
}
