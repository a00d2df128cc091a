//! Metadata and deletions: state that a mirror brings to the destination beside events.
//!
//! A change that the log shows is a reason to read the source's present metadata from the leader: what it has left is never
//! written. A soft deletion is written only where its own record stands in the log, behind the events before it, and only if
//! it is still the present state; events behind it wait. Never writes for a stream that is held, or whose events at the
//! destination were not found to be the source's. Each write expects the exact revision that a lookup found.
//!
//! `pending` is what one stream has to do, `steps` does it, `proof` shows whose the destination's stream is, `writing` is how
//! it ends, `judge` compares both sides.

mod judge;
mod pending;
mod proof;
mod steps;
mod writing;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use self::pending::{Item, Pending};
use super::Log;
use super::epochs::Epochs;
use super::positions::Handed;
use crate::context::Context;
use crate::event::{Event, StreamName, TOMBSTONE_REVISION};
use crate::pause::back_off;
use crate::port::log::Record;
use crate::port::state::{Deletions, Metadata, StateInput, StateRules};
use crate::port::{LogPosition, LookupResult, Moment, ReadId};
use crate::seam::Claim;
use crate::streams::{ENTRY_OVERHEAD, Streams};

/// Streams whose state is being brought to the destination at once, at most.
const AT_ONCE: usize = 64;

/// Records that wait here, at most: then the log is not read on.
const MOST_WAITING: usize = 10_000;

/// Bytes that a record of `$$S` counts for while it waits.
const CHANGE_BYTES: usize = ENTRY_OVERHEAD;

/// What became of an event that was compared with the destination's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// The destination has it.
    There,
    /// Its stream is held.
    Held,
    /// It was dropped.
    Dropped,
}

/// Changes that are ready, and the `$tb` that each is written with.
type Ready = Vec<(StreamName, Option<u64>)>;

/// All changes that are not done.
#[derive(Clone, Debug)]
pub(super) struct States {
    /// `None`: metadata is not copied.
    rules: Option<StateRules>,
    streams: BTreeMap<StreamName, Pending>,
    line: VecDeque<StreamName>,
    /// Streams whose events have to come to an end first.
    quiet: BTreeSet<StreamName>,
    timers: BTreeSet<(Moment, StreamName)>,
    /// Streams with something under way.
    busy: BTreeSet<StreamName>,
    /// What is under way, by the number of its id.
    asked: HashMap<u64, StreamName>,
    /// Placeholders below this revision are to be hidden.
    filled: BTreeMap<StreamName, u64>,
    /// The destination's epochs and its last position, as they were last read.
    epochs_there: Option<(Epochs, LogPosition)>,
    compared: Vec<(ReadId, Compared)>,
    /// Changes that are ready to be written, with their `$tb`: those that wait for the epochs that are being read, and those
    /// that came since that was asked.
    proving: Option<(ReadId, Ready)>,
    awaiting: Ready,
    waiting: usize,
    /// Streams whose state was written since the last checkpoint was sampled, and those before that while it is not accepted:
    /// if the log was cut since, the source may have another state without a record that says so.
    unsaved: BTreeSet<StreamName>,
    sampled: BTreeSet<StreamName>,
}

impl States {
    pub(super) fn new(rules: Option<StateRules>) -> Self {
        Self {
            rules,
            streams: BTreeMap::new(),
            line: VecDeque::new(),
            quiet: BTreeSet::new(),
            timers: BTreeSet::new(),
            busy: BTreeSet::new(),
            asked: HashMap::new(),
            filled: BTreeMap::new(),
            epochs_there: None,
            compared: Vec::new(),
            proving: None,
            awaiting: Vec::new(),
            waiting: 0,
            unsaved: BTreeSet::new(),
            sampled: BTreeSet::new(),
        }
    }

    /// Metadata and deletions are copied.
    pub(super) fn are_copied(&self) -> bool {
        self.rules.is_some()
    }

    /// No more is taken from the log.
    pub(super) fn is_full(&self) -> bool {
        self.waiting >= MOST_WAITING || self.unsaved.len() >= MOST_WAITING
    }

    /// A checkpoint is sampled now.
    pub(super) fn note_sampled(&mut self) {
        self.sampled.append(&mut self.unsaved);
    }

    /// The checkpoint was accepted.
    pub(super) fn note_saved(&mut self) {
        self.sampled.clear();
    }

    /// The read or the comparison of an event is one of these.
    pub(super) fn asked_for(&self, read: ReadId) -> bool {
        self.asked.contains_key(&read.0)
    }

    /// What became of an event that was compared, if it is one of these.
    pub(super) fn note_compared(&mut self, read: ReadId, compared: Compared) {
        self.compared.push((read, compared));
    }

    pub(super) fn due(&self) -> Option<Moment> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// What was read is read again: nothing that is under way counts.
    pub(super) fn clear(&mut self, cx: &mut Context) {
        for pending in self.streams.values() {
            for item in &pending.items {
                cx.memory.remove(bytes(item), false);
            }
        }
        *self = Self {
            epochs_there: self.epochs_there.take(),
            unsaved: std::mem::take(&mut self.unsaved),
            sampled: std::mem::take(&mut self.sampled),
            ..Self::new(self.rules)
        };
    }

    fn add(&mut self, cx: &mut Context, name: &StreamName, item: Item) {
        cx.memory.add(bytes(&item), false);
        self.waiting += 1;
        let pending = self.streams.entry(name.clone()).or_insert_with(|| {
            self.line.push_back(name.clone());
            Pending::new()
        });
        pending.items.push_back(item);
    }

    /// The stream tries again after a pause.
    fn wait(&mut self, now: Moment, name: &StreamName) {
        self.busy.remove(name);
        if let Some(pending) = self.streams.get_mut(name) {
            pending.attempts += 1;
            let at = now + back_off(pending.attempts);
            self.timers.insert((at, name.clone()));
        }
    }
}

fn bytes(item: &Item) -> usize {
    match item {
        Item::Event(_, event) => event.size() + ENTRY_OVERHEAD,
        Item::Change { .. } | Item::Tombstone { .. } => CHANGE_BYTES,
    }
}

impl Log {
    /// A record of `$$S` was read: by the subscription with what it says, or around its start without.
    pub(super) fn hand_in_change(
        &mut self,
        cx: &mut Context,
        (position, name): (LogPosition, &StreamName),
        event: &Event,
        metadata: Option<&Metadata>,
    ) {
        let record = Record::of(event, position);
        if !self.states.are_copied() || !self.settings.filter.wants(name) {
            self.positions.pass(record);
        } else if self.positions.hand_out(record, event.created) == Handed::Out {
            let item = Item::Change {
                position: Some(position),
                revision: Some(event.revision),
                may_delete: metadata.is_none_or(Metadata::is_deletion),
            };
            self.states.add(cx, name, item);
            if let (Some(metadata), Some(pending)) = (metadata, self.states.streams.get_mut(name)) {
                pending.note_seen(&metadata.rest);
            }
        }
    }

    /// An event of a stream whose changes have to come first, or the record of a tombstone. False if it is neither.
    pub(super) fn hand_to_states(
        &mut self,
        cx: &mut Context,
        position: LogPosition,
        event: &Event,
    ) -> bool {
        let name = &event.stream;
        let item = if !self.states.are_copied() {
            return false;
        } else if event.revision >= TOMBSTONE_REVISION {
            Item::Tombstone {
                position: Some(position),
            }
        } else if self
            .states
            .streams
            .get(name)
            .is_some_and(Pending::has_barrier)
        {
            Item::Event(position, Box::new(event.clone()))
        } else {
            return false;
        };
        if self
            .positions
            .hand_out(Record::of(event, position), event.created)
            == Handed::Out
        {
            self.states.add(cx, name, item);
        }
        true
    }

    /// A note of what is no longer in the source's log says nothing of the stream.
    pub(super) fn vet_note(&self, result: &mut LookupResult) {
        if let LookupResult::SoftDeleted(copied) | LookupResult::Tail { copied, .. } = result {
            copied.take_if(|copied| copied.of.as_ref().is_some_and(|of| !self.is_of_log(of)));
        }
    }

    /// The present state of a stream has to be looked at, whatever the log showed of it.
    pub(super) fn look_at_state(&mut self, cx: &mut Context, name: &StreamName) {
        if self.states.are_copied() {
            let item = Item::Change {
                position: None,
                revision: None,
                may_delete: true,
            };
            self.states.add(cx, name, item);
        }
    }

    /// Tombstones are copied.
    pub(super) fn copies_tombstones(&self) -> bool {
        let rules = self.states.rules;
        rules.is_some_and(|rules| rules.deletions == Deletions::All)
    }

    /// The stream was found to be deleted for good at the source.
    pub(super) fn bring_tombstone(&mut self, cx: &mut Context, name: &StreamName) {
        self.states
            .add(cx, name, Item::Tombstone { position: None });
    }

    /// The log may be another one: what was written of states is looked at again.
    pub(super) fn begin_states_again(&mut self, cx: &mut Context) {
        self.states.clear(cx);
        self.states.note_sampled();
        for name in std::mem::take(&mut self.states.sampled) {
            self.look_at_state(cx, &name);
            self.states.unsaved.insert(name);
        }
    }

    /// The stream begins with placeholders below this revision, and had metadata before them.
    pub(super) fn hide_placeholders(&mut self, cx: &mut Context, name: &StreamName, below: u64) {
        if self.states.are_copied() {
            self.states.filled.insert(name.clone(), below);
            self.look_at_state(cx, name);
        }
    }

    pub(super) fn pump_states(&mut self, cx: &mut Context, streams: &mut Streams) {
        if !cx.may_write || self.ending.is_some() || !self.reading.is_open() {
            return;
        }
        while let Some((at, _)) = self.states.timers.first()
            && *at <= cx.now
        {
            if let Some((_, name)) = self.states.timers.pop_first() {
                self.states.line.push_back(name);
            }
        }
        for (read, compared) in std::mem::take(&mut self.states.compared) {
            self.on_compared(cx, streams, read, compared);
        }
        let quiet = |name: &StreamName| streams.is_quiet(name);
        let ready: Vec<StreamName> = self
            .states
            .quiet
            .extract_if(.., |name| quiet(name))
            .collect();
        for name in ready {
            self.go_on_quietly(cx, streams, &name);
        }
        while self.states.busy.len() < AT_ONCE
            && let Some(name) = self.states.line.pop_front()
        {
            self.start_change(cx, streams, &name);
        }
    }

    pub(super) fn on_state(&mut self, cx: &mut Context, streams: &mut Streams, input: StateInput) {
        if let StateInput::LastRead { read, page } = &input
            && self.on_looked_back(cx, streams, *read, page)
        {
            return;
        }
        let id = match &input {
            StateInput::SourceRead { read, .. }
            | StateInput::LastRead { read, .. }
            | StateInput::EpochsRead { read, .. } => read.0,
            StateInput::LookedUp { lookup, .. } => lookup.0,
            StateInput::Written { write, .. } => write.0,
        };
        let Some(name) = self.states.asked.remove(&id) else {
            return;
        };
        match input {
            StateInput::SourceRead { page, .. } => self.on_state_read(cx, streams, &name, page),
            StateInput::EpochsRead { page, .. } => self.on_epochs_there(cx, streams, &name, page),
            StateInput::LastRead { page, .. } => self.on_last_read(cx, streams, &name, page),
            StateInput::LookedUp { found, .. } => self.on_state_found(cx, streams, &name, found),
            StateInput::Written { outcome, .. } => {
                self.on_state_written(cx, streams, &name, outcome);
            }
        }
    }

    /// The first item of the stream is done, and with it all that it covers; what waited behind it goes on.
    fn finish_change(&mut self, cx: &mut Context, streams: &mut Streams, name: &StreamName) {
        self.states.busy.remove(name);
        let Some(mut pending) = self.states.streams.remove(name) else {
            return;
        };
        let handled = pending.here.as_ref().map(|here| here.1.event.revision);
        let mut is_first = true;
        while let Some(item) = pending.items.front() {
            let is_covered = match item {
                Item::Change { revision, .. } => revision.is_none_or(|one| Some(one) <= handled),
                Item::Tombstone { .. } => false,
                Item::Event(..) => true,
            };
            if !is_first && !is_covered {
                break;
            }
            is_first = false;
            let Some(item) = pending.items.pop_front() else {
                break;
            };
            cx.memory.remove(bytes(&item), false);
            self.states.waiting -= 1;
            match item {
                Item::Change { position, .. } | Item::Tombstone { position } => {
                    position.into_iter().for_each(|at| self.done(cx, at));
                }
                Item::Event(position, event) => {
                    streams.take(cx, *event, Claim::logged(position, self.log, cx.now));
                }
            }
        }
        if pending.items.is_empty() {
            self.states.filled.remove(name);
        } else {
            pending.begin();
            self.states.streams.insert(name.clone(), pending);
            self.states.line.push_back(name.clone());
        }
    }

    /// What the log showed of the stream's metadata.
    fn seen_of(&self, name: &StreamName) -> Vec<Arc<str>> {
        let pending = self.states.streams.get(name);
        pending.map_or_else(Vec::new, |pending| pending.seen.iter().cloned().collect())
    }
}
