//! Reading the log: one subscription from a place on, and the reads around its start.
//!
//! A position whose record was scavenged loses an event: on 23.10 a subscription from there skips the first record that
//! survived (protocol §15.6). So the record at the place is read before the subscription opens, and handed in unless it was
//! read before; and once more after the first message, since a scavenge may come between the two. Nothing of the
//! subscription is believed before that. Never reads while another process holds the mirror.

use std::time::Duration;

use super::positions::Handed;
use super::{Log, Trouble, send};
use crate::context::Context;
use crate::event::{Event, StreamName};
use crate::filter::never_copied;
use crate::pause::back_off;
use crate::port::log::{LogCommand, LogRefusal, Mark, Record, RecordPage};
use crate::port::state::Metadata;
use crate::port::{Command, LeaveReason, LogPosition, Moment, ReadId, Report, SessionId};
use crate::seam::Claim;
use crate::streams::Streams;

/// What came to nothing is read again after this time: what was in its way may take a while.
const AGAIN: Duration = Duration::from_secs(1);

/// While memory is full, room is made this often.
const SHED_EVERY: Duration = Duration::from_secs(1);

/// What the subscription says of the log.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// A record that the filter matches.
    Record(LogPosition, Box<Event>),
    /// One of a stream's metadata.
    State(LogPosition, StreamName, Box<Metadata>),
    /// Everything up to here was looked through.
    LookedThrough(LogPosition),
}

/// The record at the place where a subscription begins, if there was one.
pub(super) type Seen = Option<Record>;

/// Where reading stands.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// No subscription is wanted for now.
    Closed,
    /// Begins at this time.
    Wait { at: Moment },
    /// The source is judged before a connection is believed.
    Judging { read: ReadId },
    /// Nothing else proves the source: this record is being looked for where it was.
    Proving {
        read: ReadId,
        record: Record,
        /// A checkpoint that was accepted names it.
        is_saved: bool,
    },
    /// The record at the place is being read.
    Before { read: ReadId, place: Mark },
    /// The subscription opens after this position.
    Opening {
        after: Option<LogPosition>,
        seen: Seen,
    },
    /// It opens, and is no longer wanted as it is: it is left, then reading begins at this time, if it is wanted.
    Abandoned { then: Option<Moment> },
    /// It is open; its first message waits until the place was read once more.
    Unproven {
        session: SessionId,
        after: LogPosition,
        seen: Seen,
        first: Option<Message>,
        read: Option<ReadId>,
    },
    /// It brings records.
    Open { session: SessionId, paused: bool },
    /// It was asked to end; then reading begins at this time, if it is wanted.
    Leaving {
        session: SessionId,
        then: Option<Moment>,
    },
}

impl Phase {
    /// Nothing is open: reading begins at this time, if it is wanted.
    pub(super) fn of(then: Option<Moment>) -> Self {
        then.map_or(Self::Closed, |at| Self::Wait { at })
    }
}

/// The subscription to the source's log: what phase it is in, and which session brings records.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) phase: Phase,
    pub(super) attempts: u32,
    /// The session has brought everything that its node has.
    caught_up: bool,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Closed,
            attempts: 0,
            caught_up: false,
        }
    }

    /// Reading is wanted from now on.
    pub(super) fn start(&mut self, now: Moment) {
        match &mut self.phase {
            Phase::Leaving { then, .. } | Phase::Abandoned { then } => *then = Some(now),
            _ => self.phase = Phase::Wait { at: now },
        }
        self.attempts = 0;
    }

    /// A session begins: what there is has yet to come.
    pub(super) fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.caught_up = false;
    }

    /// What the session says of itself.
    pub(super) fn note_caught_up(&mut self, over: SessionId, caught_up: bool) {
        if self.session() == Some(over) {
            self.caught_up = caught_up;
        }
    }

    /// Everything that the node has was read.
    pub(super) fn is_caught_up(&self) -> bool {
        self.caught_up && self.is_open()
    }

    /// A subscription is open, and its records are taken.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. } | Phase::Unproven { .. })
    }

    /// Nothing is open or under way that could bring something.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed | Phase::Wait { .. })
    }

    pub(super) fn due(&self) -> Option<Moment> {
        match self.phase {
            Phase::Wait { at } => Some(at),
            _ => None,
        }
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        match self.phase {
            Phase::Unproven { session, .. } | Phase::Open { session, .. } => Some(session),
            _ => None,
        }
    }
}

impl Log {
    pub(super) fn pump_reading(&mut self, cx: &mut Context, streams: &mut Streams) {
        if self.again {
            self.read_again(cx, streams);
        }
        if cx.memory.is_full() && self.shed_at <= cx.now && cx.may_write {
            self.shed_at = cx.now + SHED_EVERY;
            streams.shed(cx);
        }
        if self.reading.is_open() && !streams.waits_for_source() {
            // What it did not answer is wanted no longer, and the log is read.
            cx.source_failing = false;
        }
        let may_begin = self.holding.is_held() && self.is_record_known();
        match &mut self.reading.phase {
            Phase::Wait { at } if *at <= cx.now && may_begin => self.judge_source(cx),
            Phase::Open { session, paused } => {
                let full = cx.memory.is_full() || self.record.is_full() || self.states.is_full();
                if *paused != full && (full || cx.memory.has_room()) {
                    *paused = full;
                    cx.out.push(Command::Poll {
                        session: *session,
                        on: !full,
                    });
                }
            }
            _ => {}
        }
    }

    /// An event that was handed out came to nothing: everything after the mark is read again.
    fn read_again(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.again = false;
        self.drop_waiting(cx, streams);
        self.positions.begin_again();
        self.record.begin_again();
        self.states.clear(cx);
        self.reopen(cx, AGAIN);
    }

    /// Begins once more after this time: the source is judged, and reading goes on from where that lets it.
    pub(super) fn reopen(&mut self, cx: &mut Context, after: Duration) {
        if !self.reading.is_closed() {
            self.leave(cx, Some(cx.now + after));
        }
    }

    pub(super) fn on_ended(&mut self, cx: &mut Context, ended: SessionId, why: Option<LogRefusal>) {
        match self.reading.phase.clone() {
            Phase::Leaving { session, then } if session == ended => {
                self.reading.phase = Phase::of(then);
            }
            Phase::Unproven { session, after, .. } if session == ended => match why {
                Some(why) => self.refused_after(cx, Some(after), why),
                None => self.retry(cx, LogRefusal::Unavailable),
            },
            Phase::Open { session, .. } if session == ended => {
                self.retry(cx, why.unwrap_or(LogRefusal::Unavailable));
            }
            _ => {}
        }
    }

    pub(super) fn retry(&mut self, cx: &mut Context, why: LogRefusal) {
        self.reading.attempts += 1;
        if why == LogRefusal::Denied {
            let why =
                "the source does not let the user read the log: $all needs a permission of its own";
            self.trouble = Trouble::Stopped(why.to_owned());
        } else if self.reading.attempts > 1 {
            self.trouble = Trouble::Source;
        }
        self.reading.phase = Phase::Wait {
            at: cx.now + back_off(self.reading.attempts),
        };
    }

    pub(super) fn on_message(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        over: SessionId,
        message: Message,
    ) {
        match &mut self.reading.phase {
            Phase::Open { session, .. } if *session == over => {
                self.reading.attempts = 0;
                self.hear(cx, streams, message);
            }
            Phase::Unproven {
                session,
                after,
                first: first @ None,
                read,
                ..
            } if *session == over => {
                let id = ReadId(cx.next_id());
                *first = Some(message);
                *read = Some(id);
                let at = *after;
                send(cx, LogCommand::ReadRecord { read: id, at });
            }
            _ => {}
        }
    }

    /// The place was read once more: the subscription is believed if it is as it was.
    pub(super) fn on_place_read_again(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        session: SessionId,
        (seen, first): (Seen, Option<Message>),
        page: RecordPage,
    ) {
        let same = match (&page, &seen) {
            (RecordPage::Found(found), Some(record)) => Record::of(&found.1, found.0) == *record,
            _ => false,
        };
        if !same {
            self.leave(cx, Some(cx.now));
            return;
        }
        self.reading.phase = Phase::Open {
            session,
            paused: false,
        };
        cx.out.push(Command::Poll { session, on: true });
        if let Some(first) = first {
            self.hear(cx, streams, first);
        }
    }

    fn hear(&mut self, cx: &mut Context, streams: &mut Streams, message: Message) {
        match message {
            Message::Record(position, event) => self.hand_in(cx, streams, position, *event),
            Message::State(position, name, metadata) => {
                let of = (position, &name);
                self.hand_in_change(cx, of, &metadata.event, Some(&metadata));
            }
            Message::LookedThrough(position) => self.positions.looked_through(position),
        }
    }

    /// A record was read, by the subscription or around its start.
    pub(super) fn hand_in(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        position: LogPosition,
        event: Event,
    ) {
        if let Some(name) = event.stream.described() {
            return self.hand_in_change(cx, (position, &name), &event, None);
        }
        let record = Record::of(&event, position);
        if !self.settings.filter.wants(&event.stream) {
            self.positions.pass(record);
        } else if self.hand_to_states(cx, position, &event) {
            // It goes on from there.
        } else if let Some(reason) = never_copied(&event) {
            self.positions.pass(record);
            cx.report(Report::Skipped { reason });
        } else if self.positions.hand_out(record, event.created) == Handed::Out {
            streams.take(cx, event, Claim::logged(position, self.log, cx.now));
        }
    }

    /// Ends the session; reading begins again at `then`, or is not wanted any more.
    pub(super) fn leave(&mut self, cx: &mut Context, then: Option<Moment>) {
        if let Some(session) = self.reading.session() {
            let why = LeaveReason::Stopping;
            cx.out.push(Command::Leave { session, why });
            self.reading.phase = Phase::Leaving { session, then };
        } else {
            match &mut self.reading.phase {
                Phase::Leaving { then: next, .. } | Phase::Abandoned { then: next } => *next = then,
                phase @ Phase::Opening { .. } => *phase = Phase::Abandoned { then },
                phase => *phase = Phase::of(then),
            }
        }
    }
}
