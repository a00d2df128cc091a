//! One side of a stream under comparison: the events read and not compared yet, and what is known of the rest.
//!
//! Never reads: it says what to read next.

use std::collections::VecDeque;

use ditto_core::event::Event;

/// A side that looks ahead holds no more than this, and two events, whatever their size.
pub(super) const AHEAD_BYTES: usize = 1024 * 1024;

/// A page of one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The stream is there.
    Found {
        /// Readable events, ascending.
        events: Vec<Event>,
        /// The next revision that is readable, where the page holds none (protocol §3.2).
        first: Option<u64>,
        /// Number of the stream's last event, readable or not.
        last: u64,
    },
    /// There is no such stream, or it was deleted.
    Absent,
}

impl Page {
    /// Size of its largest event.
    pub(super) fn largest(&self) -> usize {
        match self {
            Self::Found { events, .. } => events.iter().map(Event::size).max().unwrap_or_default(),
            Self::Absent => 0,
        }
    }
}

/// The events of one side, in the order of their revisions.
#[derive(Clone, Debug)]
pub(super) struct SideBuffer {
    events: VecDeque<Event>,
    bytes: usize,
    next: u64,
    last: Option<u64>,
    /// An event was read.
    is_readable: bool,
    ended: bool,
}

/// What stands at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// An event of this revision.
    At(u64),
    /// Nothing more is readable.
    End,
    /// It has to be read first.
    Unread,
}

impl SideBuffer {
    /// Nothing is known; to be read from this revision on.
    pub(super) fn new(from: u64) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            next: from,
            last: None,
            is_readable: false,
            ended: false,
        }
    }

    /// The revision to read from.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Number of the stream's last event as last seen; `None`: it has none, or none was seen.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether any event could be read.
    pub(super) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// Nothing more is to be read.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Takes in a page, read from [`SideBuffer::next`] on.
    pub(super) fn put(&mut self, page: Page) {
        let (events, first, last) = match page {
            Page::Found {
                events,
                first,
                last,
            } => (events, first, last),
            Page::Absent => {
                self.ended = true;
                return;
            }
        };
        self.last = self.last.max(Some(last));
        match (events.last().map(|event| event.revision), first) {
            (Some(newest), _) => {
                self.next = newest + 1;
                self.ended = newest >= last;
            }
            // Skipped up to there, without an event.
            (None, Some(first)) if first > self.next && first <= last => self.next = first,
            (None, _) => self.ended = true,
        }
        self.is_readable |= !events.is_empty();
        self.bytes += events.iter().map(Event::size).sum::<usize>();
        self.events.extend(events);
    }

    /// What stands at the front.
    pub(super) fn front(&self) -> Front {
        match self.events.front() {
            Some(event) => Front::At(event.revision),
            None if self.ended => Front::End,
            None => Front::Unread,
        }
    }

    /// Takes the event at the front.
    pub(super) fn take(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes -= event.size();
        Some(event)
    }

    /// The events on the side buffer.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// Whether as many events are on the side buffer as anybody may want to look at, as many as there is room for, or all that
    /// there are.
    pub(super) fn holds(&self, count: usize) -> bool {
        let is_full = self.bytes >= AHEAD_BYTES && self.events.len() >= 2;
        self.ended || is_full || self.events.len() >= count
    }
}
