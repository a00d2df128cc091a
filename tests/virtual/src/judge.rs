//! What must hold at the end, judged by what both servers hold.
//!
//! - What is at the destination is an event of the copied log, at its revision, once.
//! - Every event that the source shows is there: same revision, same id, same bytes.
//! - From a source that is not the copied one nothing is copied: the mirror is stopped, and says so.
//!
//! Asks ditto nothing but whether it is stopped or holds a stream, and looks whether the reason is true.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use devstore::store::{Proposed, Record, Store};
use ditto_core::port::PipelineState;
use uuid::Uuid;

/// Type of an event that stands for one that the source no longer has.
const PLACEHOLDER: &str = "ditto-missing";
/// How the reason of a stop begins that is about the source.
const NOT_THE_COPIED_ONE: &str = "the source is not the one that was copied";

/// What is known of the truth: everything that was ever written, and what became of the source.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// The events of the copied log.
    events: HashMap<Uuid, Known>,
    /// Those that a restored source no longer has.
    lost: HashSet<Uuid>,
    /// Events of the database that came in its place.
    strange: Option<HashMap<Uuid, Known>>,
    restored: bool,
    /// Those that were written after it was restored.
    after: HashSet<Uuid>,
    /// Whether nothing may be copied from a restored source that lacks what was copied.
    pub(crate) strict: bool,
    truncated: HashMap<String, u64>,
}

#[derive(Debug)]
struct Known {
    stream: String,
    revision: u64,
    event_type: Arc<str>,
    is_json: bool,
    data: Bytes,
    metadata: Bytes,
}

impl Known {
    fn is(&self, record: &Record) -> bool {
        *self.stream == *record.stream
            && self.revision == record.revision
            && self.event_type == record.event_type
            && self.is_json == record.is_json
            && *self.data == *record.data()
            && *self.metadata == *record.metadata()
    }
}

impl Truth {
    /// Events were written to the source, from this revision on.
    pub(crate) fn wrote(&mut self, stream: &str, first: u64, events: Vec<Proposed>) {
        let into = self.strange.as_mut().unwrap_or(&mut self.events);
        for (revision, event) in (first..).zip(events) {
            let known = Known {
                stream: stream.to_owned(),
                revision,
                event_type: event.event_type,
                is_json: event.is_json,
                data: event.data,
                metadata: event.metadata,
            };
            into.insert(event.id, known);
            if self.restored {
                self.after.insert(event.id);
            }
        }
    }

    /// So many events were written altogether.
    pub(crate) fn written(&self) -> usize {
        self.events.len() + self.strange.as_ref().map_or(0, HashMap::len)
    }

    /// A stream is truncated before this revision, or before a later one as it was.
    pub(crate) fn truncated(&mut self, stream: &str, before: u64) -> u64 {
        let known = self.truncated.entry(stream.to_owned()).or_default();
        *known = before.max(*known);
        *known
    }

    pub(crate) fn lost(&mut self, ids: impl Iterator<Item = Uuid>) {
        self.restored = true;
        self.lost.extend(ids);
    }

    pub(crate) fn exchanged(&mut self) {
        self.truncated.clear();
        self.strange.get_or_insert_default();
    }
}

/// How everything stands at the end.
#[derive(Debug)]
pub(crate) struct End<'a> {
    pub(crate) source: &'a Store,
    pub(crate) destination: &'a Store,
    pub(crate) truth: &'a Truth,
    /// Streams that ditto holds because nothing shows whose the destination's events are.
    pub(crate) unverified: BTreeSet<String>,
    /// Streams that it holds because their appends ended calls, where the destination was told to end calls. Nobody looks at
    /// such a stream of a mirror again before the next start.
    pub(crate) refused: BTreeSet<String>,
}

impl End<'_> {
    /// What is not as it must be, with ditto in this state.
    pub(crate) fn verdict(&self, state: &PipelineState) -> Result<(), String> {
        let truth = self.truth;
        let has_copied = only_copied(self.destination, truth)?;
        let is_replaced = truth.restored || truth.strange.is_some();
        match state {
            PipelineState::Stopped(why) if is_replaced && why.starts_with(NOT_THE_COPIED_ONE) => {
                Ok(())
            }
            PipelineState::Running if truth.strange.is_some() && has_copied => {
                Err("it runs, and the source is another one than the copied one".to_owned())
            }
            PipelineState::Running => {
                self.nothing_is_mixed()?;
                self.everything_is_there()
            }
            state => {
                self.everything_is_there()?;
                Err(format!("it is {state:?}"))
            }
        }
    }

    /// Where a source was restored that lacks what was copied, nothing that it has since is at the destination.
    fn nothing_is_mixed(&self) -> Result<(), String> {
        let there = |ids: &HashSet<Uuid>| {
            let streams = streams(self.destination);
            let mut all = streams
                .iter()
                .flat_map(|stream| self.destination.appended(stream, 0, usize::MAX));
            all.find(|record| ids.contains(&record.id))
        };
        match (there(&self.truth.lost), there(&self.truth.after)) {
            (Some(lost), Some(after)) if self.truth.strict => Err(format!(
                "it copied {} #{} from a restored source that has no {} #{}",
                after.stream, after.revision, lost.stream, lost.revision
            )),
            _ => Ok(()),
        }
    }

    fn everything_is_there(&self) -> Result<(), String> {
        for (stream, records) in logged(self.source) {
            let there = self.destination.appended(&stream, 0, usize::MAX);
            // What a restored source does not have any more is a conflict.
            if there
                .iter()
                .any(|record| self.truth.lost.contains(&record.id))
            {
                continue;
            }
            if self.refused.contains(&*stream) {
                continue;
            }
            // The source hides what would show whose the destination's last event is: held, and rightly.
            let is_hidden =
                |last: &Arc<Record>| self.source.event(&stream, last.revision).is_none();
            if self.unverified.contains(&*stream) && there.last().is_some_and(is_hidden) {
                continue;
            }
            for record in records {
                let same = there.iter().find(|other| other.revision == record.revision);
                if same.is_none_or(|same| same.id != record.id) {
                    return Err(format!(
                        "{stream} #{} ({}) is not at the destination",
                        record.revision, record.id
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether the destination holds nothing else than events of one log, each at its revision, and any of the first source at
/// all: what came in its place before anything was copied is the source.
fn only_copied(destination: &Store, truth: &Truth) -> Result<bool, String> {
    let (mut copied, mut strange) = (false, false);
    for stream in streams(destination) {
        let mut ids = HashSet::new();
        for record in destination.appended(&stream, 0, usize::MAX) {
            let place = format!("{stream} #{} ({})", record.revision, record.id);
            if !ids.insert(record.id) {
                return Err(format!("{place} is there twice"));
            }
            if *record.event_type == *PLACEHOLDER {
                continue;
            }
            if truth
                .events
                .get(&record.id)
                .is_some_and(|known| known.is(&record))
            {
                copied = true;
            } else if truth
                .strange
                .as_ref()
                .and_then(|strange| strange.get(&record.id))
                .is_some_and(|known| known.is(&record))
            {
                strange = true;
            } else {
                return Err(format!("{place} is no event of the copied log"));
            }
        }
    }
    if copied && strange {
        return Err("events of two sources are there".to_owned());
    }
    Ok(copied)
}

/// What the log shows of the users' streams, whether they show it themselves or not.
fn logged(store: &Store) -> BTreeMap<Arc<str>, Vec<Arc<Record>>> {
    let page = store.read_all_forward(0, usize::MAX);
    let mut streams: BTreeMap<Arc<str>, Vec<Arc<Record>>> = BTreeMap::new();
    for record in page.map(|page| page.events).unwrap_or_default() {
        if !record.stream.starts_with('$') {
            let stream = streams.entry(record.stream.clone()).or_default();
            stream.push(record);
        }
    }
    streams
}

/// The users' streams.
fn streams(store: &Store) -> BTreeSet<Arc<str>> {
    logged(store).into_keys().collect()
}

/// One number for what the users' streams hold, in the order of the log.
pub(crate) fn digest(store: &Store) -> u64 {
    let page = store.read_all_forward(0, usize::MAX);
    let records = page.map(|page| page.events).unwrap_or_default();
    let users = records
        .iter()
        .filter(|record| !record.stream.starts_with('$'));
    users.fold(0, |digest: u64, record| {
        let (high, low) = record.id.as_u64_pair();
        (digest ^ high ^ low.rotate_left(32) ^ record.revision)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29)
    })
}
