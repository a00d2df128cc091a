//! Gaps: what lies between the destination's tail and the first delivered event is read from the source stream, in pages.
//!
//! What the stream no longer shows may be in the log (`missing`). Never skips a revision.

use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::port::{Command, HeldReason, ReadFrom, ReadId, Report, SourcePage};
use crate::streams::Purpose;
use crate::streams::Streams;
use crate::streams::failing::REFUSED_FOR;
use crate::streams::queue::{Entry, Origin};
use crate::streams::stream::{Aligned, Repair, State, Stream};

/// Events and bytes of a page.
const PAGE: u32 = 500;
const PAGE_BYTES: usize = 256 * 1024;

/// Pages read at once, over all streams.
const PAGES_AT_ONCE: usize = 16;

impl Streams {
    /// Revisions `next..first` are lacking: read them.
    pub(super) fn mend(&mut self, cx: &mut Context, name: &StreamName, next: u64, first: u64) {
        let Some(State::Aligned(aligned)) =
            self.table.get_mut(name).map(|stream| &mut stream.state)
        else {
            return;
        };
        match &mut aligned.repair {
            Some(repair) => repair.to = first,
            None => {
                aligned.repair = Some(Repair {
                    to: first,
                    read: None,
                    wanted: false,
                    written: 0,
                });
                self.repairs += 1;
                cx.report(Report::RepairStarted {
                    stream: name.clone(),
                    from: next,
                    to: first,
                });
            }
        }
        self.want_page(name);
    }

    /// While a page is being written the next one is read.
    pub(super) fn read_ahead(&mut self, name: &StreamName) {
        let Some(stream) = self.table.get(name) else {
            return;
        };
        let (Some(_), Some(first)) = (stream.repair(), stream.queue.first()) else {
            return;
        };
        let frontier = stream.queue.end_of_run(first);
        let filling = stream.fill_to().is_some_and(|end| frontier < end);
        let gap = !filling && stream.queue.first_from(frontier).is_some();
        if gap && frontier - first < u64::from(PAGE) {
            self.want_page(name);
        }
    }

    fn want_page(&mut self, name: &StreamName) {
        if let Some(repair) = self.table.get_mut(name).and_then(Stream::repair_mut)
            && repair.read.is_none()
            && !repair.wanted
        {
            repair.wanted = true;
            self.repair_line.push_back(name.clone());
        }
    }

    pub(super) fn pump_repairs(&mut self, cx: &mut Context) {
        if cx.ending {
            return;
        }
        while self.pages < PAGES_AT_ONCE && (cx.memory.has_repair_reserve() || self.pages == 0) {
            let Some(name) = self.repair_line.pop_front() else {
                return;
            };
            self.ask_page(cx, &name);
        }
    }

    fn ask_page(&mut self, cx: &mut Context, name: &StreamName) {
        let read = ReadId(cx.next_id());
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        if let Some(repair) = stream.repair_mut() {
            repair.wanted = false;
        }
        let State::Aligned(Aligned {
            tail,
            repair: Some(repair),
            ..
        }) = &mut stream.state
        else {
            return;
        };
        let from = stream.queue.end_of_run(tail.map_or(0, |tail| tail + 1));
        let Some(to) = stream.queue.first_from(from) else {
            return;
        };
        repair.read = Some(read);
        let known = stream.queue.last_delivered();
        self.pages += 1;
        self.reads.insert(
            read,
            Purpose::Repair {
                stream: name.clone(),
                from,
                known,
            },
        );
        cx.out.push(Command::ReadSource {
            read,
            stream: name.clone(),
            from: ReadFrom::Revision(from),
            count: u32::try_from(to - from).unwrap_or(PAGE).min(PAGE),
            max_bytes: PAGE_BYTES,
        });
    }

    pub(super) fn on_repair_read(
        &mut self,
        cx: &mut Context,
        read: ReadId,
        name: &StreamName,
        (from, known): (u64, Option<u64>),
        page: SourcePage,
    ) {
        self.pages = self.pages.saturating_sub(1);
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        match stream.repair_mut() {
            Some(repair) if repair.read == Some(read) => repair.read = None,
            _ => return,
        }
        if !matches!(stream.state, State::Aligned(_)) {
            self.advance(cx, name);
            return;
        }
        match page {
            // What was delivered before it was asked exists: a node that does not know of it is behind.
            SourcePage::Events { last, .. } if Some(last) < known => self.page_failed(cx, name),
            SourcePage::Events { events, .. } => {
                stream.failing = None;
                cx.source_failing = false;
                cx.progress += 1;
                self.insert_page(cx, name, from, events);
            }
            SourcePage::SoftDeleted | SourcePage::Tombstoned => {
                let readable = self.first_waiting_from(name, from);
                self.missing(cx, name, from, readable);
            }
            SourcePage::Denied if stream.flight.is_some() => {}
            SourcePage::Denied if !self.mode.sees_destination() => {
                let readable = self.first_waiting_from(name, from);
                self.missing(cx, name, from, readable);
            }
            SourcePage::Denied => {
                let text = "no permission to read this stream at the source, which ditto needs to close a gap".to_owned();
                self.hold(cx, name, from, HeldReason::Refused, text);
            }
            SourcePage::Refused(_) if !self.mode.sees_destination() => {
                if self.has_failed_for(cx, name, REFUSED_FOR) {
                    let readable = self.first_waiting_from(name, from);
                    self.missing(cx, name, from, readable);
                } else {
                    self.back_off(cx, name);
                }
            }
            SourcePage::Refused(text) => {
                let text = format!("the source does not let this stream be read: {text}");
                if !self.keeps_failing(cx, name, REFUSED_FOR, &text) {
                    self.back_off(cx, name);
                }
            }
            SourcePage::NotFound | SourcePage::Failed => self.page_failed(cx, name),
        }
    }

    /// No answer, or one of a node that is behind.
    fn page_failed(&mut self, cx: &mut Context, name: &StreamName) {
        cx.source_failing = true;
        self.back_off(cx, name);
    }

    /// Queues the consecutive events of a page; none at all means that the source no longer has what comes next.
    pub(super) fn insert_page(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        from: u64,
        events: Vec<Event>,
    ) {
        let mut next = from;
        let mut readable = self.first_waiting_from(name, from);
        for event in events {
            let Some(stream) = self.table.get_mut(name) else {
                return;
            };
            if stream.queue.get(next).is_some() {
                // Delivered while the page was on its way.
                next = stream.queue.end_of_run(next);
            }
            if event.revision < next {
                continue;
            }
            if event.revision > next || stream.queue.get(event.revision).is_some() {
                readable = readable.min(event.revision);
                break;
            }
            let entry = Entry::new(event, Origin::Repaired, None);
            stream.queue.insert(entry.clone());
            self.count_cost(cx, &entry);
            next += 1;
        }
        let found = next > from
            || self
                .table
                .get(name)
                .is_some_and(|stream| stream.queue.get(from).is_some());
        if found {
            self.advance(cx, name);
        } else {
            self.missing(cx, name, from, readable);
        }
    }

    /// Events of a repair were written up to `last`.
    pub(super) fn repaired(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        written: u64,
        last: u64,
    ) {
        let Some(repair) = self.table.get_mut(name).and_then(Stream::repair_mut) else {
            return;
        };
        repair.written += written;
        if last + 1 >= repair.to {
            self.end_repair(cx, name);
        }
    }

    /// The gap is closed, or the stream is looked at anew.
    pub(super) fn end_repair(&mut self, cx: &mut Context, name: &StreamName) {
        let Some(repair) = self.table.get_mut(name).and_then(Stream::take_repair) else {
            return;
        };
        self.repairs = self.repairs.saturating_sub(1);
        cx.report(Report::RepairEnded {
            stream: name.clone(),
            events: repair.written,
        });
    }
}
