//! Searching the log for events that their streams no longer show: those of a gap, and the newest ones of a held stream.
//!
//! Only what was passed can be found there: everything else of a stream was handed out in the order of the log, or lay before
//! the mark and is done. So a search begins at the first position that was passed, and where none was nothing is searched. One
//! part of the log is searched at a time, and each search goes to the end of the line after its part. Never decides what
//! becomes of a revision that nothing shows.

use std::collections::{BTreeMap, VecDeque};

use super::{Log, send};
use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::filter::never_copied;
use crate::port::log::{LogCommand, RecordPage, SearchPage};
use crate::port::state::StateCommand;
use crate::port::{Command, LogPosition, ReadId};
use crate::seam::Claim;
use crate::streams::Streams;

/// Bytes of what is found for a gap, and for a look.
const GAP_BYTES: usize = 256 * 1024;
const LOOK_BYTES: usize = 64 * 1024;

/// How far a stream was searched: what it has from this revision on stands at this position or after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    revision: u64,
    at: LogPosition,
}

/// What is done with what is found.
#[derive(Clone, Copy, Debug)]
enum Aim {
    /// These revisions are lacking, as the streams asked under this id.
    Gap { ask: ReadId, from: u64, to: u64 },
    /// This look wants what comes next.
    Look(ReadId),
}

/// A stream that is searched for.
#[derive(Clone, Debug)]
struct Search {
    stream: StreamName,
    aim: Aim,
    /// Where its next part begins, once the first one was asked for; `Some(None)`: at the log's beginning.
    at: Option<Option<LogPosition>>,
    from: u64,
}

/// A gap of a stream of which nothing was passed.
#[derive(Clone, Debug)]
struct Unfound {
    ask: ReadId,
    stream: StreamName,
    from: u64,
    to: u64,
}

/// All searches.
#[derive(Clone, Debug, Default)]
pub(super) struct Searches {
    line: VecDeque<Search>,
    under_way: Option<(ReadId, Search)>,
    unfound: Vec<Unfound>,
    /// Single events that are looked for backwards.
    single: BTreeMap<u64, Unfound>,
}

impl Log {
    /// The streams lack these revisions, which the source's stream no longer shows.
    pub(super) fn note_missing(&mut self, ask: ReadId, stream: StreamName, from: u64, to: u64) {
        if self.record.passed_from(&stream).is_some() {
            self.searches.line.push_back(Search {
                stream,
                aim: Aim::Gap { ask, from, to },
                at: None,
                from,
            });
        } else {
            self.searches.unfound.push(Unfound {
                ask,
                stream,
                from,
                to,
            });
        }
    }

    /// The newest event of a held stream cannot be read: what was passed of it is taken from the log, in order.
    pub(super) fn look_in_log(&mut self, look: ReadId, stream: StreamName) {
        let reached = self.record.looks.reached(&stream);
        self.searches.line.push_back(Search {
            stream,
            aim: Aim::Look(look),
            at: None,
            from: reached.map_or(0, |reached| reached.revision),
        });
    }

    /// Answers for what is in no log, and begins the next search.
    pub(super) fn pump_searches(&mut self, cx: &mut Context, streams: &mut Streams) {
        for gap in std::mem::take(&mut self.searches.unfound) {
            self.look_back(cx, streams, gap);
        }
        if self.searches.under_way.is_some() || cx.ending {
            return;
        }
        // What is found is held in the reserve: while that is full only what frees it goes on.
        let has_reserve = cx.memory.has_repair_reserve();
        let may_begin = |search: &Search| match search.aim {
            Aim::Gap { .. } => has_reserve || streams.waits_in_reserve(&search.stream),
            Aim::Look(_) => has_reserve,
        };
        let next = self.searches.line.iter().position(may_begin);
        if let Some(search) = next.and_then(|next| self.searches.line.remove(next)) {
            self.begin_search(cx, search);
        }
    }

    /// Of a stream of which nothing was passed the log has no more than it handed out. But the destination may hide what it
    /// was handed, by the metadata that ditto copied: the event that its last one is compared with is looked for.
    fn look_back(&mut self, cx: &mut Context, streams: &mut Streams, gap: Unfound) {
        if !self.states.are_copied() || gap.to != gap.from + 1 {
            return streams.not_in_log(cx, (gap.ask, &gap.stream), gap.from, gap.to);
        }
        let read = ReadId(cx.next_id());
        cx.out.push(Command::State(StateCommand::ReadLast {
            read,
            stream: gap.stream.clone(),
            before: None,
            revision: Some(gap.from),
        }));
        self.searches.single.insert(read.0, gap);
    }

    /// A single event was looked for. False if this read was for something else.
    pub(super) fn on_looked_back(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: &RecordPage,
    ) -> bool {
        let Some(gap) = self.searches.single.remove(&read.0) else {
            return false;
        };
        let asked = (gap.ask, &gap.stream);
        match page {
            RecordPage::Found(found) if found.1.revision == gap.from => {
                streams.found_in_log(cx, asked, gap.from, vec![found.1.clone()]);
            }
            RecordPage::Found(_) | RecordPage::End => {
                streams.not_in_log(cx, asked, gap.from, gap.to);
            }
            RecordPage::Refused(_) => streams.log_unsearched(cx, gap.ask, &gap.stream),
        }
        true
    }

    fn begin_search(&mut self, cx: &mut Context, mut search: Search) {
        let at = search.at.unwrap_or_else(|| self.begin_of(&search));
        search.at = Some(at);
        let (to, max_bytes) = match search.aim {
            Aim::Gap { to, .. } => (Some(to), GAP_BYTES),
            Aim::Look(_) => (None, LOOK_BYTES),
        };
        let read = ReadId(cx.next_id());
        send(
            cx,
            LogCommand::SearchStream {
                read,
                stream: search.stream.clone(),
                at,
                from: search.from,
                to,
                max_bytes,
            },
        );
        self.searches.under_way = Some((read, search));
    }

    /// Where the wanted events of a stream cannot stand before.
    fn begin_of(&self, search: &Search) -> Option<LogPosition> {
        match self.record.looks.reached(&search.stream) {
            Some(reached) if reached.revision <= search.from => Some(reached.at),
            _ => {
                // What is on record may have been cut off since; the log that went on is read, and passed, from the mark on.
                let first = self.record.passed_from(&search.stream).flatten()?;
                Some(first.min(self.positions.mark()?.position))
            }
        }
    }

    pub(super) fn on_stream_searched(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: SearchPage,
    ) {
        let under_way = self.searches.under_way.take_if(|(asked, _)| *asked == read);
        let Some((_, mut search)) = under_way else {
            return;
        };
        let (found, next) = match page {
            SearchPage::Searched { found, next } => (found, next),
            SearchPage::NoPosition if search.at.flatten().is_some() => {
                search.at = Some(None);
                self.record.looks.forget_reached(&search.stream);
                self.searches.line.push_front(search);
                return;
            }
            SearchPage::NoPosition | SearchPage::Failed => {
                return self.unsearched(cx, streams, search);
            }
        };
        cx.progress += 1;
        let wanted = |event: &Event| {
            event.stream == search.stream
                && event.revision >= search.from
                && never_copied(event).is_none()
        };
        let found: Vec<_> = found
            .into_iter()
            .filter(|(_, event)| wanted(event))
            .collect();
        match next {
            _ if !found.is_empty() => self.found(cx, streams, search, found),
            None => self.found_none(cx, streams, &search),
            // It looked through nothing.
            Some(next) if search.at.flatten() >= Some(next) => {
                self.unsearched(cx, streams, search);
            }
            Some(next) => {
                self.reached(&search.stream, search.from, next);
                search.at = Some(Some(next));
                self.searches.line.push_back(search);
            }
        }
    }

    fn found(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        search: Search,
        found: Vec<(LogPosition, Event)>,
    ) {
        match search.aim {
            Aim::Gap { ask, from, to } => {
                self.found_for_gap(cx, streams, (ask, &search.stream), (from, to), found);
            }
            Aim::Look(look) => self.found_for_look(cx, streams, look, found),
        }
    }

    /// The log ends without any of it.
    fn found_none(&mut self, cx: &mut Context, streams: &mut Streams, search: &Search) {
        match search.aim {
            Aim::Gap { ask, from, to } => {
                streams.not_in_log(cx, (ask, &search.stream), from, to);
            }
            Aim::Look(look) => self.log_has_no_more(cx, look, search.from.checked_sub(1)),
        }
    }

    fn found_for_gap(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        (ask, stream): (ReadId, &StreamName),
        (from, to): (u64, u64),
        found: Vec<(LogPosition, Event)>,
    ) {
        let first = found.first().map(|(at, event)| (*at, event.revision));
        if let Some((at, revision)) = first.filter(|(_, revision)| *revision > from) {
            self.reached(stream, revision, at);
            streams.not_in_log(cx, (ask, stream), from, to.min(revision));
            return;
        }
        let mut run = Vec::new();
        for ((at, event), expected) in found.into_iter().zip(from..to) {
            if event.revision != expected {
                break;
            }
            self.reached(stream, event.revision + 1, at);
            run.push(event);
        }
        streams.found_in_log(cx, (ask, stream), from, run);
    }

    /// Hands them to the streams; the look is over once the last one is at the destination.
    fn found_for_look(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        look: ReadId,
        mut found: Vec<(LogPosition, Event)>,
    ) {
        let Some((at, newest)) = found.pop() else {
            return;
        };
        let revision = newest.revision;
        if !self.record.looks.took_from_log(
            look,
            Reached {
                revision: revision + 1,
                at,
            },
        ) {
            return;
        }
        self.looked = true;
        for (_, event) in found {
            streams.take(cx, event, Claim::unasked(cx.now));
        }
        streams.take(cx, newest, Claim::newest(look, cx.now));
    }

    /// What is known of streams that are not on record is known for a moment only.
    fn reached(&mut self, stream: &StreamName, revision: u64, at: LogPosition) {
        if self.record.holds(stream) {
            self.record
                .looks
                .note_reached(stream, Reached { revision, at });
        }
    }

    fn unsearched(&mut self, cx: &mut Context, streams: &mut Streams, search: Search) {
        match search.aim {
            Aim::Gap { ask, .. } => streams.log_unsearched(cx, ask, &search.stream),
            Aim::Look(look) => self.look_again(cx, look),
        }
    }

    /// The log may be another one: nothing that was found in it counts, nor where it was looked for.
    pub(super) fn give_up_searches(&mut self, cx: &mut Context, streams: &mut Streams) {
        let searches = std::mem::take(&mut self.searches);
        let under_way = searches.under_way.map(|(_, search)| search);
        for search in searches.line.into_iter().chain(under_way) {
            self.unsearched(cx, streams, search);
        }
        let single = searches.single.into_values();
        for gap in searches.unfound.into_iter().chain(single) {
            streams.log_unsearched(cx, gap.ask, &gap.stream);
        }
    }
}
