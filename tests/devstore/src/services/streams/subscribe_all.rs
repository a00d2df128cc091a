//! A catch-up subscription to `$all`, filtered or not, with checkpoints (protocol §7.1 to §7.3).
//!
//! A checkpoint never lies behind an event that has not been sent.

use std::sync::Arc;
use std::time::Duration;

use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_resp::{Checkpoint, Content};
use tokio::sync::watch;
use tonic::Status;

use super::Answers;
use super::read::{Look, PAGE};
use super::read_options::{From, Windowed};
use super::subscription::{
    LIVE_PAGE, Messages, Subscription, answers, caught_up, confirmation, too_slow,
};
use super::view::View;
use crate::filter::shows_in_all;
use crate::pace::Meter;
use crate::services::status::{handler_exception, invalid};
use crate::services::wire::{BareLinks, content};
use crate::store::{AllPage, NotARecord, Record};

pub(super) fn subscribe(
    view: View,
    look: Look,
    look_time: Duration,
    (from, is_below): (From, bool),
    filter: Option<Windowed>,
) -> Result<Answers<ReadResp>, Status> {
    if filter
        .as_ref()
        .is_some_and(|windowed| windowed.interval() == 0)
    {
        return Err(handler_exception());
    }
    let written = look.store.watch_log();
    let (mut after, mut skips) = (None, false);
    let next = match from {
        From::Start | From::At(0) => 0,
        From::End => look.store.end(),
        From::At(position) if position >= look.store.end() => {
            after = Some(position);
            look.store.end()
        }
        From::At(position) => match look.store.read_all_forward(position, 1) {
            // As a pair it is smaller than the record there, which comes after it (protocol §15.6).
            Ok(_) if is_below && look.server.compares_positions() => position,
            Ok(page) => match page.events.first() {
                // The record was scavenged: this one is the first that survived.
                Some(first) if first.position != position => {
                    skips = !look.server.begins_with_survivors();
                    first.position
                }
                _ => page.next,
            },
            // It fails when it is read.
            Err(NotARecord) if look.server.confirms_invalid_positions() => position,
            Err(NotARecord) => return Err(handler_exception()),
        },
    };
    Ok(answers(AllSubscription {
        view,
        look,
        written,
        phase: Phase::CatchingUp,
        confirmed: false,
        next,
        after,
        skips,
        filter,
        examined: 0,
        look_time,
        meter: Meter::new(),
        was_held_back: false,
    }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    CatchingUp,
    Live,
}

struct AllSubscription {
    view: View,
    look: Look,
    written: watch::Receiver<u64>,
    phase: Phase,
    confirmed: bool,
    /// Position from which to read on.
    next: u64,
    /// A position beyond the end from which it began: nothing up to it is wanted.
    after: Option<u64>,
    /// It began where a record was scavenged, and leaves out the first event that survived (protocol §15.6).
    skips: bool,
    filter: Option<Windowed>,
    /// Records looked at since the last checkpoint.
    examined: u64,
    /// What it takes to look at a record of history.
    look_time: Duration,
    meter: Meter,
    /// The node got its records late: that they are old does not show a slow consumer.
    was_held_back: bool,
}

impl Windowed {
    fn interval(&self) -> u64 {
        u64::from(self.window) * u64::from(self.multiplier)
    }
}

impl Subscription for AllSubscription {
    async fn next(&mut self) -> Messages {
        loop {
            if let Some(store) = self.view.changed() {
                self.written = store.watch_log();
                self.look.store = store;
                self.was_held_back = true;
            }
            self.written.borrow_and_update();
            let messages = match self.phase {
                Phase::CatchingUp => {
                    let (page, looked_at) = self.catch_up();
                    self.take_time(looked_at).await;
                    Some(page)
                }
                Phase::Live => self.live(),
            };
            match messages {
                Some(messages) if messages.is_empty() => {}
                Some(messages) => return messages,
                None => self.view.news(&mut self.written).await,
            }
        }
    }
}

impl AllSubscription {
    /// The next page of history, and how many records were looked at for it.
    fn catch_up(&mut self) -> (Messages, u32) {
        let window = self
            .filter
            .as_ref()
            .map_or(PAGE, |windowed| u64::from(windowed.window));
        let window = usize::try_from(window.max(1)).unwrap_or(usize::MAX);
        let page = self.look.store.read_all_forward(self.next, window);
        let invalid_from_here = page.is_err() && self.look.server.confirms_invalid_positions();
        let mut messages = Vec::new();
        if !self.confirmed && (page.is_ok() || invalid_from_here) {
            self.confirmed = true;
            messages.push(Ok(confirmation()));
        }
        let Ok(page) = page else {
            messages.push(Err(if invalid_from_here {
                invalid("Trying to read from an invalid position.")
            } else {
                handler_exception()
            }));
            return (messages, 0);
        };
        let at_end = page.at_end;
        let looked_at = self.history(page, &mut messages);
        if at_end && self.phase == Phase::Live {
            messages.push(Ok(caught_up()));
        }
        (messages, looked_at)
    }

    async fn take_time(&mut self, looked_at: u32) {
        if let Some(until) = self.meter.add(self.look_time * looked_at) {
            tokio::time::sleep_until(until).await;
        }
    }

    /// A page of at most as many matches as a page may hold; the rest of its window is looked at again.
    fn history(&mut self, page: AllPage, messages: &mut Messages) -> u32 {
        let start = page.events.first().map(|record| record.position);
        let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let mut matches = Vec::new();
        let mut examined = 0_u32;
        let mut next = page.next;
        for record in &page.events {
            if matches.len() == limit {
                next = record.position;
                break;
            }
            examined += 1;
            if self.takes(record) {
                matches.push(Arc::clone(record));
            }
        }
        let all_seen = examined as usize == page.events.len();
        self.next = next;
        self.examined += u64::from(examined);
        messages.extend(
            self.look
                .events(&matches, BareLinks::Events)
                .into_iter()
                .map(Ok),
        );
        if page.at_end && all_seen {
            self.phase = Phase::Live;
        } else if let Some(windowed) = &self.filter
            && self.examined >= windowed.interval()
            && let Some(start) = start
        {
            self.examined = 0;
            // A page without a match is told by where it began, with prepare position 0 (protocol §7.3).
            messages.push(Ok(match matches.last() {
                Some(last) => checkpoint(last.position, last.position),
                None => checkpoint(start, 0),
            }));
        }
        examined
    }

    /// What was written since; `None` if nothing was.
    fn live(&mut self) -> Option<Messages> {
        let page = self
            .look
            .store
            .read_all_forward(self.next, LIVE_PAGE)
            .ok()?;
        if page.events.is_empty() {
            self.was_held_back = false;
            return None;
        }
        self.next = page.next;
        let matches: Vec<_> = page
            .events
            .iter()
            .filter(|record| self.takes(record))
            .cloned()
            .collect();
        if !self.was_held_back
            && let Some(status) = too_slow(self.look.server, &matches)
        {
            return Some(vec![Err(status)]);
        }
        let events = self.look.events(&matches, BareLinks::Links);
        let mut wanted = matches
            .iter()
            .map(|record| record.position)
            .zip(events)
            .peekable();
        let mut messages = Vec::new();
        let interval = self.filter.as_ref().map(Windowed::interval);
        for record in &page.events {
            if let Some((_, event)) = wanted.next_if(|(position, _)| *position == record.position) {
                messages.push(Ok(event));
            }
            self.examined += 1;
            if interval.is_some_and(|interval| self.examined >= interval) {
                self.examined = 0;
                messages.push(Ok(checkpoint(record.position, record.position)));
            }
        }
        Some(messages)
    }

    /// Whether this record, the next of the log, is sent.
    fn takes(&mut self, record: &Record) -> bool {
        self.wants(record) && !std::mem::take(&mut self.skips)
    }

    fn wants(&self, record: &Record) -> bool {
        self.after.is_none_or(|after| record.position > after)
            && shows_in_all(record)
            && self
                .filter
                .as_ref()
                .is_none_or(|windowed| windowed.filter.matches(record))
    }
}

fn checkpoint(commit_position: u64, prepare_position: u64) -> ReadResp {
    content(Content::Checkpoint(Checkpoint {
        commit_position,
        prepare_position,
    }))
}
