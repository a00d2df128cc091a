//! The words every part of ditto shares: stream names, events, and what a delivery carries.
//!
//! Plain owned data, cheap to clone. Never does I/O and knows neither server nor client library.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

/// The revision that Event Store gives a tombstone (protocol §4.3); no ordinary event has it.
pub const TOMBSTONE_REVISION: u64 = i64::MAX as u64;

/// Name of a stream. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Takes the name as it is; Event Store allows any non-empty UTF-8 text.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the server's own streams, whose names begin with `$` (metadata streams `$$…` included).
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.0.starts_with('$')
    }

    /// True for categories, types and correlations: projections fill them with links and nothing else
    /// (protocol §6.2).
    #[must_use]
    pub fn holds_links(&self) -> bool {
        self.0.starts_with("$ce-") || self.links_parts()
    }

    /// True if its links are only a part of each stream's events: those of one type, or of one correlation.
    #[must_use]
    pub fn links_parts(&self) -> bool {
        self.0.starts_with("$et-") || self.0.starts_with("$bc-")
    }

    /// The stream that holds this stream's metadata: `$$` and the name (protocol §5.2).
    #[must_use]
    pub fn metadata_stream(&self) -> Self {
        Self(format!("$${}", self.0).into())
    }

    /// The stream whose metadata this one holds; `None`: it is no metadata stream (protocol §5.2).
    #[must_use]
    pub fn described(&self) -> Option<Self> {
        let described = self.0.strip_prefix("$$")?;
        (!described.is_empty()).then(|| Self(described.into()))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl From<&str> for StreamName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// One event as a server stored it, or will store it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Chosen by the writer; what exactness is decided by.
    pub id: Uuid,
    /// The stream that the event itself is in, never the stream of a link to it.
    pub stream: StreamName,
    /// Its number in `stream`, from 0.
    pub revision: u64,
    /// The event type, an ordinary text.
    pub event_type: Arc<str>,
    /// The stored JSON flag: all that servers keep of a content type (protocol §3.5).
    pub is_json: bool,
    /// The payload, byte for byte.
    pub data: Bytes,
    /// The custom metadata, byte for byte.
    pub metadata: Bytes,
    /// When the server stored it: ticks of 100 ns since 1970-01-01 UTC (protocol §3.5). Not copied.
    pub created: i64,
}

impl Event {
    /// What the event counts for against byte limits: data, metadata and type.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.len() + self.metadata.len() + self.event_type.len()
    }

    /// What the event counts for against a server's limits of an append: data, metadata and twice the type. That is how
    /// the strictest servers count; others leave out metadata and type (protocol §4.1, §16).
    #[must_use]
    pub fn append_size(&self) -> usize {
        self.data.len() + self.metadata.len() + 2 * self.event_type.len()
    }

    /// True if everything that is copied is equal; `created` is the server's and is not.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.event_type == other.event_type
            && self.is_json == other.is_json
            && self.data == other.data
            && self.metadata == other.metadata
    }
}

/// What a delivery, an entry of a link page or an entry of the parked stream stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event to be copied.
    Event(Event),
    /// A user's own link inside a category stream: whatever is at this stream's tail now gets copied
    /// (protocol §6.2: the projection copies the link's target, and `$o` names the stream that holds the link).
    Forward(StreamName),
    /// Never copied, by rule.
    Never(SkipReason),
}

/// Why something is never copied. The word is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The event is in a stream whose name begins with `$`.
    SystemStream,
    /// The notice of a deletion: `$deleted` in the link's metadata.
    Deleted,
    /// A tombstone marker.
    Tombstone,
    /// A link whose target cannot be read.
    Unresolved,
}

impl SkipReason {
    /// Every reason: each is a label of its counter.
    pub const ALL: [Self; 4] = [
        Self::SystemStream,
        Self::Deleted,
        Self::Tombstone,
        Self::Unresolved,
    ];

    /// The word used in logs and as the metric label `reason`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemStream => "system_stream",
            Self::Deleted => "deleted",
            Self::Tombstone => "tombstone",
            Self::Unresolved => "unresolved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, SkipReason, StreamName};

    #[test]
    fn a_name_says_what_projections_make_of_the_stream() {
        for (name, holds_links, links_parts) in [
            ("$ce-customer", true, false),
            ("$et-renamed", true, true),
            ("$bc-1", true, true),
            ("$streams", false, false),
            ("customer-1", false, false),
            ("ce-customer", false, false),
        ] {
            let stream = StreamName::from(name);
            assert_eq!(format!("{stream} {stream:?}"), format!("{name} {name:?}"));
            assert_eq!(
                (stream.holds_links(), stream.links_parts()),
                (holds_links, links_parts),
                "{name}"
            );
        }
    }

    #[test]
    fn every_byte_of_an_event_counts() {
        let event = |stream: &str, event_type: &str, data: &str, metadata: &str| Event {
            id: uuid::Uuid::nil(),
            stream: stream.into(),
            revision: 0,
            event_type: event_type.into(),
            is_json: true,
            data: data.to_owned().into(),
            metadata: metadata.to_owned().into(),
            created: 0,
        };
        let empty = event("s", "", "", "");
        assert_eq!((empty.size(), empty.append_size()), (0, 0));
        for (other, size, append_size) in [
            (event("s", "type", "", ""), 4, 8),
            (event("s", "", "12345", ""), 5, 5),
            (event("s", "", "", "123"), 3, 3),
            (event("s", "type", "12345", "123"), 12, 16),
        ] {
            assert_eq!((other.size(), other.append_size()), (size, append_size));
            assert!(!other.same_content(&empty) && other.same_content(&other));
        }
        let binary = Event {
            is_json: false,
            ..empty.clone()
        };
        assert!(!binary.same_content(&empty));
    }

    #[test]
    fn what_is_skipped_has_a_word_of_its_own() {
        let words = [
            SkipReason::SystemStream,
            SkipReason::Deleted,
            SkipReason::Tombstone,
            SkipReason::Unresolved,
        ]
        .map(SkipReason::as_str);
        assert_eq!(
            words,
            ["system_stream", "deleted", "tombstone", "unresolved"]
        );
    }
}
