//! One subscription to the log, as a session.
//!
//! Brings one message, and more once it is told to poll: the first one is believed only after another read. Not reading is
//! the back-pressure. Never has a task of its own but the one that watches its node.

use std::cell::Cell;
use std::collections::VecDeque;

use futures_util::FutureExt;

use super::watch::Watch;
use super::{Message, Refusal};
use crate::eventstore::Error;
use crate::eventstore::client::{LogMessage, LogRecord, LogSubscription};
use crate::eventstore::stream_state::metadata;
use crate::source::{Arrival, Session};
use ditto_core::port::log::LogRefusal;

/// Messages handed over at once, so that answers get their turn.
const MOST_MESSAGES: usize = 1_024;

/// The same in bytes. One message is always handed over.
const MOST_BYTES: usize = 512 * 1024;

/// What the session may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// One message that says something of the log.
    First,
    Nothing,
    Everything,
    /// It is to end.
    End,
}

/// A subscription that is open.
#[derive(Debug)]
pub struct LogSession {
    subscription: LogSubscription,
    watched: Watch,
    wanted: Cell<Wanted>,
    /// It is over: why, for the operator.
    over: Option<Option<String>>,
}

impl LogSession {
    pub(super) fn new(subscription: LogSubscription, watched: Watch) -> Self {
        Self {
            subscription,
            watched,
            wanted: Cell::new(Wanted::First),
            over: None,
        }
    }

    /// Takes a message, or the subscription's end. Returns its size.
    fn take(
        &mut self,
        message: Result<Option<LogMessage>, Error>,
        into: &mut VecDeque<Message>,
    ) -> usize {
        match message {
            Ok(Some(LogMessage::Record(record))) => {
                let size = record.event.size();
                into.push_back(message_of(record));
                size
            }
            Ok(Some(LogMessage::LookedThrough(position))) => {
                into.push_back(Message::LookedThrough(position));
                0
            }
            Ok(Some(message @ (LogMessage::CaughtUp | LogMessage::FellBehind))) => {
                into.push_back(Message::CaughtUp(message == LogMessage::CaughtUp));
                0
            }
            Ok(None) => {
                let text = "the server ended the subscription: it was read too slowly";
                self.over = Some(Some(text.to_owned()));
                0
            }
            Err(error) => {
                let Refusal { why, text } = error.into();
                if why != LogRefusal::Unavailable {
                    into.push_back(Message::Refused(why));
                }
                self.over = Some(Some(text));
                0
            }
        }
    }

    /// What there is already, up to a bound.
    fn take_ready(&mut self, mut bytes: usize, into: &mut VecDeque<Message>) {
        while self.over.is_none() && into.len() < MOST_MESSAGES && bytes < MOST_BYTES {
            let Some(message) = self.subscription.next().now_or_never() else {
                return;
            };
            bytes += self.take(message, into);
        }
    }
}

/// A record of `$$S` comes with what it says of S.
fn message_of(record: LogRecord) -> Message {
    let LogRecord { event, position } = record;
    match event.stream.described() {
        Some(stream) => Message::State(position, stream, Box::new(metadata(event))),
        None => Message::Record(position, Box::new(event)),
    }
}

impl Session for LogSession {
    type Delivered = Message;

    fn poll(&self, on: bool) {
        if self.wanted.get() != Wanted::End {
            self.wanted.set(if on {
                Wanted::Everything
            } else {
                Wanted::Nothing
            });
        }
    }

    fn leave(&self) {
        self.wanted.set(Wanted::End);
    }

    async fn next(&mut self, into: &mut VecDeque<Message>) -> Arrival {
        loop {
            if self.wanted.get() == Wanted::End {
                return Arrival::Over { why: None };
            }
            if let Some(why) = self.over.clone() {
                return Arrival::Over { why };
            }
            let reads = matches!(self.wanted.get(), Wanted::First | Wanted::Everything);
            tokio::select! {
                message = self.subscription.next(), if reads => {
                    let bytes = self.take(message, into);
                    if self.wanted.get() == Wanted::Everything {
                        self.take_ready(bytes, into);
                    }
                }
                why = self.watched.reason() => self.over = Some(Some(why)),
            }
            if !into.is_empty() {
                let is_first = |message: &Message| !matches!(message, Message::CaughtUp(_));
                if self.wanted.get() == Wanted::First && into.iter().any(is_first) {
                    self.wanted.set(Wanted::Nothing);
                }
                return Arrival::Deliveries;
            }
        }
    }
}
