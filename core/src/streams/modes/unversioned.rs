//! `skip_version_check`: copies go behind whatever the destination holds; what is there already is found by id.
//!
//! Never compares revisions of the two sides, and keeps no ids.

use super::exact::Exact;
use super::{Mode, Run};
use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::{DuplicateReason, LookupRange, LookupResult, Report};
use crate::streams::Streams;
use crate::streams::stream::{CLOCKS_DIFFER, End, LookingUp, LookupStep, Search, State, Stream};

const PAGE: u32 = 100;

/// In the order of the source, behind the destination's own tail.
#[derive(Debug)]
pub(super) struct Unversioned;

impl Mode for Unversioned {
    fn look_up(&self, streams: &mut Streams, cx: &mut Context, name: &StreamName) {
        streams.start_search(cx, name);
    }

    fn known_to(&self, stream: &Stream) -> Option<u64> {
        Exact.known_to(stream)
    }

    fn run(&self, stream: &Stream) -> Option<Run> {
        match stream.state {
            State::Unversioned(End {
                tail,
                searched: true,
            }) => Some(Run {
                tail,
                start: stream.queue.first(),
                has_gaps: true,
            }),
            _ => None,
        }
    }

    fn written(&self, stream: &mut Stream, last: u64, tail: u64) {
        stream.wrote(last);
        // What came meanwhile with a lower revision was not looked for.
        let new = stream.queue.first() > stream.known.high || stream.queue.is_empty();
        if let State::Unversioned(end) = &mut stream.state {
            end.tail = Some(tail);
            end.searched &= new;
        }
    }

    fn note_unsearched(&self, stream: &mut Stream) {
        if let State::Unversioned(end) = &mut stream.state {
            end.searched = false;
        }
    }

    fn holds_refused(&self) -> bool {
        false
    }
}

impl Streams {
    pub(in crate::streams) fn advance_unversioned(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        end: End,
    ) {
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        if stream.flight.is_some() || stream.retry_at.is_some() {
            return;
        }
        if stream.queue.is_empty() {
            self.rest(cx, name);
            return;
        }
        let all_new = || {
            stream
                .queue
                .iter()
                .all(|entry| stream.is_surely_new(&entry.event))
        };
        if end.searched || all_new() {
            stream.state = State::Unversioned(End {
                searched: true,
                ..end
            });
            self.line_up(cx, name);
        } else {
            stream.state = State::LookingUp(Box::new(LookingUp {
                step: LookupStep::Wanted,
                was_held: None,
            }));
            self.lookup_line.push_back(name.clone());
        }
    }

    pub(in crate::streams) fn start_search(&mut self, cx: &mut Context, name: &StreamName) {
        let lookup = self.lookup(
            cx,
            name,
            LookupRange::Backwards {
                from: None,
                count: PAGE,
            },
        );
        let search = Search {
            lookup,
            from: None,
            tail: None,
            newest: None,
            wanted: self.waiting(name),
            found: Vec::new(),
            copy: None,
        };
        self.set_step(name, LookupStep::Search(search));
    }

    fn waiting(&self, name: &StreamName) -> Vec<u64> {
        self.table
            .get(name)
            .map(|stream| {
                stream
                    .queue
                    .iter()
                    .map(crate::streams::queue::Entry::revision)
                    .collect()
            })
            .unwrap_or_default()
    }

    pub(in crate::streams) fn on_search_page(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        mut search: Search,
        result: LookupResult,
    ) {
        let events = match result {
            LookupResult::Tail { last, events, .. } => {
                if search.tail.is_none() {
                    search.tail = Some(last);
                    search.newest = events.last().map(|event| event.created);
                }
                events
            }
            _ => Vec::new(),
        };
        self.match_page(name, &mut search, &events);
        let lowest = events.iter().map(|event| event.revision).min();
        let next =
            lowest.filter(|lowest| *lowest > 0 && !self.is_search_over(name, &search, &events));
        match next {
            Some(lowest) => {
                search.from = Some(lowest - 1);
                search.lookup = self.lookup(
                    cx,
                    name,
                    LookupRange::Backwards {
                        from: search.from,
                        count: PAGE,
                    },
                );
                self.set_step(name, LookupStep::Search(search));
            }
            None => self.searched(cx, name, search),
        }
    }

    fn match_page(&self, name: &StreamName, search: &mut Search, events: &[Event]) {
        let Some(stream) = self.table.get(name) else {
            return;
        };
        for revision in &search.wanted {
            if let Some(entry) = stream.queue.get(*revision)
                && let Some(copy) = events.iter().find(|event| event.id == entry.event.id)
            {
                search.found.push(*revision);
                search.copy = search.copy.max(Some((*revision, copy.revision)));
            }
        }
        search
            .wanted
            .retain(|revision| !search.found.contains(revision));
    }

    /// All found, or the page reaches back to before anything that waits was written at the source.
    fn is_search_over(&self, name: &StreamName, search: &Search, events: &[Event]) -> bool {
        let Some(stream) = self.table.get(name) else {
            return true;
        };
        let oldest = search
            .wanted
            .iter()
            .filter_map(|revision| stream.queue.get(*revision))
            .map(|entry| entry.event.created)
            .min();
        let Some(oldest) = oldest else { return true };
        events
            .iter()
            .any(|event| event.created < oldest.saturating_sub(CLOCKS_DIFFER))
    }

    fn searched(&mut self, cx: &mut Context, name: &StreamName, search: Search) {
        for revision in &search.found {
            let entry = self
                .table
                .get_mut(name)
                .and_then(|stream| stream.queue.remove(*revision));
            if let Some(entry) = entry {
                self.settle_duplicate(cx, name, entry, DuplicateReason::Found);
            }
        }
        self.release(cx, name);
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        // What else is there by now is not known: what is not surely newer is looked for.
        stream.known.newest_met = stream.known.newest_met.or(search.newest);
        let high = stream.known.high.max(search.found.iter().max().copied());
        stream.known.high = high;
        // What came while the search was under way was not looked for: it gets a search of its own.
        let all = stream.queue.iter().all(|entry| {
            search.wanted.contains(&entry.revision()) || stream.is_surely_new(&entry.event)
        });
        // With nothing left to append, what comes next goes behind the highest copy, not behind the tail: what lies
        // between may be its own copy, and the server compares ids there.
        let copy = search.copy.map(|(_, revision)| revision);
        if copy.is_some() && copy == search.tail {
            stream.known.shared = false;
        }
        stream.state = State::Unversioned(End {
            tail: if search.wanted.is_empty() {
                copy.or(search.tail)
            } else {
                search.tail
            },
            searched: all,
        });
        let late = search
            .wanted
            .iter()
            .filter(|revision| high.is_some_and(|high| **revision < high));
        for revision in late.copied().collect::<Vec<u64>>() {
            cx.report(Report::Late {
                stream: name.clone(),
                revision,
            });
        }
        self.advance(cx, name);
    }
}
