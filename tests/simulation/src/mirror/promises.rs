//! What must hold, at every moment and at the end, judged by what the servers hold and never by what a core says.
//!
//! - What is at the destination is an event of the copied log, at its revision, once.
//! - The mark never passes an event that is neither at the destination nor in a stream that is on record there as held.
//! - A stream is on record as held only while something is in its way, and is complete once it is released.
//! - Nothing is stored that was sent later than the lease allows.
//! - A daemon that says that it runs may write.
//! - When nothing goes wrong any more, every event that the source shows, in its stream or in its log, is there; or the mirror
//!   is stopped, because the source is not the copied one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::filter::Rules;
use ditto_core::port::log::Checkpoint;
use ditto_core::port::{Moment, PipelineState, WriteId};
use uuid::Uuid;

use super::daemon::instance_of;
use super::others::is_foreign;
use super::world::{World, stream};

/// Nothing is written later than this after the last accepted checkpoint was first sent.
const LEASE: Duration = Duration::from_secs(20);

/// What is known of the truth.
#[derive(Debug, Default)]
pub(super) struct Promises {
    broken: Option<String>,
    /// Every event that was ever in the copied log.
    events: HashMap<Uuid, Event>,
    /// Those that a lost leader took with it, or that a restored source no longer has.
    cut: HashSet<Uuid>,
    replaced: bool,
    /// When each holder's last accepted checkpoint was first sent.
    sent: HashMap<Uuid, Moment>,
    /// When each checkpoint was first sent.
    first_sent: HashMap<(Uuid, WriteId), Moment>,
    pub(super) checkpoints: u64,
    /// The newest state of each stream that was stored, by its revision at the source.
    pub(super) states: HashMap<StreamName, u64>,
    /// Streams whose metadata somebody else wrote.
    pub(super) meddled: HashSet<StreamName>,
}

impl Promises {
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(super) fn broke(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// A checkpoint is sent, perhaps again.
    pub(super) fn sends(&mut self, holder: Uuid, write: WriteId, now: Moment) {
        self.first_sent.entry((holder, write)).or_insert(now);
    }

    /// An event was written at the source. One of a stranger is none of the copied log; one of a source that was restored
    /// from its past is, as long as nothing that was lost had been copied.
    pub(super) fn wrote(&mut self, event: Event) {
        if !self.replaced {
            self.events.insert(event.id, event);
        }
    }

    pub(super) fn cut(&mut self, ids: impl Iterator<Item = Uuid>) {
        self.cut.extend(ids);
    }

    pub(super) fn has_cut(&self) -> bool {
        !self.cut.is_empty()
    }

    pub(super) fn replace(&mut self) {
        self.replaced = true;
    }
}

impl World {
    /// An append stored something that was sent at this time.
    pub(super) fn stored(&mut self, instance: Uuid, name: &StreamName, sent: Moment) {
        self.has_lease(instance, sent, name.as_str());
        let stored = self.destination.streams.get(name).into_iter().flatten();
        let mut wrong = None;
        for event in stored {
            let is_placeholder = event.event_type.starts_with("ditto");
            let known = self.promises.events.get(&event.id);
            let same = known.is_some_and(|known| {
                known.stream == *name
                    && known.revision == event.revision
                    && known.same_content(event)
            });
            if !same && !is_placeholder && !is_foreign(event) {
                wrong = Some(format!(
                    "{name} #{} is {} at the destination, no event of the copied log at this revision",
                    event.revision, event.id
                ));
            }
        }
        wrong.into_iter().for_each(|text| self.promises.broke(text));
    }

    pub(super) fn has_lease(&mut self, instance: Uuid, sent: Moment, what: &str) {
        let lease = self.promises.sent.get(&instance).map(|at| *at + LEASE);
        if lease.is_none_or(|until| sent > until) {
            let text = format!("{instance} sent an append to {what} without a lease");
            self.promises.broke(text);
        }
    }

    /// A change of the record was stored.
    pub(super) fn recorded(&mut self, sent: Moment, instance: Uuid) {
        self.has_lease(instance, sent, "the record of held streams");
        let newest = self.destination.checkpoints.last();
        if let Some(newest) = newest.map(|stored| stored.checkpoint.clone()) {
            self.judge_mark(&newest);
        }
    }

    /// A daemon that says that it runs may write: or nothing is copied, and nobody knows.
    pub(super) fn judge_state(&mut self, number: usize) {
        let daemon = &self.daemons[number];
        if daemon.frozen_until > self.now || self.state(number) != Some(PipelineState::Running) {
            return;
        }
        let instance = instance_of(number, daemon.generation);
        let sent = self.promises.sent.get(&instance);
        // It learns of its lease's end at its next input.
        if sent.is_none_or(|at| *at + LEASE + Duration::from_secs(2) < self.now) {
            let text = format!("daemon {number} says that it runs, and may not write");
            self.promises.broke(text);
        }
    }

    /// A checkpoint was stored.
    pub(super) fn saved(&mut self, checkpoint: &Checkpoint, write: WriteId) {
        self.promises.checkpoints += 1;
        let instance = checkpoint.holder.instance;
        if let Some(first) = self.promises.first_sent.get(&(instance, write)) {
            self.promises.sent.insert(instance, *first);
        }
        self.judge_mark(checkpoint);
    }

    /// Everything up to the mark is at the destination, or in a stream that is on record as held.
    fn judge_mark(&mut self, checkpoint: &Checkpoint) {
        let Ok(Rules { filter, .. }) = checkpoint.rules.parse::<Rules>() else {
            return self.promises.broke(format!("rules {:?}", checkpoint.rules));
        };
        let Some(mark) = &checkpoint.mark else { return };
        if self.exchanged || !self.promises.cut.is_empty() {
            // Positions of a log that went on otherwise mean something else; the end judges.
            return;
        }
        let held = self.destination.held();
        let missing = self.source.log.iter().find(|logged| {
            let event = &logged.event;
            let there = || {
                let stream = self.destination.streams.get(&event.stream);
                stream.is_some_and(|stream| {
                    stream.iter().any(|there| there.revision == event.revision)
                })
            };
            logged.position <= mark.position
                && !logged.scavenged
                && event.revision != TOMBSTONE_REVISION
                && filter.wants(&event.stream)
                && !held.contains_key(&event.stream)
                && !self.is_gone_for_good(&event.stream)
                && !(self.options.states.is_some() && self.is_hidden(&event.stream, event.revision))
                && !there()
        });
        if let Some(logged) = missing {
            let text = format!(
                "the mark {} passes {} #{}, which is not at the destination",
                mark.position.commit, logged.event.stream, logged.event.revision
            );
            self.promises.broke(text);
        }
    }

    /// Everything came to rest.
    pub(super) fn judge_end(&mut self) {
        let states: Vec<PipelineState> = (0..self.daemons.len())
            .filter_map(|number| self.state(number))
            .collect();
        let stopped = states
            .iter()
            .any(|state| matches!(state, PipelineState::Stopped(_)));
        // Without the right to read epochs a record that was scavenged proves nothing, and an operator has to say so.
        let must_know = self.exchanged || !self.promises.cut.is_empty();
        if stopped && (must_know || !self.options.epochs) {
            return;
        }
        if !states.contains(&PipelineState::Running) {
            self.promises.broke(format!("nobody runs: {states:?}"));
            return;
        }
        let held = self.destination.held();
        for number in 0..self.options.streams {
            let name = stream(number);
            let broken = if self.filter().wants(&name) {
                self.judge_stream(&name, held.contains_key(&name))
            } else {
                let mut there = self.destination.streams.get(&name).into_iter().flatten();
                let is_copied = there.any(|event| !is_foreign(event));
                is_copied.then(|| "is not wanted, and is at the destination".to_owned())
            };
            broken
                .into_iter()
                .for_each(|text| self.promises.broke(format!("{name} {text}")));
        }
    }

    /// What is wrong with a stream at the end; `held`: it is on record as that.
    fn judge_stream(&self, name: &StreamName, held: bool) -> Option<String> {
        if self.destination.tombstoned.contains(name) && self.is_cut() {
            // The tombstone was cut off at the source, and is for ever here.
            return None;
        }
        let there = self.destination.streams.get(name);
        let there = there.map_or(&[][..], |all| &all[..]);
        if self.is_gone_for_good(name) {
            return held.then(|| "is gone on both sides, and on record as held".to_owned());
        }
        let to_be_there = self.to_be_there(name);
        let is_stored = |event: &&&Event| there.iter().any(|other| other.id == event.id);
        let first = self.destination.shows_from(name);
        // Without epochs nothing tells that a change was cut off with its leader.
        let is_told = self.options.epochs || !self.is_cut();
        let mut shown = self.source.shown(name).filter(|_| is_told);
        let hidden = shown.find(|event| event.revision < first);
        let missing = to_be_there
            .iter()
            .find(|event| !is_stored(event))
            .copied()
            .or(hidden);
        // Somebody else's metadata, or the server's, has taken the place of the note that tells whose the stream is.
        let is_known = !self.promises.meddled.contains(name) && !self.destination.lost_note(name);
        if missing.is_none()
            && !held
            && let Some(wrong) = self.judge_state_at_end(name)
        {
            return Some(wrong);
        }
        if missing.is_none() {
            // Where nothing has to be there, nothing can be compared.
            let is_complete = held && is_known && !to_be_there.is_empty();
            return is_complete.then(|| "is complete, and on record as held".to_owned());
        }
        let event = missing?;
        let in_its_way = self.has_others(name, there) || self.ends_at_gap(name, there);
        match (in_its_way, held) {
            (true, true) => None,
            // What is hidden on both sides is not told from the source's.
            (true, false) if self.is_hidden(name, event.revision) => None,
            (true, false) => Some("is held, and not on record".to_owned()),
            (false, true) if !is_known => None,
            (false, true) => Some("is on record as held, and nothing is in its way".to_owned()),
            (false, false) => Some(format!("#{} is not at the destination", event.revision)),
        }
    }

    /// Events that have to be at the destination: those that the log shows. If it went on otherwise, or is another one, and no
    /// epochs tell, a mark without a record passes what stands before it in the new log: then only a stream that shows
    /// its events gets them, by a repair.
    fn to_be_there(&self, name: &StreamName) -> Vec<&Event> {
        let is_other = self.exchanged || !self.promises.cut.is_empty();
        if is_other && !self.options.epochs {
            self.source.shown(name).collect()
        } else {
            let logged = self.source.logged(name);
            logged.map(|logged| &logged.event).collect()
        }
    }

    /// The destination has what the source does not: its own, or what a cut took from the source.
    fn has_others(&self, name: &StreamName, there: &[Event]) -> bool {
        let log: HashSet<Uuid> = self.source.ids(name).collect();
        let is_other =
            |there: &Event| !there.event_type.starts_with("ditto") && !log.contains(&there.id);
        there.iter().any(is_other)
    }

    /// The source shows later events than the next one, and the operator wants that held.
    fn ends_at_gap(&self, name: &StreamName, there: &[Event]) -> bool {
        let next = there.len() as u64;
        let mut to_be_there = self.to_be_there(name).into_iter();
        self.options.holds_gaps && !to_be_there.any(|event| event.revision == next)
    }
}
