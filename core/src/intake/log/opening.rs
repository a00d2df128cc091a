//! How reading begins: the source is judged, the record at the place is read, and the subscription opens after it.
//!
//! Never believes a connection before the source was judged, nor a position that the server does not know.

use super::epochs::Epochs;
use super::positions::Positions;
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

    /// A connection was opened: the source may be another one by now.
    pub(super) fn on_reconnected(&mut self, cx: &mut Context) {
        if !self.reading.is_closed() {
            self.leave(cx, Some(cx.now));
        }
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
        let verdict = match self.holding.last() {
            _ if matches!(page, EpochsPage::Failed) => {
                return self.retry(cx, LogRefusal::Unavailable);
            }
            Some(last) => taking::judge(last, &page),
            None => Ok(()),
        };
        if let Err(why) = verdict {
            return self.stop_with(cx, streams, why);
        }
        send(cx, LogCommand::Trust { read: asked });
        self.resume(cx, streams, taking::epochs_of(page));
        let Some(place) = self.positions.newest().cloned() else {
            return self.open(cx, None, None);
        };
        let last = self.holding.last();
        let unproven = last
            .is_some_and(|last| last.mark.is_some() && last.mark_epoch.is_none() && !last.accepted);
        let must_be = place.record.clone().filter(|_| unproven);
        self.read_place(cx, place, must_be);
    }

    /// What was read since the last checkpoint is proven only by an epoch that was there then: of a log that was cut since,
    /// other records may stand at its positions. Without that proof everything after the mark is read again.
    fn resume(&mut self, cx: &mut Context, streams: &mut Streams, epochs: Epochs) {
        if !self.is_proven(&epochs)
            && let Some(last) = self.holding.last()
        {
            self.positions = Positions::from(last.mark.clone());
            self.drop_waiting(cx, streams);
        }
        self.epochs = epochs;
    }

    /// Whether all that was read lies in epochs that were there when the last checkpoint was proven.
    pub(super) fn is_proven(&self, epochs: &Epochs) -> bool {
        let Some(newest) = self.positions.newest() else {
            return true;
        };
        let checkpoint = self.holding.last().and_then(|last| last.mark.as_ref());
        checkpoint == Some(newest)
            || epochs
                .prove(newest.position)
                .is_some_and(|proof| self.epochs.has(proof.epoch))
    }

    /// Everything after the last checkpoint is read again.
    pub(super) fn read_from_checkpoint(&mut self, cx: &mut Context) {
        if !self.reading.is_closed() {
            self.leave(cx, Some(cx.now));
        }
    }

    fn read_place(&mut self, cx: &mut Context, place: Mark, must_be: Option<Record>) {
        let read = ReadId(cx.next_id());
        let at = must_be
            .as_ref()
            .map_or(place.position, |record| record.position);
        self.reading.phase = Phase::Before {
            read,
            place,
            must_be,
        };
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
            Phase::Before {
                read,
                place,
                must_be: Some(record),
            } if read == asked => self.on_proof_read(cx, streams, place, &record, page),
            Phase::Before { read, place, .. } if read == asked => {
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

    /// The source does not let its epochs be read: it is the same if the record beside the mark is there.
    fn on_proof_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        place: Mark,
        record: &Record,
        page: RecordPage,
    ) {
        match page {
            RecordPage::Refused(LogRefusal::Unavailable) => {
                self.retry(cx, LogRefusal::Unavailable);
            }
            RecordPage::Found(found) if Record::of(&found.1, found.0) == *record => {
                self.read_place(cx, place, None);
            }
            _ => {
                let LogPosition { commit, prepare } = record.position;
                let why = format!(
                    "nothing proves that the source is the one that was copied: its epochs cannot be read, and event {} of \
                     stream {} is not at {commit}/{prepare}",
                    record.revision, record.stream
                );
                self.stop_with(cx, streams, why);
            }
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
                self.open(cx, Some(position), Some((position, record)));
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
                self.read_place(cx, place, None);
            }
            _ => self.open(cx, None, None),
        }
    }

    fn open(&mut self, cx: &mut Context, after: Option<LogPosition>, seen: Seen) {
        self.reading.phase = Phase::Opening { after, seen };
        send(cx, LogCommand::Open { after });
    }

    pub(super) fn on_opened(&mut self, cx: &mut Context, session: SessionId) {
        let Phase::Opening { after, seen } = self.reading.phase.clone() else {
            // Nobody waits for it any more.
            let why = LeaveReason::Stopping;
            cx.out.push(Command::Leave { session, why });
            return;
        };
        cx.source_failing = false;
        self.stops = 0;
        self.trouble = Trouble::None;
        self.reading.phase = match after {
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
        };
    }

    pub(super) fn on_refused(&mut self, cx: &mut Context, why: LogRefusal) {
        let Phase::Opening { after, .. } = self.reading.phase.clone() else {
            return;
        };
        self.refused_after(cx, after, why);
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
