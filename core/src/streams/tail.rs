//! Whose the destination's stream is: its last event compared with the source's, or asked about where it cannot be read.
//!
//! Never takes what cannot be read for the source's without evidence, and never asks in a way that could write.

use std::time::Duration;

use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::{
    Command, DuplicateReason, HeldReason, LookupId, LookupRange, LookupResult, OnMissingHistory,
    OnUnverified, ReadFrom, ReadId, Report, SourcePage,
};
use crate::streams::Purpose;
use crate::streams::Streams;
use crate::streams::advance::placeholder;
use crate::streams::compare::{self, SourceTail, TailFinding};
use crate::streams::lookup::PAGE_BYTES;
use crate::streams::queue::Queue;
use crate::streams::stream::{Half, LookupStep, Tail};

/// The source's stream has to seem to end before the destination's for this long before that is believed: a node that is
/// behind says the same for a while.
const BEYOND_FOR: Duration = Duration::from_secs(10);

/// Whether the last event may be a placeholder: a fill that was interrupted leaves some, and `$tb`, written before them,
/// hides them. Not worth a question where it passes anyway.
fn may_be_filled(cx: &Context) -> bool {
    cx.settings.on_missing_history == OnMissingHistory::Fill
        && cx.settings.on_unverified == OnUnverified::Hold
}

const FOREIGN: &str = "the destination's events cannot be read and are not the source's";

impl Streams {
    /// Reads what is needed to compare both sides' event of the destination's last revision.
    pub(super) fn compare_tails(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        tail: u64,
        event: Option<Event>,
        unreadable: Vec<u64>,
    ) {
        let queue = self.table.get(name).map(|stream| &stream.queue);
        let known = queue.and_then(Queue::last_delivered);
        let waiting = queue
            .and_then(|queue| queue.get(tail))
            .map(|entry| entry.event.clone());
        let source = match waiting {
            Some(event) => Half::Got(SourceTail::Event(event)),
            None => {
                let read = ReadId(cx.next_id());
                self.reads
                    .insert(read, Purpose::Verify(name.clone(), known));
                cx.out.push(Command::ReadSource {
                    read,
                    stream: name.clone(),
                    from: ReadFrom::Revision(tail),
                    count: 1,
                    max_bytes: PAGE_BYTES,
                });
                Half::Pending(read)
            }
        };
        // A page that ended by its bytes may not have come to the tail.
        let destination = match (event, unreadable.is_empty()) {
            (Some(event), _) => Half::Got(Some(event)),
            (None, _) => Half::Pending(self.lookup(
                cx,
                name,
                LookupRange::Forwards {
                    from: tail,
                    count: 1,
                },
            )),
        };
        self.tail_step(
            cx,
            name,
            Tail {
                revision: tail,
                destination,
                source,
                unreadable,
            },
        );
    }

    /// The destination's last event was read, or cannot be.
    pub(super) fn on_destination_tail(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        mut tail: Tail,
        result: LookupResult,
    ) {
        let event = match result {
            LookupResult::Tail { events, .. } => events
                .into_iter()
                .find(|event| event.revision == tail.revision),
            _ => None,
        };
        tail.destination = Half::Got(event);
        self.tail_step(cx, name, tail);
    }

    /// The source's event of the destination's last revision was read.
    pub(super) fn on_verify_read(
        &mut self,
        cx: &mut Context,
        read: ReadId,
        name: &StreamName,
        known: Option<u64>,
        page: SourcePage,
    ) {
        let Some(mut tail) = self.tail_awaits(read, name).cloned() else {
            return;
        };
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        let found = match page {
            // A node that does not know of what was delivered before it was asked is behind: it says nothing.
            SourcePage::Events { last, .. } if Some(last) < known => None,
            SourcePage::Events { last, .. } if last < tail.revision => {
                let since = *stream.beyond_since.get_or_insert(cx.now);
                let long = cx.now.saturating_sub(since) >= BEYOND_FOR;
                long.then_some(SourceTail::Beyond)
            }
            SourcePage::Events { events, .. } => {
                stream.beyond_since = None;
                let event = events
                    .into_iter()
                    .find(|event| event.revision == tail.revision);
                Some(event.map_or(SourceTail::Gone, SourceTail::Event))
            }
            SourcePage::SoftDeleted | SourcePage::Tombstoned => Some(SourceTail::Gone),
            SourcePage::Denied => Some(SourceTail::Denied),
            SourcePage::Refused(text) => return self.read_refused(cx, name, text),
            SourcePage::NotFound | SourcePage::Failed => None,
        };
        match found {
            None => self.source_read_failed(cx, name),
            Some(SourceTail::Gone) if cx.has_log => {
                cx.source_failing = false;
                let revision = tail.revision;
                tail.source = Half::Pending(self.ask_log(cx, name, revision, revision + 1));
                self.set_step(name, LookupStep::Tail(tail));
            }
            Some(found) => {
                cx.source_failing = false;
                tail.source = Half::Got(found);
                self.tail_step(cx, name, tail);
            }
        }
    }

    pub(super) fn tail_step(&mut self, cx: &mut Context, name: &StreamName, tail: Tail) {
        let (Half::Got(there), Half::Got(here)) = (&tail.destination, &tail.source) else {
            self.set_step(name, LookupStep::Tail(tail));
            return;
        };
        let passes = !tail.unreadable.is_empty();
        match compare::tail_lookup(tail.revision, there.as_ref(), here, passes) {
            TailFinding::Conflict(clash) => {
                self.conflict_at(cx, name, clash.revision, clash.text())
            }
            TailFinding::Foreign => self.conflict(cx, name, FOREIGN),
            TailFinding::Gone if !passes && tail.revision > 0 && may_be_filled(cx) => {
                self.ask(cx, name, placeholder(name, tail.revision), tail);
            }
            TailFinding::Gone => self.gone(cx, name, tail),
            TailFinding::Unverified(why) => self.unverified(cx, name, tail, &why),
            TailFinding::Ask(event) => self.ask(cx, name, event, tail),
            TailFinding::OneSided => {
                self.tell_unverified(cx, name, tail.revision);
                self.tail_is_ours(cx, name, tail);
            }
            TailFinding::Equal { differs } => {
                if differs {
                    cx.report(Report::Differs {
                        stream: name.clone(),
                        revision: tail.revision,
                    });
                }
                self.tail_is_ours(cx, name, tail);
            }
        }
    }

    /// Asks the destination's server whether its last event, which it does not show, is this one.
    fn ask(&mut self, cx: &mut Context, name: &StreamName, event: Event, tail: Tail) {
        let lookup = LookupId(cx.next_id());
        self.lookups.insert(lookup, (name.clone(), cx.now));
        cx.out.push(Command::Recognise {
            lookup,
            stream: name.clone(),
            event,
        });
        self.set_step(name, LookupStep::Asked { lookup, tail });
    }

    /// Neither side shows the event of the destination's last revision, and it is no placeholder.
    fn gone(&mut self, cx: &mut Context, name: &StreamName, tail: Tail) {
        let why = format!(
            "revision {}, the destination's last, can no longer be read at the source",
            tail.revision
        );
        self.unverified(cx, name, tail, &why);
    }

    /// The destination's server has judged the event that it was asked about: the source's, or ditto's placeholder.
    pub(super) fn on_recognised(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        tail: Tail,
        result: LookupResult,
    ) {
        match result {
            LookupResult::Recognised => {
                let from = tail.unreadable.first().copied().unwrap_or(tail.revision);
                self.tell_unreadable(cx, name, from, tail.revision);
                self.tail_is_ours(cx, name, tail);
            }
            LookupResult::Foreign if matches!(tail.source, Half::Got(SourceTail::Gone)) => {
                self.gone(cx, name, tail);
            }
            LookupResult::Foreign => {
                let range = LookupRange::Forwards {
                    from: tail.revision,
                    count: 1,
                };
                let lookup = self.lookup(cx, name, range);
                self.set_step(name, LookupStep::Refused { lookup, tail });
            }
            LookupResult::Unproven(why) => self.unverified(cx, name, tail, &why),
            _ => self.lookup_later(cx, name),
        }
    }

    /// A scavenge keeps a stream's last event only (protocol §15.6): a refusal of one that has others behind it by now
    /// may mean that it is gone.
    pub(super) fn on_refusal_confirmed(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        tail: &Tail,
        result: &LookupResult,
    ) {
        if matches!(result, LookupResult::Tail { last, .. } if *last == tail.revision) {
            self.conflict(cx, name, FOREIGN);
        } else {
            self.forget(cx, name);
            self.advance(cx, name);
        }
    }

    /// Nothing tells whose the stream is.
    fn unverified(&mut self, cx: &mut Context, name: &StreamName, tail: Tail, why: &str) {
        let is_mirrored = self
            .table
            .get(name)
            .is_some_and(|stream| stream.known.mirrored_to >= Some(tail.revision));
        if is_mirrored || cx.settings.on_unverified == OnUnverified::Pass {
            self.tell_unverified(cx, name, tail.revision);
            self.tail_is_ours(cx, name, tail);
            return;
        }
        let first = self.first_waiting(name);
        self.hold(
            cx,
            name,
            first,
            HeldReason::Unverified,
            format!(
                "nothing shows that the destination's events are the source's: {why} \
                 (set on_unverified = \"pass\" to take them for copies)"
            ),
        );
    }

    /// The destination's stream is the source's up to its last revision: what cannot be read below it is there.
    fn tail_is_ours(&mut self, cx: &mut Context, name: &StreamName, tail: Tail) {
        if tail.unreadable.is_empty() {
            self.aligned(cx, name, Some(tail.revision));
            return;
        }
        let first = tail.unreadable.first().copied().unwrap_or_default();
        self.tell_unreadable(cx, name, first, tail.revision);
        let revisions: Vec<_> = tail
            .unreadable
            .into_iter()
            .map(|revision| (revision, Some(DuplicateReason::Unreadable)))
            .collect();
        self.there(cx, name, &revisions, Vec::new());
    }

    fn tell_unverified(&mut self, cx: &mut Context, name: &StreamName, revision: u64) {
        if let Some(stream) = self.table.get_mut(name) {
            stream.known.unverified = stream.known.unverified.max(Some(revision));
        }
        cx.report(Report::Unverified {
            stream: name.clone(),
            revision,
        });
    }

    /// Once a stream.
    pub(super) fn tell_unreadable(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        from: u64,
        tail: u64,
    ) {
        if let Some(stream) = self.table.get_mut(name)
            && !std::mem::replace(&mut stream.known.told_unreadable, true)
        {
            cx.report(Report::Unreadable {
                stream: name.clone(),
                from,
                tail,
            });
        }
    }

    /// A stream that ditto keeps up to date and that somebody truncates, or deletes and thereby lets the next append
    /// revive, is told of; `$tb` that ditto wrote itself is the source's own beginning.
    pub(super) fn note_truncation(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        truncate_before: Option<u64>,
    ) {
        let Some(first) = truncate_before.filter(|first| *first > 0) else {
            return;
        };
        if self
            .table
            .get(name)
            .is_none_or(|stream| stream.known.told_truncated)
        {
            return;
        }
        let read = ReadId(cx.next_id());
        self.reads.insert(
            read,
            Purpose::Head {
                stream: name.clone(),
                destination: first,
            },
        );
        cx.out.push(Command::ReadSource {
            read,
            stream: name.clone(),
            from: ReadFrom::Revision(0),
            count: 1,
            max_bytes: PAGE_BYTES,
        });
    }

    /// The source's first readable event was read, of a stream that is truncated at the destination.
    pub(super) fn on_head_read(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        destination: u64,
        page: SourcePage,
    ) {
        let SourcePage::Events { events, .. } = page else {
            return;
        };
        let Some(source) = events.first().map(|event| event.revision) else {
            return;
        };
        if source < destination {
            self.table.wake(name).known.told_truncated = true;
            self.rest(cx, name);
            cx.report(Report::Truncated {
                stream: name.clone(),
                destination,
                source,
            });
        }
    }
}
