//! How reading begins: the source is judged, the record at the place is read, and the subscription opens after it.
//!
//! Never believes a connection before the source was judged, nor a position that the server does not know.

use super::epochs::Epochs;
use super::reading::{Phase, Seen};
use super::{Log, Trouble, send, taking};
use crate::context::Context;
use crate::port::log::{EpochsPage, LogCommand, LogRefusal, Mark, Record, RecordPage};
use crate::port::{Command, LeaveReason, LogPosition, ReadId, SessionId};
use crate::streams::Streams;

impl Log {
    /// At every connection the source is judged first.
    pub(super) fn judge_source(&mut self, cx: &mut Context) {
        let read = ReadId(cx.next_id());
        self.reading.phase = Phase::Judging { read };
        send(cx, LogCommand::ReadEpochs { read });
    }

    pub(super) fn on_epochs_of_start(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        asked: ReadId,
        page: EpochsPage,
    ) {
        match self.reading.phase {
            Phase::Judging { read } if read == asked => {}
            _ => return,
        }
        if page == EpochsPage::Failed {
            return self.retry(cx, LogRefusal::Unavailable);
        }
        if let Err(why) = taking::judge(self.holding.last(), &page) {
            return self.stop_with(cx, streams, why);
        }
        send(cx, LogCommand::Trust { read: asked });
        self.note_witness();
        let epochs = taking::epochs_of(page);
        // A leader began since: it may have cut off what is at the destination, or the source was set back.
        let is_doubtful = epochs.origin().is_none() || !self.is_proven(&epochs);
        self.resume(cx, streams, epochs);
        let unproven = self.holding.last().filter(|last| last.mark_epoch.is_none());
        let record = unproven.and_then(|last| last.mark.as_ref()?.record.clone());
        match (record, self.witness.clone()) {
            (Some(record), _) => self.read_proof(cx, record, true),
            (None, Some(witness)) if is_doubtful => self.read_proof(cx, witness, false),
            _ => self.go_on(cx),
        }
    }

    /// What no epoch proves must be where it was: the record beside the mark of a checkpoint without epochs, otherwise the last
    /// that this process knows to be done.
    fn read_proof(&mut self, cx: &mut Context, record: Record, is_saved: bool) {
        let (read, at) = (ReadId(cx.next_id()), record.position);
        self.reading.phase = Phase::Proving {
            read,
            record,
            is_saved,
        };
        send(cx, LogCommand::ReadRecord { read, at });
    }

    /// Remembers the record beside the mark.
    pub(super) fn note_witness(&mut self) {
        if let Some(record) = self.positions.mark().and_then(|mark| mark.record.as_ref()) {
            self.witness = Some(record.clone());
        }
    }

    /// The source is the copied one: on from the last place that was read.
    fn go_on(&mut self, cx: &mut Context) {
        match self.positions.newest().cloned() {
            Some(place) => self.read_place(cx, place),
            None => self.open(cx, None, None),
        }
    }

    /// What was read since the last checkpoint is proven only by an epoch that was there then: of a log that was cut since,
    /// other records may stand at its positions. Without that proof everything after the mark is read again.
    fn resume(&mut self, cx: &mut Context, streams: &mut Streams, epochs: Epochs) {
        if !self.is_proven(&epochs) {
            self.begin_at_mark(cx, streams);
        }
        self.epochs = epochs;
    }

    /// Whether all that was read of the log lies in epochs that were there when the last checkpoint was proven.
    pub(super) fn is_proven(&self, epochs: &Epochs) -> bool {
        let may_be_new = epochs.origin().is_none() || *epochs != self.epochs;
        if self.looked && may_be_new {
            return false;
        }
        let newest = self.positions.newest().map(|newest| newest.position);
        // What is read again was read before.
        let Some(read) = newest.max(self.positions.highest()) else {
            return true;
        };
        let done = self.holding.done.as_ref().map(|done| done.position);
        let proof = || epochs.prove(read);
        done == Some(read) || proof().is_some_and(|proof| self.epochs.has(proof.epoch))
    }

    fn read_place(&mut self, cx: &mut Context, place: Mark) {
        let (read, at) = (ReadId(cx.next_id()), place.position);
        self.reading.phase = Phase::Before { read, place };
        send(cx, LogCommand::ReadRecord { read, at });
    }

    pub(super) fn on_record_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        asked: ReadId,
        page: RecordPage,
    ) {
        match self.reading.phase.clone() {
            Phase::Proving {
                read,
                record,
                is_saved,
            } if read == asked => self.on_proof_read(cx, streams, (&record, is_saved), page),
            Phase::Before { read, place } if read == asked => {
                self.on_place_read(cx, streams, place, page);
            }
            Phase::Unproven {
                read: Some(read),
                session,
                seen,
                first,
                ..
            } if read == asked => {
                self.on_place_read_again(cx, streams, session, (seen, first), page)
            }
            _ => {}
        }
    }

    /// The source is the same if the record is there.
    fn on_proof_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        (record, is_saved): (&Record, bool),
        page: RecordPage,
    ) {
        match page {
            RecordPage::Refused(LogRefusal::Unavailable) => {
                self.retry(cx, LogRefusal::Unavailable);
            }
            RecordPage::Found(found) if Record::of(&found.1, found.0) == *record => {
                self.go_on(cx);
            }
            // Scavenged, as it seems: nothing else can tell, and no checkpoint says that this log was copied.
            RecordPage::Found(found) if !is_saved && found.0 > record.position => {
                self.witness = None;
                self.go_on(cx);
            }
            _ => {
                let why = self.is_gone(record);
                self.stop_with(cx, streams, why);
            }
        }
    }

    /// A record that was copied is not where it was: text for the operator.
    fn is_gone(&self, record: &Record) -> String {
        let Record {
            position: LogPosition { commit, prepare },
            stream,
            revision,
            ..
        } = record;
        if self.epochs.origin().is_none() {
            format!(
                "nothing proves that the source is the one that was copied: its epochs cannot be read, and event {revision} of \
                 stream {stream} is not at {commit}/{prepare}"
            )
        } else {
            format!(
                "the source is not the one that was copied: event {revision} of stream {stream}, which was copied, is no longer at \
                 {commit}/{prepare}, and its log went on without it"
            )
        }
    }

    fn on_place_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        place: Mark,
        page: RecordPage,
    ) {
        match page {
            RecordPage::Found(found) => {
                let (position, event) = *found;
                let record = Record::of(&event, position);
                self.hand_in(cx, streams, position, event);
                self.open(cx, Some(position), Some(record));
            }
            RecordPage::End => self.open(cx, Some(place.position), None),
            RecordPage::Refused(LogRefusal::NoPosition) => self.no_position(cx, &place),
            RecordPage::Refused(why) => self.retry(cx, why),
        }
    }

    /// The place is none of the log: from the record beside it, or from the beginning. What was done is not done again.
    fn no_position(&mut self, cx: &mut Context, place: &Mark) {
        match &place.record {
            Some(record) if record.position != place.position => {
                let place = Mark {
                    position: record.position,
                    record: Some(record.clone()),
                };
                self.read_place(cx, place);
            }
            _ => self.open(cx, None, None),
        }
    }

    fn open(&mut self, cx: &mut Context, after: Option<LogPosition>, seen: Seen) {
        self.reading.phase = Phase::Opening { after, seen };
        send(cx, LogCommand::Open { after });
    }

    pub(super) fn on_opened(&mut self, cx: &mut Context, session: SessionId) {
        let (after, seen) = match self.reading.phase.clone() {
            Phase::Opening { after, seen } => (after, seen),
            phase => {
                let why = LeaveReason::Stopping;
                cx.out.push(Command::Leave { session, why });
                if let Phase::Abandoned { then } = phase {
                    self.reading.phase = Phase::Leaving { session, then };
                }
                return;
            }
        };
        cx.source_failing = false;
        self.stops = 0;
        self.trouble = Trouble::None;
        self.reading.begin(match after {
            None => {
                cx.out.push(Command::Poll { session, on: true });
                Phase::Open {
                    session,
                    paused: false,
                }
            }
            Some(after) => Phase::Unproven {
                session,
                after,
                seen,
                first: None,
                read: None,
            },
        });
    }

    pub(super) fn on_refused(&mut self, cx: &mut Context, why: LogRefusal) {
        match self.reading.phase.clone() {
            Phase::Opening { after, .. } => self.refused_after(cx, after, why),
            Phase::Abandoned { then } => self.reading.phase = Phase::of(then),
            _ => {}
        }
    }

    pub(super) fn refused_after(
        &mut self,
        cx: &mut Context,
        after: Option<LogPosition>,
        why: LogRefusal,
    ) {
        match (why, after, self.positions.newest().cloned()) {
            (LogRefusal::NoPosition, Some(after), Some(newest)) if newest.position == after => {
                self.no_position(cx, &newest);
            }
            (LogRefusal::NoPosition, Some(_), _) => self.open(cx, None, None),
            _ => self.retry(cx, why),
        }
    }
}
