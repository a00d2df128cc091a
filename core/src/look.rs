//! Looks: what the destination holds of an unknown stream, in as few reads as decide it.
//!
//! Carries the findings of `decide` into states. Never guesses: what was not answered is asked again.

use super::decide::{self, Finding, TailFinding};
use super::port::{
    Command, DuplicateReason, HeldReason, LookId, LookRange, LookResult, Mode, ReadFrom, ReadId,
    SourcePage, Tell,
};
use super::queue::Queue;
use super::stream::{Half, Held, LookStep, Looking, State};
use super::{Core, LOOKS_AT_ONCE, Purpose};
use crate::event::{Event, StreamName};

/// Events and bytes of a look's page.
const PAGE: u64 = 200;
const PAGE_BYTES: usize = 64 * 1024;

impl Core {
    pub(super) fn pump_looks(&mut self) {
        if self.ending.is_some() {
            return;
        }
        while self.trial.is_open() && self.looks.len() < LOOKS_AT_ONCE {
            let Some(name) = self.look_line.pop_front() else {
                return;
            };
            self.start_look(&name);
        }
    }

    fn start_look(&mut self, name: &StreamName) {
        let mode = self.settings.mode;
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        let State::Looking(looking) = &stream.state else {
            return;
        };
        let Looking {
            step: LookStep::Wanted,
            was_held,
        } = &**looking
        else {
            return;
        };
        let Some(first) = stream.queue.first() else {
            // What wanted the look was dropped meanwhile.
            stream.state = was_held.clone().map_or(State::Unknown, State::Held);
            self.rest(name);
            return;
        };
        let quick = first == 0 && was_held.is_none() && stream.failures == 0;
        if mode == Mode::Behind {
            self.start_search(name);
        } else if quick {
            let look = self.look(name, LookRange::Metadata);
            self.set_step(name, LookStep::Metadata(look));
        } else {
            self.full_look(name);
        }
    }

    fn full_look(&mut self, name: &StreamName) {
        let Some(queue) = self.streams.get(name).map(|stream| &stream.queue) else {
            return;
        };
        let (first, last) = (
            queue.first().unwrap_or_default(),
            queue.last().unwrap_or_default(),
        );
        self.full_look_from(name, first.saturating_sub(1), last);
    }

    fn full_look_from(&mut self, name: &StreamName, from: u64, last: u64) {
        let count = (last - from + 1).min(PAGE);
        let range = LookRange::Forwards {
            from,
            count: u32::try_from(count).unwrap_or(1),
        };
        let look = self.look(name, range);
        self.set_step(name, LookStep::Full { look, from });
    }

    pub(super) fn look(&mut self, name: &StreamName, range: LookRange) -> LookId {
        let look = LookId(self.next_id());
        self.looks.insert(look, name.clone());
        self.out.push(Command::Look {
            look,
            stream: name.clone(),
            range,
            max_bytes: PAGE_BYTES,
        });
        self.asked_destination();
        look
    }

    pub(super) fn set_step(&mut self, name: &StreamName, next: LookStep) {
        if let Some(State::Looking(looking)) =
            self.streams.get_mut(name).map(|stream| &mut stream.state)
        {
            looking.step = next;
        }
    }

    pub(super) fn on_looked(&mut self, look: LookId, result: LookResult) {
        let Some(name) = self.looks.remove(&look) else {
            return;
        };
        if matches!(result, LookResult::Failed | LookResult::Refused(_)) {
            self.trial.look_failed(self.now);
            self.look_failed(&name);
            return;
        }
        self.trial.look_answered();
        self.verdict();
        self.progress += 1;
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        let State::Looking(looking) = &stream.state else {
            return;
        };
        let step = looking.step.clone();
        if !step.waits_for(look) {
            return;
        }
        if stream.queue.is_empty() {
            // What waited was dropped meanwhile.
            stream.state = looking.was_held.clone().map_or(State::Unknown, State::Held);
            self.rest(&name);
            return;
        }
        match (step, result) {
            (_, LookResult::SoftDeleted) => {
                self.conflict(&name, "the stream was deleted at the destination")
            }
            (_, LookResult::Tombstoned) => {
                self.conflict(&name, "the stream was tombstoned at the destination")
            }
            (_, LookResult::Denied) => self.look_denied(&name),
            (LookStep::Search(search), result) => self.on_search_page(&name, search, result),
            (LookStep::Tail { tail, source, .. }, result) => {
                let event = match result {
                    LookResult::Tail { events, .. } => {
                        events.into_iter().find(|event| event.revision == tail)
                    }
                    _ => None,
                };
                self.tail_step(&name, tail, Half::Got(event), source);
            }
            (LookStep::Full { from, .. }, LookResult::Tail { last, events }) => {
                self.on_full_look(&name, from, last, &events);
            }
            _ => self.aligned(&name, None),
        }
    }

    fn on_full_look(&mut self, name: &StreamName, from: u64, last: u64, events: &[Event]) {
        let Some(queue) = self.streams.get(name).map(|stream| &stream.queue) else {
            return;
        };
        let waits_to = queue.last().unwrap_or_default();
        match decide::full_look(queue, from, last, events) {
            Finding::There { revisions, differs } => self.there(name, &revisions, differs),
            Finding::Conflict(clash) => self.conflict_at(name, clash.revision, clash.text()),
            Finding::Short { from } => self.full_look_from(name, from, waits_to.max(from)),
            Finding::Behind { tail, event } => {
                let read = ReadId(self.next_id());
                self.reads.insert(read, Purpose::Verify(name.clone()));
                self.out.push(Command::ReadSource {
                    read,
                    stream: name.clone(),
                    from: ReadFrom::Revision(tail),
                    count: 1,
                    max_bytes: PAGE_BYTES,
                });
                let destination = match event {
                    Some(event) => Half::Got(Some(event)),
                    None => Half::Pending(self.look(
                        name,
                        LookRange::Forwards {
                            from: tail,
                            count: 1,
                        },
                    )),
                };
                self.set_step(
                    name,
                    LookStep::Tail {
                        tail,
                        destination,
                        source: Half::Pending(read),
                    },
                );
            }
        }
    }

    /// These waiting revisions are at the destination already.
    fn there(
        &mut self,
        name: &StreamName,
        revisions: &[(u64, Option<DuplicateReason>)],
        differs: Vec<u64>,
    ) {
        for revision in differs {
            self.tell(Tell::Differs {
                stream: name.clone(),
                revision,
            });
        }
        for (revision, reason) in revisions {
            let entry = self
                .streams
                .get_mut(name)
                .and_then(|stream| stream.queue.remove(*revision));
            match (entry, reason) {
                (None, _) => {}
                (Some(entry), Some(reason)) => self.settle_duplicate(name, entry, *reason),
                (Some(entry), None) => self.set_aside_filled(name, entry),
            }
            if reason.is_none()
                && let Some(stream) = self.streams.get_mut(name)
            {
                stream.unverified = stream.unverified.max(Some(*revision));
            }
        }
        let tail = revisions.last().map(|(revision, _)| *revision);
        if tail.is_some()
            && let Some(stream) = self.streams.get_mut(name)
        {
            stream.failures = 0;
        }
        self.aligned(name, tail);
    }

    /// The source's event of the destination's tail was read.
    pub(super) fn on_verify_read(&mut self, read: ReadId, name: &StreamName, page: SourcePage) {
        let Some(State::Looking(looking)) = self.streams.get(name).map(|stream| &stream.state)
        else {
            return;
        };
        let LookStep::Tail {
            tail,
            destination,
            source: Half::Pending(expected),
        } = looking.step.clone()
        else {
            return;
        };
        if expected != read {
            return;
        }
        let event = match page {
            SourcePage::Events { events, .. } => {
                events.into_iter().find(|event| event.revision == tail)
            }
            SourcePage::NotFound
            | SourcePage::SoftDeleted
            | SourcePage::Tombstoned
            | SourcePage::Denied => None,
            SourcePage::Refused(_) | SourcePage::Failed => {
                self.source_failing = true;
                self.look_failed(name);
                return;
            }
        };
        self.source_failing = false;
        self.tail_step(name, tail, destination, Half::Got(event));
    }

    fn tail_step(
        &mut self,
        name: &StreamName,
        tail: u64,
        destination: Half<LookId>,
        source: Half<ReadId>,
    ) {
        let (Half::Got(there), Half::Got(here)) = (&destination, &source) else {
            self.set_step(
                name,
                LookStep::Tail {
                    tail,
                    destination,
                    source,
                },
            );
            return;
        };
        match decide::tail_look(there.as_ref(), here.as_ref()) {
            TailFinding::Conflict(clash) => {
                self.conflict_at(name, clash.revision, clash.text());
                return;
            }
            TailFinding::Equal { differs: true } => {
                self.tell(Tell::Differs {
                    stream: name.clone(),
                    revision: tail,
                });
            }
            TailFinding::Equal { differs: false } => {}
            TailFinding::Unverified => {
                if let Some(stream) = self.streams.get_mut(name) {
                    stream.unverified = stream.unverified.max(Some(tail));
                }
                self.tell(Tell::Unverified {
                    stream: name.clone(),
                    revision: tail,
                });
            }
        }
        self.aligned(name, Some(tail));
    }

    /// The look decided that the stream can be written.
    fn aligned(&mut self, name: &StreamName, tail: Option<u64>) {
        self.release(name);
        if let Some(stream) = self.streams.get_mut(name) {
            stream.state = State::Aligned { tail };
            // Only the tail itself was compared; below it there may be placeholders of another process.
            stream.unverified = stream
                .unverified
                .max(tail.and_then(|tail| tail.checked_sub(1)));
        }
        self.advance(name);
    }

    /// A held stream was looked at and may go on.
    pub(super) fn release(&mut self, name: &StreamName) {
        if self.held.remove(name).is_some() {
            self.tell(Tell::Released {
                stream: name.clone(),
            });
        }
    }

    /// Nothing was learnt: later again. A held stream stays held until then.
    fn look_failed(&mut self, name: &StreamName) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        let State::Looking(looking) = &stream.state else {
            return;
        };
        match looking.was_held.clone() {
            Some(held) => {
                stream.state = State::Held(Held {
                    looked: now,
                    ..held
                });
                self.advance(name);
            }
            None => {
                self.forget(name);
                self.back_off(name);
            }
        }
    }

    fn look_denied(&mut self, name: &StreamName) {
        let text = "no right to read this stream at the destination".to_owned();
        let Some(stream) = self.streams.get_mut(name) else {
            return;
        };
        let first = stream.queue.first().unwrap_or_default();
        if self.proven {
            self.hold(name, first, HeldReason::Refused, text);
            return;
        }
        self.forget(name);
        self.deny(name, "no right to read any stream at the destination");
    }

    fn conflict(&mut self, name: &StreamName, text: &str) {
        let first = self
            .streams
            .get(name)
            .map(|stream| &stream.queue)
            .and_then(Queue::first)
            .unwrap_or_default();
        self.conflict_at(name, first, text.to_owned());
    }
}
