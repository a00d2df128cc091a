//! Streams on record as held are looked at again: at the start and every ten minutes the source's newest event of each is
//! handed to the streams, which look at the destination, and repair the stream up to it if they can. Where the source's stream
//! no longer shows it, what was passed is taken from the log (`search`), a part at a time.
//!
//! Never calls a stream complete below what the log has shown of it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::Log;
use super::search::Reached;
use crate::context::Context;
use crate::event::StreamName;
use crate::port::{Command, Moment, ReadFrom, ReadId, SourcePage};
use crate::seam::{Claim, Extent};
use crate::streams::Streams;

/// A held stream is looked at this often.
pub(super) const EVERY: Duration = Duration::from_secs(600);

/// A look that came to nothing is tried again after this time.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// Looks under way at once, at most.
const AT_ONCE: usize = 16;

/// Bytes of a page: one event, however large.
const PAGE_BYTES: usize = 64 * 1024;

/// A look under way.
#[derive(Clone, Debug)]
struct Look {
    stream: StreamName,
    /// The source's last revision, or the last one that this look has brought; `None`: it is being read.
    last: Option<u64>,
    /// It brings a part from the log, up to here.
    part: Option<Reached>,
}

/// What is known of a held stream.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// When it is looked at.
    due: Option<Moment>,
    /// The highest revision that was passed because it is held.
    passed: Option<u64>,
    /// How far the log was searched for it.
    reached: Option<Reached>,
}

/// When each stream is looked at, and what is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    streams: HashMap<StreamName, Seen>,
    due: BTreeSet<(Moment, StreamName)>,
    under_way: HashMap<ReadId, Look>,
}

impl Looks {
    /// The stream is looked at at this time.
    pub(super) fn at(&mut self, name: &StreamName, at: Moment) {
        let seen = self.streams.entry(name.clone()).or_default();
        if let Some(before) = seen.due.replace(at) {
            self.due.remove(&(before, name.clone()));
        }
        self.due.insert((at, name.clone()));
    }

    /// It was looked at now.
    pub(super) fn later(&mut self, name: &StreamName, now: Moment) {
        self.at(name, now + EVERY);
    }

    /// The stream is looked at at this time at the latest.
    pub(super) fn by(&mut self, name: &StreamName, at: Moment) {
        let due = self.streams.get(name).and_then(|seen| seen.due);
        let is_under_way = || self.under_way.values().any(|look| look.stream == *name);
        if due.is_none_or(|due| due > at) && !is_under_way() {
            self.at(name, at);
        }
    }

    /// An event of it was passed.
    pub(super) fn passed(&mut self, name: &StreamName, revision: u64) {
        let seen = self.streams.entry(name.clone()).or_default();
        seen.passed = seen.passed.max(Some(revision));
    }

    /// It is held no longer.
    pub(super) fn forget(&mut self, name: &StreamName) {
        if let Some(at) = self.streams.remove(name).and_then(|seen| seen.due) {
            self.due.remove(&(at, name.clone()));
        }
    }

    /// What was read is no longer believed.
    pub(super) fn forget_passed(&mut self) {
        for seen in self.streams.values_mut() {
            seen.passed = None;
            seen.reached = None;
        }
    }

    pub(super) fn reached(&self, name: &StreamName) -> Option<Reached> {
        self.streams.get(name)?.reached
    }

    pub(super) fn note_reached(&mut self, name: &StreamName, reached: Reached) {
        self.streams.entry(name.clone()).or_default().reached = Some(reached);
    }

    pub(super) fn forget_reached(&mut self, name: &StreamName) {
        if let Some(seen) = self.streams.get_mut(name) {
            seen.reached = None;
        }
    }

    /// A look brings a part from the log, up to here. False if it is over.
    pub(super) fn took_from_log(&mut self, look: ReadId, part: Reached) -> bool {
        let look = self.under_way.get_mut(&look);
        let is_under_way = look.is_some();
        if let Some(look) = look {
            look.part = Some(part);
        }
        is_under_way
    }

    fn passed_to(&self, name: &StreamName) -> Option<u64> {
        self.streams.get(name)?.passed
    }

    /// The next stream whose time has come.
    fn next(&mut self, now: Moment) -> Option<StreamName> {
        self.due().filter(|at| *at <= now)?;
        let (_, name) = self.due.pop_first()?;
        self.streams.get_mut(&name)?.due = None;
        Some(name)
    }

    pub(super) fn due(&self) -> Option<Moment> {
        let is_free = self.under_way.len() < AT_ONCE;
        self.due.first().map(|(at, _)| *at).filter(|_| is_free)
    }
}

impl Log {
    pub(super) fn pump_looks(&mut self, cx: &mut Context) {
        if !self.reading.is_open() || !cx.may_write || self.ending.is_some() {
            return;
        }
        while let Some(stream) = self.record.looks.next(cx.now) {
            if !self.record.holds(&stream) || !self.settings.filter.wants(&stream) {
                self.record.looks.forget(&stream);
                continue;
            }
            let read = ReadId(cx.next_id());
            cx.out.push(Command::ReadSource {
                read,
                stream: stream.clone(),
                from: ReadFrom::Tail,
                count: 1,
                max_bytes: PAGE_BYTES,
            });
            let look = Look {
                stream,
                last: None,
                part: None,
            };
            self.record.looks.under_way.insert(read, look);
        }
    }

    /// The source's newest event of a held stream was read.
    pub(super) fn on_newest_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: SourcePage,
    ) {
        let copies_tombstones = self.copies_tombstones();
        let looks = &mut self.record.looks;
        let Some(look) = looks.under_way.get_mut(&read) else {
            return;
        };
        let passed = looks.streams.get(&look.stream).and_then(|seen| seen.passed);
        match page {
            // A node that does not know of what the log has shown is behind.
            SourcePage::Events { last, .. } if Some(last) < passed => self.look_again(cx, read),
            SourcePage::Failed => self.look_again(cx, read),
            SourcePage::Events { events, last } => {
                look.last = Some(last);
                match events.into_iter().find(|event| event.revision == last) {
                    Some(newest) => {
                        self.looked = true;
                        streams.take(cx, newest, Claim::newest(read, cx.now));
                    }
                    None => self.in_log_alone(read),
                }
            }
            // What was passed before it was deleted belongs to its history: a later event of it stands after that.
            SourcePage::Tombstoned if copies_tombstones => {
                let stream = look.stream.clone();
                self.in_log_alone(read);
                self.bring_tombstone(cx, &stream);
            }
            SourcePage::SoftDeleted | SourcePage::Tombstoned => self.in_log_alone(read),
            SourcePage::NotFound | SourcePage::Denied | SourcePage::Refused(_) => {
                self.still_held(cx, read);
            }
        }
    }

    /// The stream does not show its newest event.
    fn in_log_alone(&mut self, read: ReadId) {
        if let Some(look) = self.record.looks.under_way.get(&read) {
            self.look_in_log(read, look.stream.clone());
        }
    }

    /// The log shows nothing of it after this revision.
    pub(super) fn log_has_no_more(&mut self, cx: &mut Context, read: ReadId, last: Option<u64>) {
        let looks = &mut self.record.looks;
        if let Some(look) = looks.under_way.get_mut(&read) {
            // What was passed and is shown nowhere any more cannot be brought.
            let passed = looks.streams.get(&look.stream).and_then(|seen| seen.passed);
            look.last = last.max(passed);
            self.found_complete(cx, read);
        }
    }

    /// The look came to nothing.
    pub(super) fn look_again(&mut self, cx: &Context, read: ReadId) {
        if let Some(look) = self.record.looks.under_way.remove(&read) {
            self.record.looks.at(&look.stream, cx.now + AGAIN);
        }
    }

    /// The newest event was not written, or not that one.
    pub(super) fn look_ended(&mut self, cx: &mut Context, read: ReadId, extent: Extent) {
        match extent {
            Extent::Stream => self.still_held(cx, read),
            // A placeholder stands in its place.
            Extent::Event => self.found_complete(cx, read),
            Extent::Rest => self.look_again(cx, read),
        }
    }

    /// It may be written as little as before.
    fn still_held(&mut self, cx: &Context, read: ReadId) {
        if let Some(look) = self.record.looks.under_way.remove(&read) {
            self.record.looks.later(&look.stream, cx.now);
        }
    }

    /// Everything up to the newest event is at the destination. What was passed since it was read is not, perhaps.
    pub(super) fn found_complete(&mut self, cx: &mut Context, read: ReadId) {
        let looks = &mut self.record.looks;
        let Some(look) = looks.under_way.remove(&read) else {
            return;
        };
        if let Some(part) = look.part {
            looks.note_reached(&look.stream, part);
            looks.at(&look.stream, cx.now);
        } else if looks.passed_to(&look.stream) > look.last {
            looks.at(&look.stream, cx.now);
        } else {
            self.record.is_complete(look.stream.clone());
            self.look_at_state(cx, &look.stream);
        }
    }
}
