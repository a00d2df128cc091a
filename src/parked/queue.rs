//! A group's parked queue in memory: its entries by what they stand for and by stream, and how much of it is done.
//!
//! Plain data. Keeps a bounded number of streams, and of each only its ends and its oldest entry.

use std::collections::BTreeMap;

use crate::source::persistent::parked::{Notes, Traced, text};
use ditto_core::event::{Event, SkipReason, StreamName};
use ditto_core::port::own_reason;

/// More streams than this are not told apart.
const MOST_STREAMS: usize = 100_000;

/// One entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its revision in the queue.
    pub entry: u64,
    /// What it stands for.
    pub what: Traced,
    /// Its text: `<revision>@<stream>` of what the parked record resolved to.
    pub text: String,
    /// Why, as stored, without the server's own line.
    pub reason: String,
    /// When it was parked, as the server writes it.
    pub added: String,
    /// Parked by ditto on purpose, not by the server or another program.
    pub by_ditto: bool,
}

/// What the entries of one stream stand for. The word is the value of `kind` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Events that are copied.
    Copied,
    /// Deletions, tombstones, system streams and links that name nothing: never copied, so they are done.
    Never,
    /// The parked link was not found, so nobody knows which stream it was in.
    Untraced,
}

impl Kind {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Never => "never_copied",
            Self::Untraced => "untraced",
        }
    }
}

impl Entry {
    pub(super) fn of(event: &Event, what: Traced) -> Self {
        let notes = Notes::of(event);
        let own = own_reason(&notes.reason);
        Self {
            entry: event.revision,
            what,
            text: text(event),
            by_ditto: own.is_some(),
            reason: own.map_or_else(|| notes.reason.trim().replace('\n', " "), str::to_owned),
            added: notes.added,
        }
    }

    /// What it counts as.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.what {
            Traced::Target(..) | Traced::Link(_) => Kind::Copied,
            Traced::Never(_) => Kind::Never,
            Traced::Lost(..) => Kind::Untraced,
        }
    }

    /// The stream that it is listed under: the parked event's own, or the one that its text names.
    #[must_use]
    pub fn stream(&self) -> StreamName {
        match &self.what {
            Traced::Target(stream, _) | Traced::Link(stream) => stream.clone(),
            Traced::Never(_) | Traced::Lost(..) => {
                let named = self.text.split_once('@').map(|(_, stream)| stream);
                StreamName::from(named.filter(|name| !name.is_empty()).unwrap_or(&self.text))
            }
        }
    }

    /// The parked event's revision, if the entry says it: a user's own link is only known to be in its stream.
    #[must_use]
    pub fn revision(&self) -> Option<u64> {
        match &self.what {
            Traced::Target(_, revision) => Some(*revision),
            Traced::Link(_) | Traced::Never(_) | Traced::Lost(..) => None,
        }
    }

    /// What an operator has to know about it beside the reason.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        match &self.what {
            Traced::Target(..) => None,
            Traced::Link(_) => Some(format!("a link to {}", self.text)),
            Traced::Never(reason) => Some(format!("never copied ({})", never(*reason))),
            Traced::Lost(..) => Some(format!(
                "not traced: no link in the subscription's stream proves which event {} was",
                self.text
            )),
        }
    }
}

fn never(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::SystemStream => "system stream",
        SkipReason::Deleted => "notice of a deletion",
        SkipReason::Tombstone => "tombstone",
        SkipReason::Unresolved => "a link that names no event",
    }
}

/// The entries of one kind and stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Entries of this kind and stream.
    pub count: u64,
    /// The lowest and the highest parked revision; `None` where no entry says its revision.
    pub revisions: Option<(u64, u64)>,
    /// Whether an entry is a user's own link, whose revision is not told.
    pub has_links: bool,
    /// The oldest entry.
    pub oldest: Entry,
}

/// The queue, by what its entries stand for and by stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Each kind and stream that has entries.
    pub streams: BTreeMap<(Kind, StreamName), Parked>,
    /// The first entry that is not in `streams`, because there are too many of them.
    pub other: Option<u64>,
    /// One more than the last entry.
    pub end: u64,
}

impl Queue {
    pub(super) fn take(&mut self, entry: Entry) {
        self.end = self.end.max(entry.entry + 1);
        let key = (entry.kind(), entry.stream());
        if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(&key) {
            if key.0 != Kind::Never {
                self.other.get_or_insert(entry.entry);
            }
            return;
        }
        let revision = entry.revision();
        let is_link = matches!(entry.what, Traced::Link(_));
        let parked = self.streams.entry(key).or_insert(Parked {
            count: 0,
            revisions: None,
            has_links: false,
            oldest: entry,
        });
        parked.count += 1;
        parked.has_links |= is_link;
        if let Some(revision) = revision {
            let (first, last) = parked.revisions.unwrap_or((revision, revision));
            parked.revisions = Some((first.min(revision), last.max(revision)));
        }
    }

    /// The entries of one kind, by stream.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = (&StreamName, &Parked)> {
        let of_kind = self
            .streams
            .iter()
            .filter(move |((one, _), _)| *one == kind);
        of_kind.map(|((_, stream), parked)| (stream, parked))
    }

    /// Up to where the queue may be forgotten, once these are done with. What is never copied is.
    #[must_use]
    pub fn done_before(&self, is_done: impl Fn(Kind, &StreamName) -> bool) -> u64 {
        let kept = self
            .streams
            .iter()
            .filter(|((kind, stream), _)| *kind != Kind::Never && !is_done(*kind, stream));
        kept.map(|(_, parked)| parked.oldest.entry)
            .chain(self.other)
            .min()
            .unwrap_or(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use uuid::Uuid;

    fn entry(number: u64, text: &'static str, metadata: &'static str, what: Traced) -> Entry {
        let event = Event {
            id: Uuid::from_u128(number.into()),
            stream: "$persistentsubscription-$ce-a::g-parked".into(),
            revision: number,
            event_type: "$>".into(),
            is_json: false,
            data: Bytes::from_static(text.as_bytes()),
            metadata: Bytes::from_static(metadata.as_bytes()),
            created: 0,
        };
        Entry::of(&event, what)
    }

    fn target(stream: &str, revision: u64) -> Traced {
        Traced::Target(stream.into(), revision)
    }

    #[test]
    fn an_entry_says_who_parked_what_when_and_why() {
        for (metadata, by_ditto, reason) in [
            (
                "{\n  \"added\": \"2026-01-01\",\n  \"reason\": \"Client explicitly NAK'ed message.\\nditto: conflict: x\"\n}",
                true,
                "conflict: x",
            ),
            (
                r#"{"added":"2026-01-01","reason":"Reached retry count of 10","subscriptionEventNumber":4}"#,
                false,
                "Reached retry count of 10",
            ),
        ] {
            let entry = entry(3, "7@a-1", metadata, target("a-1", 7));
            assert_eq!((entry.stream(), entry.revision()), ("a-1".into(), Some(7)));
            assert_eq!((entry.by_ditto, &*entry.reason), (by_ditto, reason));
            assert_eq!(entry.added, "2026-01-01");
        }
    }

    #[test]
    fn entry_is_listed_under_the_stream_it_stands_for() {
        let rows = [
            (
                "5@secret-1",
                Traced::Link("a-1".into()),
                Kind::Copied,
                "a-1",
            ),
            (
                "5@secret-1",
                Traced::Lost("secret-1".into(), 5),
                Kind::Untraced,
                "secret-1",
            ),
            (
                "0@$$a-1",
                Traced::Never(SkipReason::Deleted),
                Kind::Never,
                "$$a-1",
            ),
            (
                "rubbish",
                Traced::Never(SkipReason::Unresolved),
                Kind::Never,
                "rubbish",
            ),
            (
                "1@",
                Traced::Never(SkipReason::Unresolved),
                Kind::Never,
                "1@",
            ),
        ];
        for (text, what, kind, stream) in rows {
            let entry = entry(0, text, "", what);
            assert_eq!(
                (entry.kind(), entry.stream()),
                (kind, stream.into()),
                "{text}"
            );
        }
    }

    #[test]
    fn the_queue_is_forgotten_up_to_the_first_entry_that_is_not_done() {
        let mut queue = Queue::default();
        let all = [("a-1", 5), ("b-1", 2), ("a-1", 6), ("a-1", 4), ("c-1", 0)];
        for (number, (stream, revision)) in (10..).zip(all) {
            queue.take(entry(number, "", "", target(stream, revision)));
        }
        let a = &queue.streams[&(Kind::Copied, StreamName::from("a-1"))];
        assert_eq!(
            (a.count, a.revisions, a.oldest.entry),
            (3, Some((4, 6)), 10)
        );
        let rows: [(&[&str], u64); 4] = [
            (&["a-1", "b-1", "c-1"], 15),
            (&["a-1"], 11),
            (&["b-1", "c-1"], 10),
            (&["a-1", "b-1"], 14),
        ];
        for (done, expected) in rows {
            let before = queue.done_before(|_, stream| done.contains(&stream.as_str()));
            assert_eq!(before, expected, "{done:?}");
        }
    }

    #[test]
    fn entries_never_copied_do_not_block_the_queue() {
        let mut queue = Queue::default();
        for (number, text) in (0..).zip(["0@$$a-1", "1@", "9223372036854775807@a-1"]) {
            queue.take(entry(number, text, "", Traced::Never(SkipReason::Deleted)));
        }
        queue.take(entry(3, "1@a-1", "", target("a-1", 1)));
        assert_eq!(queue.done_before(|_, _| false), 3);
        queue.take(entry(4, "5@x-1", "", Traced::Lost("x-1".into(), 5)));
        assert_eq!(queue.done_before(|kind, _| kind == Kind::Copied), 4);
        assert_eq!(queue.done_before(|_, _| true), 5);
    }
}
