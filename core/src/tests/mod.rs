//! The core by table: what is told to do, written as one line a command, for each thing that happens.
//!
//! The harness never answers by itself; a test says what the servers answer.

mod append_only;
mod doubt;
mod exactness;
mod failing;
mod forwards;
mod held;
mod holes;
mod lateness;
mod lines;
mod liveness;
mod made;
mod membership;
mod mirror;
mod parking;
mod refusals;
mod repairs;
mod rights;
mod sessions;
mod spine;
mod stopping;
mod undelivered;
mod unseen;
mod unversioned;
mod waits;
mod words;

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use self::lines::{Lines, line_of};
use self::made::{event, events, group, settings, stranger};
use super::Core;
use super::port::{
    AppendId, AppendOutcome, Command, CoreSettings, GroupSeen, Input, LeaveReason, LookupId,
    LookupResult, Moment, ParkedPage, ReadId, Report, SessionId, Side, SourcePage, WriteId,
};
use crate::event::{Event, Item, StreamName};

pub(super) struct Bench {
    pub(super) core: Core,
    pub(super) now: Duration,
    session: SessionId,
    next_number: u64,
    log: Vec<String>,
    reports: Vec<Report>,
    /// When the core last asked to be woken.
    wake: Option<Moment>,
    /// Deliveries are taken: the newest word on polling.
    polling: bool,
    /// Newest ids by kind, for the answers.
    append: u64,
    lookup: u64,
    /// The newest look of each stream.
    lookups: HashMap<StreamName, LookupId>,
    read: u64,
    parked_read: u64,
    write: u64,
    /// What a lookup at the parked queue brings, at once; `None`: a test says.
    pub(super) queue: Option<ParkedPage>,
    /// The destination answers at once when it is asked for want of anything else.
    pub(super) answers_asks: bool,
}

impl Bench {
    /// A core that has joined; what that took is not in the log.
    pub(super) fn joined(settings: CoreSettings) -> Self {
        Self::joined_to(settings, group())
    }

    pub(super) fn joined_to(settings: CoreSettings, group: GroupSeen) -> Self {
        Self::new(settings, group, true)
    }

    /// Joined, and the destination has not answered what it was asked at the start.
    pub(super) fn unanswered(settings: CoreSettings) -> Self {
        Self::new(settings, group(), false)
    }

    fn new(settings: CoreSettings, group: GroupSeen, answers_asks: bool) -> Self {
        let mut bench = Self {
            core: Core::new(settings),
            now: Duration::ZERO,
            session: SessionId(0),
            next_number: group
                .checkpoint
                .map_or(group.start.unwrap_or(0), |number| number + 1),
            log: Vec::new(),
            reports: Vec::new(),
            wake: None,
            polling: false,
            append: 0,
            lookup: 0,
            lookups: HashMap::new(),
            read: 0,
            parked_read: 0,
            write: 0,
            queue: Some(ParkedPage::Entries(Vec::new())),
            answers_asks,
        };
        bench.input(Input::Tick);
        bench.join(group);
        bench.commands();
        bench
    }

    /// A bench on which revision 5 of an unknown stream waits and the full look is under way.
    pub(super) fn looking_up(settings: CoreSettings) -> Self {
        let mut bench = Self::joined(settings);
        bench.deliver("s-1", 5);
        assert_eq!(bench.commands(), ["look s-1 from 4 count 2"]);
        bench
    }

    pub(super) fn join(&mut self, group: GroupSeen) {
        self.session = SessionId(self.session.0 + 1);
        let buffer_size = self.core.status().buffer_size;
        let before = self.log.len();
        self.input(Input::Joined {
            session: self.session,
            buffer_size,
            group,
        });
        // Every test joins, and a session that takes nothing would fail in most of them: one line less in each.
        if self.polling {
            let resumed = self.log[before..].iter().position(|line| line == "resume");
            self.log.remove(before + resumed.unwrap());
        }
    }

    /// The destination's answer to a probe, or none.
    pub(super) fn reachable(&mut self, reachable: bool) {
        self.input(Input::Reachable {
            side: Side::Destination,
            reachable,
        });
    }

    pub(super) fn left(&mut self, why: LeaveReason) {
        self.polling = false;
        self.input(Input::Left {
            session: self.session,
            why,
        });
    }

    pub(super) fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        self.core.handle(self.now, input, &mut out);
        let looks_at_queue = |command: &Command| match command {
            Command::ReadParked { read, count: 1, .. } => Some(*read),
            _ => None,
        };
        // Asked for want of anything else; `liveness` looks at that.
        let asks = self.answers_asks && self.core.streams.asked_at() == Some(self.now);
        let before = out.len();
        out.retain(|command| !asks || !matches!(command, Command::Probe { .. }));
        let asked = out.len() < before;
        let lookups: Vec<ReadId> = out.iter().filter_map(looks_at_queue).collect();
        for command in out {
            self.note(command);
        }
        for (read, page) in lookups.into_iter().zip(self.queue.clone()) {
            self.input(Input::ParkedRead { read, page });
        }
        if asked {
            self.reachable(true);
        }
    }

    /// Lets time pass as the loop does: the core is called when it asked for it, and at every whole second. At no other
    /// time, so that a core that forgets to be woken is late.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let second = Duration::from_secs(self.now.as_secs() + 1);
            let wake = self.wake.filter(|at| *at > self.now);
            let next = wake.map_or(second, |at| at.min(second));
            if next > end {
                break;
            }
            self.now = next;
            self.input(Input::Tick);
        }
        self.now = end;
    }

    /// Delivers an event under the next number; its ack id is the number.
    pub(super) fn deliver(&mut self, stream: &str, revision: u64) {
        self.deliver_event(event(stream, revision));
    }

    pub(super) fn deliver_event(&mut self, event: Event) {
        self.deliver_as(self.next_number, Item::Event(event));
    }

    pub(super) fn deliver_as(&mut self, number: u64, item: Item) {
        self.next_number = self.next_number.max(number + 1);
        let ack = Uuid::from_u128(u128::from(number));
        self.input(Input::Delivery {
            session: self.session,
            ack,
            number: Some(number),
            item,
        });
    }

    pub(super) fn newest_lookup(&self) -> u64 {
        self.lookup
    }

    pub(super) fn newest_append(&self) -> AppendId {
        AppendId(self.append)
    }

    pub(super) fn answered(&mut self, append: AppendId, outcome: AppendOutcome) {
        self.input(Input::Appended { append, outcome });
    }

    /// The group does not deliver the next number.
    pub(super) fn skip_number(&mut self) {
        self.next_number += 1;
    }

    /// When the core last asked to be woken.
    pub(super) fn wake(&self) -> Option<Moment> {
        self.wake
    }

    pub(super) fn append_answered(&mut self, outcome: AppendOutcome) {
        self.input(Input::Appended {
            append: AppendId(self.append),
            outcome,
        });
    }

    /// The lookup finds this revision of the source as the stream's last one; the source has more.
    pub(super) fn ends_with(&mut self, stream: &str, last: u64) {
        self.found(last, events(stream, [last]));
        self.source_events(events(stream, [last]), last + 10);
    }

    pub(super) fn written(&mut self, last: u64) {
        self.append_answered(AppendOutcome::Written(last));
    }

    pub(super) fn call_ended(&mut self) {
        self.input(Input::CallEnded {
            lane: 0,
            unanswered: vec![AppendId(self.append)],
            silent: false,
            said: "it is over".to_owned(),
        });
    }

    pub(super) fn looked_up(&mut self, result: LookupResult) {
        self.input(Input::LookedUp {
            lookup: LookupId(self.lookup),
            result,
        });
    }

    /// Answers the newest look of this stream, if it was not answered.
    pub(super) fn lookup_of(&mut self, stream: &str, result: LookupResult) {
        if let Some(lookup) = self.lookups.remove(&StreamName::from(stream)) {
            self.input(Input::LookedUp { lookup, result });
        }
    }

    pub(super) fn found(&mut self, last: u64, events: Vec<Event>) {
        self.looked_up(LookupResult::Tail {
            last,
            events,
            truncate_before: None,
            copied: None,
        });
    }

    pub(super) fn source(&mut self, page: SourcePage) {
        self.input(Input::SourceRead {
            read: ReadId(self.read),
            page,
        });
    }

    pub(super) fn source_events(&mut self, events: Vec<Event>, last: u64) {
        self.source(SourcePage::Events { events, last });
    }

    /// The newest read of the source but for those of the parked queue.
    pub(super) fn last_read(&self) -> ReadId {
        ReadId(self.read)
    }

    pub(super) fn last_parked_read(&self) -> ReadId {
        ReadId(self.parked_read)
    }

    pub(super) fn last_write(&self) -> WriteId {
        WriteId(self.write)
    }

    /// A stream whose first event was copied.
    pub(super) fn begun(&mut self, stream: &str) {
        self.deliver(stream, 0);
        self.looked_up(LookupResult::NotDeleted);
        self.written(0);
        self.commands();
        self.reports();
    }

    /// The commands since the last call, a line each.
    pub(super) fn commands(&mut self) -> Lines {
        Lines(std::mem::take(&mut self.log))
    }

    pub(super) fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    fn note(&mut self, command: Command) {
        // A page holds some events of an ordinary size, or is only asked for what it is.
        if let Command::Lookup { max_bytes, .. }
        | Command::ReadSource { max_bytes, .. }
        | Command::ReadLinks { max_bytes, .. } = &command
        {
            assert!(*max_bytes == 1 || *max_bytes >= 64 * 1024, "{command:?}");
        }
        let line = match &command {
            Command::Report(report) => {
                self.reports.push(report.clone());
                return;
            }
            Command::WakeAt { at } => {
                self.wake = Some(*at);
                return;
            }
            Command::Poll { on, .. } => {
                self.polling = *on;
                line_of(command)
            }
            Command::Append(append) => {
                self.append = append.id.0;
                line_of(command)
            }
            Command::Lookup { lookup, stream, .. }
            | Command::Recognise { lookup, stream, .. }
            | Command::AskRights {
                ask: lookup,
                stream,
            } => {
                self.lookup = lookup.0;
                self.lookups.insert(stream.clone(), *lookup);
                line_of(command)
            }
            Command::WriteMetadata { write, .. } => {
                self.write = write.0;
                line_of(command)
            }
            Command::ReadParked { count: 1, .. } if self.queue.is_some() => return,
            Command::ReadParked {
                read,
                from: 0,
                count: 100,
            } => {
                self.parked_read = read.0;
                return;
            }
            Command::ReadParked { read, .. } => {
                self.parked_read = read.0;
                line_of(command)
            }
            Command::ReadSource { read, .. }
            | Command::ReadLinks { read, .. }
            | Command::FirstLink { read, .. }
            | Command::SearchLog { read, .. } => {
                self.read = read.0;
                line_of(command)
            }
            _ => line_of(command),
        };
        self.log.push(line);
    }
}
