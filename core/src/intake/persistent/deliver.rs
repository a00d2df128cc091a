//! What comes in: deliveries, and what is read in their place (holes, parked entries, tails behind a user's link).
//!
//! Puts events into their stream's queue. Never decides what a stream does next.

use uuid::Uuid;

use crate::event::{Event, Item, SkipReason, StreamName, TOMBSTONE_REVISION};
use crate::port::{
    Command, DuplicateReason, HeldReason, Mode, Moment, OWN_REASON, ReadFrom, ReadId, Report,
    SessionId, SourcePage,
};
use crate::streams::queue::{Claim, Entry, Origin};
use crate::streams::resend;
use crate::streams::stream::State;
use crate::{Core, Purpose};

/// Tails read at once for users' links.
const FORWARDS_AT_ONCE: usize = 16;

/// A tail that could not be read for a lasting reason this often, ever more seldom over a quarter of a minute, is given up.
const REFUSED_AFTER: u32 = 6;
/// Streams remembered whose tails were given up: their next links get one attempt each, lest many wait one after the other.
const GIVEN_UP: usize = 64;
/// Links in back-off that one input passes over, whatever their number; they go to the end of the line.
const LATER_AT_ONCE: usize = 64;

/// A user's link inside a category stream, until the tail it stands for is read.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    pub(crate) stream: StreamName,
    pub(crate) claim: Claim,
    /// Wanted is this revision instead of the tail.
    revision: Option<u64>,
    failures: u32,
    not_before: Moment,
}

impl Forwarding {
    /// The event at the stream's tail, or at this revision, is to be read and copied.
    pub(crate) fn new(stream: StreamName, revision: Option<u64>, claim: Claim) -> Self {
        Self {
            stream,
            claim,
            revision,
            failures: 0,
            not_before: Moment::ZERO,
        }
    }
}

impl Core {
    pub(crate) fn on_delivery(
        &mut self,
        session: SessionId,
        ack: Uuid,
        number: Option<u64>,
        item: Item,
    ) {
        if self.session.id() != Some(session) || self.ending.is_some() {
            return;
        }
        self.note_session_brings();
        // A tombstone has the highest number that there is, wherever its stream ended: it is no number.
        let number = number.filter(|number| *number < TOMBSTONE_REVISION);
        if let Some(number) = number {
            let joined = self.session.joined_time(self.now);
            self.doubt_before(number);
            let at_once =
                self.numbers.is_untouched() || self.doubt.may_be_dropped(self.numbers.end());
            self.numbers.delivered(number, joined, at_once);
            self.holes.delivered(joined);
            self.note_answered_before(number);
        }
        if self.doubt.is_kept_back(ack, number) {
            return;
        }
        self.unacknowledged += 1;
        self.accept(
            item,
            Claim {
                ack: Some((session, ack)),
                number,
                at: self.now,
                hole: false,
            },
        );
    }

    /// Takes an item, however it came.
    pub(crate) fn accept(&mut self, item: Item, claim: Claim) {
        match item {
            Item::Never(reason) => self.skip(&claim, reason),
            Item::Forward(stream) => {
                if let Some(earlier) = self.forwarding_of(&claim) {
                    // The server took it back while the tail was being read.
                    *earlier = claim;
                    self.unacknowledged = self.unacknowledged.saturating_sub(1);
                    return;
                }
                self.forwards
                    .push_back(Forwarding::new(stream, None, claim));
            }
            Item::Event(event) if event.stream.is_system() => {
                self.skip(&claim, SkipReason::SystemStream)
            }
            Item::Event(event) if event.revision >= TOMBSTONE_REVISION => {
                self.skip(&claim, SkipReason::Tombstone)
            }
            Item::Event(event) => self.accept_event(event, claim),
        }
    }

    fn accept_event(&mut self, event: Event, claim: Claim) {
        let name = event.stream.clone();
        let revision = event.revision;
        let stream = self.streams.wake(&name);
        if let Some(waiting) = stream.queue.get_mut(revision) {
            if waiting.event.id == event.id {
                let older = waiting.join(claim.clone());
                self.note_second_delivery(&name, &claim, older.as_ref());
                return;
            }
            // The source was changed under ditto (a stream deleted and written anew): what is in flight is
            // brought to its answer first, this delivery comes again.
            if stream.flight.is_some() {
                self.drop_claim(&claim);
                return;
            }
            if let Some(outdated) = stream.queue.remove(revision) {
                self.settle_dropped(outdated);
            }
        }
        if self.settle_known(&name, &event, &claim) {
            return;
        }
        let entry = Entry::new(event, Origin::Delivered, Some(claim));
        self.count_cost(&entry);
        let stream = self.streams.wake(&name);
        let surely_new = stream.is_surely_new(&entry.event);
        stream.queue.insert(entry);
        if let State::Following(following) = &mut stream.state
            && !surely_new
        {
            following.searched = false;
        }
        self.advance(&name);
    }

    /// The claim under the same id whose tail is not read yet.
    fn forwarding_of(&mut self, claim: &Claim) -> Option<&mut Claim> {
        let (_, id) = claim.ack?;
        let reading = self.reads.values_mut().filter_map(|purpose| match purpose {
            Purpose::Forward(forwarding) => Some(forwarding),
            _ => None,
        });
        let mut all = self
            .forwards
            .iter_mut()
            .chain(reading)
            .map(|forwarding| &mut forwarding.claim);
        all.find(|earlier| earlier.ack.is_some_and(|(_, same)| same == id))
    }

    /// The quick way for a revision at or below an aligned stream's tail: no queue, no I/O.
    fn settle_known(&mut self, name: &StreamName, event: &Event, claim: &Claim) -> bool {
        let append_only = self.is_append_only();
        let stream = self.streams.wake(name);
        let tail = match &stream.state {
            _ if append_only => stream.high,
            State::Aligned { tail } => *tail,
            State::Held(held) => held.tail,
            _ => None,
        };
        if !stream.knows(event.revision, tail) {
            return false;
        }
        self.report(Report::Duplicate {
            stream: name.clone(),
            revision: event.revision,
            reason: DuplicateReason::Known,
        });
        self.acknowledge(claim);
        self.rest(name);
        true
    }

    /// Acknowledges what is never copied.
    pub(crate) fn skip(&mut self, claim: &Claim, reason: SkipReason) {
        self.report(Report::Skipped { reason });
        self.acknowledge(claim);
    }

    /// Reads the tails that users' links stand for, a few at once.
    pub(crate) fn pump_forwards(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let mut under_way = self.forwards_read();
        let mut later = Vec::new();
        while under_way < FORWARDS_AT_ONCE
            && later.len() < LATER_AT_ONCE
            && let Some(forwarding) = self.forwards.pop_front()
        {
            if forwarding.not_before > self.now {
                later.push(forwarding);
                continue;
            }
            let read = ReadId(self.next_id());
            self.out.push(Command::ReadSource {
                read,
                stream: forwarding.stream.clone(),
                from: forwarding
                    .revision
                    .map_or(ReadFrom::Tail, ReadFrom::Revision),
                count: 1,
                max_bytes: usize::MAX,
            });
            self.reads.insert(read, Purpose::Forward(forwarding));
            under_way += 1;
        }
        self.forwards.extend(later);
    }

    /// Tails that are being read for users' links, and for what a search of the log found.
    pub(crate) fn forwards_read(&self) -> usize {
        self.reads
            .values()
            .filter(|purpose| matches!(purpose, Purpose::Forward(_)))
            .count()
    }

    pub(crate) fn on_forward_read(&mut self, forwarding: Forwarding, page: SourcePage) {
        let wanted = |event: &Event| {
            forwarding
                .revision
                .is_none_or(|revision| event.revision == revision)
        };
        match page {
            // What the log shows exists: a node that does not know of it is behind.
            SourcePage::Events { last, .. } if forwarding.revision > Some(last) => {
                self.source_failing = true;
                self.forward_later(forwarding);
            }
            SourcePage::Events { events, .. } => {
                self.tails_given_up
                    .retain(|name| *name != forwarding.stream);
                match events.into_iter().find(wanted) {
                    Some(event) => self.accept(Item::Event(event), forwarding.claim),
                    None => self.skip(&forwarding.claim, SkipReason::Unresolved),
                }
            }
            SourcePage::SoftDeleted | SourcePage::Tombstoned => {
                self.skip(&forwarding.claim, SkipReason::Unresolved);
            }
            SourcePage::Denied => self.forward_refused(
                forwarding,
                "no right to read this stream at the source, and a link stands for its tail",
            ),
            SourcePage::Refused(text)
                if forwarding.failures >= REFUSED_AFTER
                    || self.tails_given_up.contains(&forwarding.stream) =>
            {
                self.give_up_tail(&forwarding.stream);
                let text = format!(
                    "a link stands for this stream's tail, and the source does not let it be read: {text}"
                );
                self.forward_refused(forwarding, &text);
            }
            // The stream holds the link: a node that does not know it is behind.
            SourcePage::NotFound | SourcePage::Refused(_) | SourcePage::Failed => {
                self.source_failing = true;
                self.forward_later(forwarding);
            }
        }
    }

    fn give_up_tail(&mut self, name: &StreamName) {
        if self.tails_given_up.contains(name) {
            return;
        }
        if self.tails_given_up.len() == GIVEN_UP {
            self.tails_given_up.pop_front();
        }
        self.tails_given_up.push_back(name.clone());
    }

    fn forward_later(&mut self, mut forwarding: Forwarding) {
        // What the source keeps waiting is not the destination's delay.
        forwarding.claim.at = self.now;
        forwarding.failures += 1;
        forwarding.not_before = self.now + resend::back_off(forwarding.failures);
        self.forwards.push_back(forwarding);
    }

    /// A delivery is parked. What nobody delivered cannot be: it holds its stream instead, so that somebody learns of it.
    fn forward_refused(&mut self, forwarding: Forwarding, text: &str) {
        let name = forwarding.stream.clone();
        if forwarding.claim.ack.is_some() {
            self.park(
                &forwarding.claim,
                &format!("{OWN_REASON}stream {name}: {text}"),
                None,
            );
            return;
        }
        if self.is_append_only() {
            // Nothing is ever held there.
            self.skip(&forwarding.claim, SkipReason::Unresolved);
            return;
        }
        let stream = self.streams.wake(&name);
        let next = match &stream.state {
            State::Held(_) => None,
            State::Aligned { tail } if stream.flight.is_none() => {
                Some(tail.map_or(0, |tail| tail + 1))
            }
            State::Unknown | State::Following(_) if stream.flight.is_none() => {
                Some(stream.queue.first().unwrap_or(0))
            }
            // Whatever is under way comes to its answer first.
            _ => return self.forward_later(forwarding),
        };
        if let Some(next) = next {
            self.hold(&name, next, HeldReason::Refused, text.to_owned());
        }
        self.park(&forwarding.claim, "", None);
        self.rest(&name);
    }

    /// True for destinations that are written without looking.
    pub(crate) fn is_append_only(&self) -> bool {
        self.settings.mode == Mode::AppendOnly
    }
}
