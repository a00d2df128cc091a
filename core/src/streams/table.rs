//! All streams that the core knows: the busy ones, and of the idle ones as many as their bytes allow.
//!
//! Never forgets a stream that has something to do.

use std::collections::HashMap;

use lru::LruCache;

use crate::event::StreamName;
use crate::streams::stream::{Known, State, Stream};

/// Bytes of a remembered stream beside its name: its state, and the tables' own.
const KNOWN_OVERHEAD: usize = 256;

/// So many streams are remembered even if there is no room for them: the destination is not asked for each event.
const ALWAYS_KNOWN: usize = 64;

/// What is kept of a stream with nothing to do.
#[derive(Clone, Debug)]
pub(super) struct Idle {
    pub(super) state: State,
    pub(super) known: Known,
}

impl From<Stream> for Idle {
    fn from(stream: Stream) -> Self {
        Self {
            state: match stream.state {
                // What is to be filled is found again by what waits behind it.
                State::Aligned(aligned) => State::aligned(aligned.tail),
                other => other,
            },
            known: stream.known,
        }
    }
}

impl Idle {
    /// Nothing is known of it.
    fn stranger() -> Self {
        Self {
            state: State::Unknown,
            known: Known::default(),
        }
    }

    /// Bytes that it takes, with its entry in the table.
    fn cost(&self, name: &StreamName) -> usize {
        let text = match &self.state {
            State::Held(held) => held.text.len(),
            _ => 0,
        };
        // The text of a held stream stands in the list of held ones, too.
        KNOWN_OVERHEAD + name.as_str().len() + 2 * text
    }
}

/// All streams that the core knows.
#[derive(Debug)]
pub(super) struct Table {
    busy: HashMap<StreamName, Stream>,
    idle: LruCache<StreamName, Idle>,
    /// What the idle ones cost.
    idle_bytes: usize,
    limit: usize,
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            busy: HashMap::new(),
            idle: LruCache::unbounded(),
            idle_bytes: 0,
            limit: limit.max(1),
        }
    }

    /// The stream, made busy if it was idle or unknown.
    pub(super) fn wake(&mut self, name: &StreamName) -> &mut Stream {
        let (idle, bytes) = (&mut self.idle, &mut self.idle_bytes);
        self.busy.entry(name.clone()).or_insert_with(|| {
            let known = idle.pop(name);
            *bytes -= known.as_ref().map_or(0, |known| known.cost(name));
            Stream::new(known.unwrap_or_else(Idle::stranger))
        })
    }

    /// The stream, if it is busy.
    pub(super) fn get_mut(&mut self, name: &StreamName) -> Option<&mut Stream> {
        self.busy.get_mut(name)
    }

    /// The stream, if it is busy.
    pub(super) fn get(&self, name: &StreamName) -> Option<&Stream> {
        self.busy.get(name)
    }

    /// What is known of the stream, busy or not; `None`: nothing.
    pub(super) fn state(&self, name: &StreamName) -> Option<&State> {
        let idle = || self.idle.peek(name).map(|idle| &idle.state);
        self.busy
            .get(name)
            .map(|stream| &stream.state)
            .or_else(idle)
    }

    /// True for an idle stream that the destination is known to hold up to this revision, or that is held.
    pub(super) fn is_settled(&self, name: &StreamName, revision: u64) -> bool {
        let known = |idle: &Idle| match &idle.state {
            State::Aligned(aligned) => {
                Stream::is_known(revision, aligned.tail, idle.known.unverified)
            }
            State::Held(_) => true,
            _ => false,
        };
        !self.busy.contains_key(name) && self.idle.peek(name).is_some_and(known)
    }

    /// Puts a stream with nothing to do to rest, among others that may take so many bytes together; returns the streams that
    /// were forgotten for it.
    pub(super) fn rest(&mut self, name: &StreamName, bytes: usize) -> Vec<StreamName> {
        if !self.busy.get(name).is_some_and(Stream::is_idle) {
            return Vec::new();
        }
        if let Some((name, stream)) = self.busy.remove_entry(name) {
            let idle = Idle::from(stream);
            self.idle_bytes += idle.cost(&name);
            self.idle.put(name, idle);
        }
        let mut forgotten = Vec::new();
        while (self.idle.len() > self.limit
            || self.idle_bytes > bytes && self.idle.len() > ALWAYS_KNOWN)
            && let Some((name, idle)) = self.idle.pop_lru()
        {
            self.idle_bytes -= idle.cost(&name);
            forgotten.push(name);
        }
        forgotten
    }

    /// Forgets all idle streams but those that are held; of these, what was known to be there.
    pub(super) fn forget_idle(&mut self) {
        let mut idle = std::mem::replace(&mut self.idle, LruCache::unbounded());
        self.idle_bytes = 0;
        while let Some((name, mut stream)) = idle.pop_lru() {
            if let State::Held(held) = &mut stream.state {
                held.tail = None;
                stream.known = Known::default();
                self.idle_bytes += stream.cost(&name);
                self.idle.put(name, stream);
            }
        }
    }

    /// All busy streams, in no particular order.
    pub(super) fn busy(&self) -> impl ExactSizeIterator<Item = (&StreamName, &Stream)> {
        self.busy.iter()
    }

    /// Names of the busy streams, sorted: what is done to all must not depend on a hash.
    pub(super) fn busy_names(&self) -> Vec<StreamName> {
        let mut names: Vec<StreamName> = self.busy.keys().cloned().collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{AppendId, HeldReason};
    use crate::streams::stream::{Aligned, Held};

    #[test]
    fn only_idle_streams_are_forgotten_and_the_least_recent_first() {
        let mut table = Table::new(2);
        let names: Vec<StreamName> = ["a", "b", "c"].into_iter().map(StreamName::from).collect();
        for name in &names {
            table.wake(name).state = State::aligned(Some(7));
        }
        table.wake(&names[0]).flight = Some(AppendId(1));
        let forgotten: Vec<StreamName> = names
            .iter()
            .flat_map(|name| table.rest(name, usize::MAX))
            .collect();
        assert_eq!(forgotten, [], "a has an append in flight and does not rest");
        table.wake(&names[0]).flight = None;
        assert_eq!(table.rest(&names[0], usize::MAX), [names[1].clone()]);
        assert!(matches!(table.wake(&names[1]).state, State::Unknown));
        assert!(matches!(
            table.wake(&names[2]).state,
            State::Aligned(Aligned { tail: Some(7), .. })
        ));
    }

    #[test]
    fn of_idle_streams_that_are_forgotten_held_ones_stay_held_and_nothing_is_known_of_them() {
        let mut table = Table::new(10);
        let (held, other) = (StreamName::from("held"), StreamName::from("other"));
        table.wake(&other).state = State::aligned(Some(7));
        table.wake(&held).state = State::Held(Held {
            first_bad: 8,
            tail: Some(7),
            reason: HeldReason::Conflict,
            text: "another".to_owned(),
            looked_up: None,
        });
        for name in [&held, &other] {
            table.rest(name, usize::MAX);
        }
        table.forget_idle();
        assert!(!table.is_settled(&other, 7));
        assert!(table.is_settled(&held, 7));
        let state = &table.wake(&held).state;
        assert!(matches!(state, State::Held(held) if held.tail.is_none()));
        assert_eq!(table.idle_bytes, 0);
    }

    #[test]
    fn remembered_streams_stay_within_their_bytes() {
        let mut table = Table::new(1_000_000);
        let names: Vec<StreamName> = (0..100)
            .map(|number| StreamName::from(format!("stream-{number:0>20}").as_str()))
            .collect();
        let one = KNOWN_OVERHEAD + names[0].as_str().len();
        let mut forgotten = Vec::new();
        for name in &names {
            table.wake(name).state = State::aligned(Some(7));
            forgotten.extend(table.rest(name, 80 * one));
        }
        assert_eq!(forgotten, names[..20]);
        table.wake(&names[95]);
        assert_eq!(table.idle_bytes, 79 * one);
        assert_eq!(table.rest(&names[95], 70 * one), names[20..30]);
        table.wake(&names[95]);
        assert_eq!(table.rest(&names[95], 0), names[30..36], "some stay");
    }
}
