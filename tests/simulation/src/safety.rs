//! What must hold at every step: checked at each command, and at each event that is stored.
//!
//! Judges by the models' truth alone. Never by what the core says about itself.

use std::time::Duration;

use ditto_core::event::Event;
use ditto_core::placeholder_id;
use ditto_core::port::{
    AppendOutcome, HeldReason, Input, JoinRefusal, LinkPage, Mode, OnConflict, OnMissingHistory,
    OnUnverified, Report, SessionId, StopReason,
};
use uuid::Uuid;

use crate::daemon::{Frozen, Given};
use crate::destination::MAX_APPEND_BYTES;
use crate::fault::Fault;
use crate::source::{Kind, Target, skip};
use crate::world::World;

impl World {
    /// Takes note of what the core is about to learn.
    pub(crate) fn before_input(&mut self, daemon: usize, input: &Input) {
        self.note_memory(daemon, input);
        let at = &mut self.daemons[daemon];
        match input {
            Input::Joined { session, group, .. } => {
                at.joining = false;
                if let Some(membership) = at
                    .membership
                    .as_mut()
                    .filter(|membership| membership.session == *session)
                {
                    membership.confirmed = true;
                }
                if at.base.is_none() {
                    let known = group.checkpoint.map(|number| number + 1).or(group.start);
                    let end = group.last_number.map_or(0, |last| last + 1);
                    let base = known.unwrap_or(end);
                    at.base = Some(base);
                    at.base_assumed = known.is_none();
                    at.done_checked = base;
                    self.first_base = self.first_base.or(known);
                }
            }
            Input::Refused { why } => {
                at.joining = false;
                if *why == JoinRefusal::Taken {
                    // Another ditto answers for everything until this one joins again.
                    at.base = None;
                }
            }
            // What comes over a session that the core wants to end is nothing to it.
            Input::Delivery {
                session,
                number: Some(number),
                ..
            } if at.base_assumed
                && Some(*number) < at.base
                && at.membership.as_ref().is_some_and(|membership| {
                    membership.session == *session && !membership.leaving
                }) =>
            {
                at.base = Some(*number);
                at.done_checked = *number;
            }
            Input::Appended {
                append,
                outcome: AppendOutcome::NoAnswer | AppendOutcome::NotReady,
            } => {
                at.note_ended(std::slice::from_ref(append));
            }
            Input::Appended { append, outcome } => {
                let right = at.frozen.get(append).map(Frozen::answer);
                at.wrote |= right.is_some_and(|right| *outcome == AppendOutcome::Written(right));
                at.in_flight.retain(|flight| flight.append != *append);
                if let AppendOutcome::TooLarge { limit: Some(limit) } = outcome {
                    at.append_limit = at.append_limit.min(*limit);
                }
            }
            Input::CallEnded { unanswered, .. } => {
                at.note_ended(unanswered);
            }
            // A page that tells nothing, or not yet, is followed by another question.
            Input::LinksRead { read, page }
                if at.first_link == Some(*read)
                    && reports_first(page, self.source.last_number()) =>
            {
                at.first_link = None;
            }
            Input::Left { .. } => at.first_link = None,
            Input::Budget { bytes } => {
                at.budget_now = *bytes;
                at.budget = at.budget.max(*bytes);
            }
            _ => {}
        }
    }

    /// An acknowledgement: only for what was delivered over this session, and is at the destination or skipped by rule.
    pub(crate) fn check_ack(&mut self, daemon: usize, session: SessionId, id: Uuid) {
        if let Some(given) = self.take_given(daemon, session, id, "acknowledges")
            && !self.may_acknowledge(given)
            && !self.twin_arrived(given)
        {
            self.violate(|| {
                format!(
                    "acknowledges {:?}, which is not at the destination",
                    given.target
                )
            });
        }
    }

    /// Parking: only what was delivered over this session, with ditto's own reason, in a stream that is really in trouble.
    pub(crate) fn check_park(&mut self, daemon: usize, session: SessionId, id: Uuid, reason: &str) {
        if !reason.starts_with("ditto: ") {
            self.violate(|| format!("parks with the reason {reason:?}"));
        }
        let Some(given) = self.take_given(daemon, session, id, "parks") else {
            return;
        };
        if let Some(membership) = self.daemons[daemon].membership.as_mut() {
            membership.parked.push(id);
        }
        match given.target.stream() {
            Some(stream) if self.in_trouble(stream) => self.held_ever[stream] = true,
            Some(stream) => {
                self.violate(|| format!("parks an event of s-{stream}, which is healthy: {reason}"))
            }
            None => self.violate(|| "parks what is never copied".to_owned()),
        }
    }

    /// The delivery that this id answers; none (and a violation) if there is none. Where the source uses an id twice,
    /// several deliveries may have it: the first that may be answered is taken.
    fn take_given(
        &mut self,
        daemon: usize,
        session: SessionId,
        id: Uuid,
        does: &str,
    ) -> Option<Given> {
        let Some(membership) = self.daemons[daemon]
            .membership
            .as_ref()
            .filter(|membership| membership.session == session && membership.confirmed)
        else {
            self.violate(|| format!("{does} {id} over {session:?}, which is over"));
            return None;
        };
        if membership.leaving {
            self.violate(|| format!("{does} {id} over {session:?} after it wanted to leave"));
            return None;
        }
        let mut candidates = membership
            .delivered
            .iter()
            .filter(|given| given.ack == id)
            .copied();
        let first = candidates.next();
        let taken = first.filter(|given| self.may_acknowledge(*given));
        let taken = taken
            .or_else(|| candidates.find(|given| self.may_acknowledge(*given)))
            .or(first);
        if taken.is_none() && membership.parked.contains(&id) {
            return None;
        }
        let Some(taken) = taken else {
            self.violate(|| {
                format!(
                    "{does} {id}, which was not delivered over {session:?} or is answered already"
                )
            });
            return None;
        };
        if let Some(membership) = self.daemons[daemon].membership.as_mut() {
            // A user's link that is delivered twice stands for two tails, and is answered for each.
            let again = matches!(taken.target, Target::Forward { .. });
            membership
                .delivered
                .retain(|given| again || given.ack != id || given.target != taken.target);
        }
        Some(taken)
    }

    /// A plain stream that uses an id twice: one acknowledgement answers all deliveries of that id (protocol §8.6),
    /// whichever of them it was meant for.
    fn twin_arrived(&self, given: Given) -> bool {
        let twin = |event: &Event| event.id == given.ack && self.arrived(0, event.revision);
        self.source.plain && self.source.streams[0].events.iter().any(twin)
    }

    pub(crate) fn may_acknowledge(&self, given: Given) -> bool {
        let (stream, revision) = match given.target {
            Target::Never(_) => return true,
            Target::Event { .. } if !given.with_event => return true,
            Target::Forward { stream, revision }
                if self.source.readable(stream, revision).is_none() =>
            {
                return true;
            }
            // The tail is copied in its place; only where gaps are closed does that bring the link itself.
            Target::Forward { .. } if self.options.settings.mode != Mode::Exact => return true,
            Target::Event { stream, revision } | Target::Forward { stream, revision } => {
                (stream, revision)
            }
        };
        // What neither side shows any more needs no proof: it may have been filled with a placeholder.
        let gone = revision < self.destination.streams[stream].first
            && self.source.readable(stream, revision).is_none();
        self.arrived(stream, revision)
            || gone
            || self.passes_unverified(stream)
            || (self.options.settings.on_conflict == OnConflict::Skip
                && self.conflict_possible(stream))
    }

    /// The destination has the event where it belongs, readable or not.
    pub(crate) fn arrived(&self, stream: usize, revision: u64) -> bool {
        let there = &self.destination.streams[stream];
        if self.options.settings.mode == Mode::Exact {
            let Some(stored) = there.events.get(skip(revision)) else {
                return false;
            };
            let same = self
                .source
                .event(stream, revision)
                .is_some_and(|event| event.id == stored.id);
            return same;
        }
        there
            .placed
            .get(skip(revision))
            .is_some_and(|placed| placed.times > 0)
    }

    /// The destination has the event where it belongs, and shows it to whoever looks.
    fn is_shown(&self, stream: usize, revision: u64) -> bool {
        let there = &self.destination.streams[stream];
        let is_hidden = there.denied || there.broken || there.soft_deleted || there.tombstoned;
        !is_hidden
            && self.destination.lost.is_none()
            && revision >= there.first
            && self.options.settings.mode == Mode::Exact
            && self.arrived(stream, revision)
    }

    /// The destination's stream may hold something else, or be deleted.
    pub(crate) fn conflict_possible(&self, stream: usize) -> bool {
        self.destination.streams[stream].disturbed
    }

    /// Nothing tells whose the destination's stream is: what its last event is can be read on neither side, or only a
    /// first event is there.
    pub(crate) fn unverified_possible(&self, stream: usize) -> bool {
        let there = &self.destination.streams[stream];
        let single = there.first == 1 || there.disturbed;
        self.source.streams[stream].denied
            || there.first > 0 && (single || self.missing_possible(stream))
    }

    pub(crate) fn passes_unverified(&self, stream: usize) -> bool {
        self.options.settings.on_unverified == OnUnverified::Pass
            && self.unverified_possible(stream)
    }

    /// A question to the destination that only an append asks: about the source's own event, or a placeholder where that may be
    /// gone, and never one that could be written.
    pub(crate) fn check_question(&mut self, stream: usize, event: &Event) {
        let length = self.destination.streams[stream].events.len() as u64;
        if event.revision == 0 || event.revision >= length {
            self.violate(|| format!("asks about revision {} of s-{stream}, which ends before {length}: that would be written", event.revision));
        } else if self.source.event(stream, event.revision) != Some(event)
            && !(event.id == placeholder_id(&event.stream, event.revision)
                && self.missing_possible(stream))
        {
            self.violate(|| format!("asks about {event:?}, which is not the source's event"));
        }
    }

    /// The source may lack events of this stream, or not let them be read.
    pub(crate) fn missing_possible(&self, stream: usize) -> bool {
        let at = &self.source.streams[stream];
        at.first > 0 || at.ever_deleted || at.denied
    }

    /// The destination (or the source) may refuse something of this stream.
    pub(crate) fn refused_possible(&self, stream: usize) -> bool {
        let at = &self.source.streams[stream];
        // Rights that come and go look as if they were there for other streams only.
        at.denied
            || at.broken
            || self.destination.losses > 1
            || self.destination.streams[stream].denied
            || self.destination.streams[stream].broken
            || self.suspected[stream]
            || at.kinds.iter().any(|kind| *kind != Kind::Ordinary)
            || at
                .events
                .iter()
                .any(|event| event.append_size() > MAX_APPEND_BYTES)
    }

    /// A stream that ditto may stop writing to.
    pub(crate) fn in_trouble(&self, stream: usize) -> bool {
        self.conflict_possible(stream)
            || self.missing_possible(stream)
            || self.refused_possible(stream)
            || self.unverified_possible(stream)
    }

    /// What the core says must be true, as far as the truth is known here.
    pub(crate) fn check_tell(&mut self, report: Report) {
        match report {
            Report::Held {
                stream,
                revision,
                reason,
                text,
            } => {
                let Some(index) = self.source.index_of(&stream) else {
                    return;
                };
                self.held_ever[index] = true;
                let real = match reason {
                    HeldReason::Conflict => self.conflict_possible(index),
                    HeldReason::MissingHistory => self.missing_possible(index),
                    // A stream whose reads fail by chance, again and again, looks as if it could not be read.
                    HeldReason::Refused => {
                        self.refused_possible(index)
                            || (self.slow[index] && self.options.faults.has(Fault::ReadFails))
                    }
                    HeldReason::Unverified => self.unverified_possible(index),
                };
                if !real {
                    self.violate(|| {
                        format!("holds {stream} at {revision} without a reason: {reason:?}, {text}")
                    });
                }
                if text.contains("was refused: ") && self.is_shown(index, revision) {
                    self.violate(|| {
                        format!("holds {stream} at {revision}, which is there: {text}")
                    });
                }
            }
            Report::Late { stream, revision } => {
                if let Some(index) = self.source.index_of(&stream) {
                    self.late.insert((index, revision));
                }
            }
            Report::RepairStarted { stream, .. } => {
                if let Some(index) = self.source.index_of(&stream) {
                    self.slow[index] = true;
                }
            }
            _ => {}
        }
    }

    /// A join while joined or joining would be two sessions at once.
    pub(crate) fn check_join(&mut self, daemon: usize) {
        let at = &self.daemons[daemon];
        if at.joining || at.membership.is_some() {
            self.violate(|| "joins while it has joined or asked to".to_owned());
        }
    }

    /// Why a core ended must be true.
    pub(crate) fn check_finished(&mut self, daemon: usize, why: &StopReason) {
        let settings = &self.options.settings;
        let at = &self.daemons[daemon];
        match why {
            StopReason::Asked { clean } => {
                let asked = at.stopping.is_some();
                let in_flight = at.in_flight.iter().filter(|flight| !flight.ended).count();
                if !asked {
                    self.violate(|| "stopped without being asked".to_owned());
                } else if *clean && in_flight > 0 {
                    self.violate(|| format!("stopped cleanly with {in_flight} appends unanswered"));
                }
            }
            StopReason::Policy(text) => {
                let throttle = settings.throttle_interval > self.options.group.message_timeout / 4;
                let stops = (0..self.options.streams).any(|stream| {
                    (settings.on_conflict == OnConflict::Stop && self.conflict_possible(stream))
                        || (settings.on_missing_history == OnMissingHistory::Stop
                            && self.missing_possible(stream))
                        || self.destination.streams[stream].denied
                        || self.source.streams[stream].denied
                });
                if !throttle && !stops {
                    self.violate(|| format!("stopped without a reason: {text}"));
                }
            }
        }
    }

    /// Every second: memory, and what is counted as done.
    pub(crate) fn check_status(&mut self, daemon: usize) {
        if !self.daemons[daemon].runs() {
            return;
        }
        let Some(status) = self.daemons[daemon]
            .subject
            .as_ref()
            .map(|subject| subject.status())
        else {
            return;
        };
        self.check_memory(daemon, status.bytes_buffered);
        let at = &mut self.daemons[daemon];
        if at.stopping.is_none() && at.stall.is_stalled(self.now, &status) {
            self.violate(|| format!("the stall detector ends it: {status:?}"));
        }
        // An append whose call ended may be given up (it ended the call alone); all others must be counted.
        let flights = &self.daemons[daemon].in_flight;
        let (at_most, at_least) = (
            flights.len(),
            flights.iter().filter(|flight| !flight.ended).count(),
        );
        if !(at_least..=at_most).contains(&status.appends_in_flight) {
            let says = status.appends_in_flight;
            self.violate(|| {
                format!("says {says} appends are in flight, but {at_least} to {at_most} are")
            });
        }
        if let (Some(done), Some(_)) = (status.done_up_to, self.daemons[daemon].base) {
            self.check_done(daemon, done);
        }
    }

    /// Every number that is counted as done is done.
    fn check_done(&mut self, daemon: usize, done: u64) {
        let from = self.daemons[daemon].done_checked;
        // A process may begin ahead of the end, but never counts beyond it.
        let last = self.source.last_number();
        if Some(done) > last && done >= from {
            self.violate(|| format!("counts number {done} as done, the last is {last:?}"));
            return;
        }
        for number in from..=done {
            if let Some(why) = self.lacks(number) {
                self.violate(|| format!("counts number {number} as done, but {why}"));
                return;
            }
        }
        self.daemons[daemon].done_checked = from.max(done + 1);
    }
}

impl Target {
    /// The source stream that it is about.
    pub(crate) fn stream(self) -> Option<usize> {
        match self {
            Self::Event { stream, .. } | Self::Forward { stream, .. } => Some(stream),
            Self::Never(_) => None,
        }
    }
}

/// A time limit for a core to finish after its deadline.
pub(crate) const FINISH_SLACK: Duration = Duration::from_secs(3);

/// True if this page tells the first readable number of a stream that ends with this one.
fn reports_first(page: &LinkPage, end: Option<u64>) -> bool {
    match page {
        LinkPage::Items { items, last } => !items.is_empty() || Some(*last) >= end,
        LinkPage::NotFound => end.is_none(),
        LinkPage::Deleted => true,
        LinkPage::Denied | LinkPage::Failed => false,
    }
}
