//! A catch-up subscription to one stream (protocol §7.1, §7.2).
//!
//! Metadata hides events while catching up only; live it hides nothing.

use std::sync::Arc;

use ditto_protocol::streams::ReadResp;
use tokio::sync::watch;

use super::Answers;
use super::read::{Look, PAGE};
use super::read_options::From;
use super::subscription::{
    LIVE_PAGE, Messages, Subscription, answers, caught_up, confirmation, too_slow,
};
use super::view::View;
use crate::services::status::stream_deleted;
use crate::services::wire::BareLinks;
use crate::store::{Record, StreamPage, StreamRead};

/// Type that ends a subscription wherever it comes from (protocol §4.3).
const STREAM_DELETED: &str = "$streamDeleted";

pub(super) fn subscribe(view: View, look: Look, name: String, from: From) -> Answers<ReadResp> {
    let written = look.store.watch_stream(&name);
    let next = match from {
        From::Start => 0,
        From::At(revision) => revision + 1,
        From::End => look
            .store
            .stream_info(&name)
            .last
            .map_or(0, |last| last + 1),
    };
    answers(StreamSubscription {
        view,
        look,
        name,
        written,
        phase: if from == From::End {
            Phase::FromEnd
        } else {
            Phase::CatchingUp
        },
        confirmed: false,
        next,
        position: next,
        was_held_back: false,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing sent yet, and nothing of the past wanted.
    FromEnd,
    CatchingUp,
    Live,
    /// Begun at the end of a tombstoned stream: nothing will ever come.
    Silent,
}

struct StreamSubscription {
    view: View,
    look: Look,
    name: String,
    written: watch::Receiver<u64>,
    phase: Phase,
    confirmed: bool,
    /// First revision that is wanted. May lie beyond the end.
    next: u64,
    /// Where reading goes on.
    position: u64,
    /// The node got its records late: that they are old does not show a slow consumer.
    was_held_back: bool,
}

impl Subscription for StreamSubscription {
    async fn next(&mut self) -> Messages {
        loop {
            if let Some(store) = self.view.changed() {
                self.written = store.watch_stream(&self.name);
                self.look.store = store;
                self.was_held_back = true;
            }
            self.written.borrow_and_update();
            let messages = match self.phase {
                Phase::FromEnd => self.begin_at_end(),
                Phase::CatchingUp => self.catch_up(),
                Phase::Live => self.live(),
                Phase::Silent => Vec::new(),
            };
            if !messages.is_empty() {
                return messages;
            }
            if self.is_waiting() {
                self.view.news(&mut self.written).await;
            }
        }
    }
}

impl StreamSubscription {
    fn begin_at_end(&mut self) -> Messages {
        let tombstoned = self.look.store.stream_info(&self.name).tombstoned;
        if tombstoned && self.look.server.is_caught_up_without_stream() {
            return vec![Err(stream_deleted(&self.name))];
        }
        self.phase = if tombstoned {
            Phase::Silent
        } else {
            Phase::Live
        };
        vec![Ok(confirmation()), Ok(caught_up())]
    }

    fn catch_up(&mut self) -> Messages {
        let max = usize::try_from(PAGE).unwrap_or(usize::MAX);
        match self.look.store.read_forward(&self.name, self.position, max) {
            StreamRead::Page(page) => self.history(page),
            StreamRead::NotFound if self.look.server.is_caught_up_without_stream() => {
                let last = self.look.store.stream_info(&self.name).last;
                self.phase = Phase::Live;
                self.position = last.map_or(0, |last| last + 1);
                let mut messages = self.confirm();
                messages.push(Ok(caught_up()));
                messages
            }
            // Until it exists there is nothing to be caught up with (protocol §7.2).
            StreamRead::NotFound => self.confirm(),
            StreamRead::Deleted => vec![Err(stream_deleted(&self.name))],
        }
    }

    fn history(&mut self, page: StreamPage) -> Messages {
        let mut messages = self.confirm();
        messages.extend(
            self.look
                .events(&page.events, BareLinks::Events)
                .into_iter()
                .map(Ok),
        );
        if page.at_end {
            self.phase = Phase::Live;
            self.position = page.last + 1;
            messages.push(Ok(caught_up()));
        } else {
            self.position = page.next;
        }
        self.end_if_deleted(&page.events, messages)
    }

    fn live(&mut self) -> Messages {
        let mut events = self
            .look
            .store
            .appended(&self.name, self.position, LIVE_PAGE);
        self.position += events.len() as u64;
        events.retain(|event| event.revision >= self.next);
        if events.is_empty() {
            self.was_held_back = false;
        }
        if !self.was_held_back
            && let Some(status) = too_slow(self.look.server, &events)
        {
            return vec![Err(status)];
        }
        if events.len() < LIVE_PAGE
            && let Some(tombstone) = self.look.store.tombstone_of(&self.name)
        {
            events.push(tombstone);
        }
        let messages = self
            .look
            .events(&events, BareLinks::Links)
            .into_iter()
            .map(Ok)
            .collect();
        self.end_if_deleted(&events, messages)
    }

    fn end_if_deleted(&self, events: &[Arc<Record>], mut messages: Messages) -> Messages {
        if events
            .iter()
            .any(|event| &*event.event_type == STREAM_DELETED)
        {
            messages.retain(|message| !matches!(message, Ok(message) if *message == caught_up()));
            messages.push(Err(stream_deleted(&self.name)));
        }
        messages
    }

    fn confirm(&mut self) -> Messages {
        if self.confirmed {
            return Vec::new();
        }
        self.confirmed = true;
        vec![Ok(confirmation())]
    }

    /// False while there is a page that can be read at once.
    fn is_waiting(&self) -> bool {
        match self.phase {
            Phase::CatchingUp => !matches!(
                self.look.store.read_forward(&self.name, self.position, 1),
                StreamRead::Page(_)
            ),
            Phase::FromEnd | Phase::Live | Phase::Silent => true,
        }
    }
}
