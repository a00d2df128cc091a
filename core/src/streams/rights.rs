//! Denials: is it about one stream, or has the user lost the right to write at all?
//!
//! Never holds or parks anything for a denial until the same credentials were allowed elsewhere after it.
//!
//! A stream that is denied waits. As soon as something else was allowed that was asked for later (an append that was
//! accepted, or an append of no events to the stream written last, which no server carries out but judges), it is tried
//! once more; denied again, it is held. Without such proof for a quarter of the message timeout the subscription stops,
//! before the server takes deliveries back and parks them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::context::Context;
use crate::event::StreamName;
use crate::pause::back_off;
use crate::port::{Command, HeldReason, LookupId, LookupRange, LookupResult, Moment, Rights};
use crate::streams::Streams;
use crate::streams::lookup::PAGE_BYTES;

/// What was denied. What stops the subscription if nothing of the kind is allowed elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Reading the stream.
    Read,
    /// Reading its metadata.
    ReadMetadata,
    /// Appending to it.
    Write,
    /// Writing its metadata.
    WriteMetadata,
}

impl Denied {
    /// Text for the operator, of one stream.
    pub(super) fn here(self) -> &'static str {
        match self {
            Self::Read => "no permission to read this stream at the destination",
            Self::ReadMetadata => {
                "no permission to read this stream's metadata ($mr) at the destination"
            }
            Self::Write => "no permission to write this stream at the destination",
            Self::WriteMetadata => {
                "no permission to write this stream's metadata at the destination"
            }
        }
    }

    fn is_reading(self) -> bool {
        matches!(self, Self::Read | Self::ReadMetadata)
    }

    fn everywhere(self) -> &'static str {
        match self {
            Self::Read => "no permission to read any stream at the destination",
            Self::ReadMetadata => {
                "no permission to read any stream's metadata ($mr) at the destination"
            }
            Self::Write => "no permission to write any stream at the destination",
            Self::WriteMetadata => {
                "no permission to write any stream's metadata at the destination"
            }
        }
    }
}

/// Streams written last, one of which is asked about.
const ASKED_AMONG: usize = 4;

/// One stream that was denied.
#[derive(Clone, Debug)]
struct Denial {
    /// First of the denials in a row.
    since: Moment,
    /// Something else that was asked for later was allowed at this time.
    proven: Option<Moment>,
    what: Denied,
}

#[derive(Clone, Debug)]
struct Question {
    id: LookupId,
    stream: StreamName,
    reading: bool,
    sent: Moment,
}

/// Streams that were denied, and what tells whether others are.
#[derive(Clone, Debug, Default)]
pub(super) struct Denials {
    streams: BTreeMap<StreamName, Denial>,
    /// Streams that were written last, newest first: the rights of one of them are asked for.
    written: VecDeque<StreamName>,
    /// The question under way: about which stream, whether about reading, and when it was asked.
    asked: Option<Question>,
    attempts: u32,
    ask_at: Option<Moment>,
}

impl Denials {
    /// When something is due without an input.
    pub(crate) fn due(&self, patience: Moment) -> Option<Moment> {
        let gives_up = self.unproven().map(|denial| denial.since + patience).min();
        [gives_up, self.ask_at].into_iter().flatten().min()
    }

    fn unproven(&self) -> impl Iterator<Item = &Denial> {
        self.streams
            .values()
            .filter(|denial| denial.proven.is_none())
    }

    /// What is asked next: about reading first, since nothing is written that was not looked at.
    fn question(&self) -> Option<(bool, StreamName)> {
        let unproven: Vec<_> = self.unproven().map(|denial| denial.what).collect();
        if unproven.is_empty() {
            return None;
        }
        let denied = |stream: &&StreamName| !self.streams.contains_key(*stream);
        let stream = self.written.iter().find(denied)?;
        let reading = unproven.iter().any(|what| what.is_reading());
        Some((reading, stream.clone()))
    }

    fn clear(&mut self) {
        self.streams.clear();
        self.asked = None;
        self.ask_at = None;
        self.attempts = 0;
    }
}

impl Streams {
    /// An append or a lookup of this stream, sent at `sent`, was denied. True if that is about this stream alone: then it may
    /// be held.
    pub(super) fn is_about_the_stream(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        what: Denied,
        sent: Moment,
    ) -> bool {
        let new = Denial {
            since: cx.now,
            proven: None,
            what,
        };
        let denials = &mut self.denials.streams;
        let denial = denials.entry(name.clone()).or_insert_with(|| new.clone());
        if denial.what != what {
            *denial = new;
        }
        // The answer to what was sent before the proof may be as old as the first.
        let proven = denial.proven.is_some_and(|at| at <= sent);
        if proven {
            denials.remove(name);
        } else {
            self.ask_rights(cx);
        }
        proven
    }

    /// Something that a stream needs before it is written, asked for at `sent`, was denied: it is held, or tried later.
    pub(super) fn denied(
        &mut self,
        cx: &mut Context,
        name: &StreamName,
        what: Denied,
        sent: Moment,
    ) {
        if self.is_about_the_stream(cx, name, what, sent) {
            let first = self.first_waiting(name);
            self.hold(cx, name, first, HeldReason::Refused, what.here().to_owned());
        } else {
            self.forget(cx, name);
            self.back_off(cx, name);
        }
    }

    /// The destination allowed something with `name` that was sent at `sent`: what was denied before that is tried again.
    fn rights_proven(&mut self, cx: &mut Context, name: &StreamName, reading: bool, sent: Moment) {
        let (now, mut again) = (cx.now, Vec::new());
        for (denied, denial) in &mut self.denials.streams {
            let same_kind = reading == denial.what.is_reading();
            if denial.proven.is_none() && same_kind && denial.since <= sent && denied != name {
                denial.proven = Some(now);
                again.push(denied.clone());
            }
        }
        for denied in again {
            self.try_now(cx, &denied);
        }
    }

    /// An append to this stream was accepted that was sent at `sent`.
    pub(super) fn note_written(&mut self, cx: &mut Context, name: &StreamName, sent: Moment) {
        let written = &mut self.denials.written;
        if written.front() != Some(name) {
            written.retain(|other| other != name);
            written.push_front(name.clone());
            written.truncate(ASKED_AMONG);
        }
        if !self.denials.streams.is_empty() {
            self.denials.streams.remove(name);
            self.rights_proven(cx, name, false, sent);
        }
    }

    fn ask_rights(&mut self, cx: &mut Context) {
        let waits = self.denials.ask_at.is_some_and(|at| at > cx.now);
        if waits || self.denials.asked.is_some() {
            return;
        }
        let Some((reading, stream)) = self.denials.question() else {
            return;
        };
        let id = LookupId(cx.next_id());
        self.denials.ask_at = None;
        self.denials.asked = Some(Question {
            id,
            stream: stream.clone(),
            reading,
            sent: cx.now,
        });
        cx.out.push(if reading {
            Command::Lookup {
                lookup: id,
                stream,
                range: LookupRange::Metadata,
                max_bytes: PAGE_BYTES,
            }
        } else {
            Command::AskRights { ask: id, stream }
        });
    }

    pub(super) fn on_rights_seen(&mut self, cx: &mut Context, ask: LookupId, rights: Rights) {
        let Some(question) = self.denials.asked.take_if(|question| question.id == ask) else {
            return;
        };
        match rights {
            Rights::Allowed => {
                self.denials.attempts = 0;
                self.rights_proven(cx, &question.stream, question.reading, question.sent);
            }
            Rights::Denied | Rights::Unknown => {
                self.denials.attempts += 1;
                self.denials.ask_at = Some(cx.now + back_off(self.denials.attempts));
            }
        }
    }

    /// The answer to a question about reading; false if the lookup was for something else.
    pub(super) fn on_reading_asked(
        &mut self,
        cx: &mut Context,
        lookup: LookupId,
        result: &LookupResult,
    ) -> bool {
        let asked = self.denials.asked.as_ref();
        if asked.is_none_or(|question| question.id != lookup) {
            return false;
        }
        let rights = match result {
            LookupResult::Denied | LookupResult::MetadataDenied => Rights::Denied,
            LookupResult::Failed | LookupResult::Refused(_) => Rights::Unknown,
            _ => Rights::Allowed,
        };
        self.on_rights_seen(cx, lookup, rights);
        true
    }

    /// Asks again, or gives up: then this is what nothing is allowed of.
    pub(crate) fn pump_denials(
        &mut self,
        cx: &mut Context,
        patience: Duration,
    ) -> Option<&'static str> {
        let hopeless = self
            .denials
            .unproven()
            .find(|denial| cx.now.saturating_sub(denial.since) >= patience)
            .map(|denial| denial.what.everywhere());
        if hopeless.is_some() {
            self.denials.clear();
        } else if self.denials.ask_at.is_some_and(|at| at <= cx.now) {
            self.denials.ask_at = None;
            self.ask_rights(cx);
        }
        hopeless
    }

    /// Ends a stream's back-off.
    fn try_now(&mut self, cx: &mut Context, name: &StreamName) {
        let Some(stream) = self.table.get_mut(name) else {
            return;
        };
        if let Some(at) = stream.retry_at.take() {
            self.timers.remove(&(at, name.clone()));
        }
        self.advance(cx, name);
    }
}
