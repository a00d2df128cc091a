//! Users' links inside a category: each stands for the tail of a stream, which is read and handed over in its place.
//!
//! Never writes a link, and never lets one that cannot be read hold up another.

use crate::context::Context;
use crate::event::{Event, Item, SkipReason, StreamName};
use crate::intake::persistent::{Persistent, Purpose};
use crate::pause;
use crate::port::{Command, Moment, OWN_REASON, ReadFrom, ReadId, SourcePage};
use crate::seam::{Claim, Refusal};
use crate::streams::Streams;

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
pub(super) struct Forwarding {
    pub(super) stream: StreamName,
    pub(super) claim: Claim,
    /// Wanted is this revision instead of the tail.
    revision: Option<u64>,
    failures: u32,
    not_before: Moment,
}

impl Forwarding {
    /// The event at the stream's tail, or at this revision, is to be read and copied.
    pub(super) fn new(stream: StreamName, revision: Option<u64>, claim: Claim) -> Self {
        Self {
            stream,
            claim,
            revision,
            failures: 0,
            not_before: Moment::ZERO,
        }
    }
}

impl Persistent {
    /// The claim under the same id whose tail is not read yet.
    pub(super) fn forwarding_of(&mut self, claim: &Claim) -> Option<&mut Claim> {
        let (_, id) = claim.ack()?;
        let reading = self.reads.values_mut().filter_map(|purpose| match purpose {
            Purpose::Forward(forwarding) => Some(forwarding),
            _ => None,
        });
        let mut all = self
            .forwards
            .iter_mut()
            .chain(reading)
            .map(|forwarding| &mut forwarding.claim);
        all.find(|earlier| earlier.ack().is_some_and(|(_, same)| same == id))
    }

    /// Reads the tails that users' links stand for, a few at once.
    pub(super) fn pump_forwards(&mut self, cx: &mut Context) {
        if self.ending.is_some() {
            return;
        }
        let mut under_way = self.forwards_read();
        let mut later = Vec::new();
        while under_way < FORWARDS_AT_ONCE
            && later.len() < LATER_AT_ONCE
            && let Some(forwarding) = self.forwards.pop_front()
        {
            if forwarding.not_before > cx.now {
                later.push(forwarding);
                continue;
            }
            let read = ReadId(cx.next_id());
            cx.out.push(Command::ReadSource {
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
    pub(super) fn forwards_read(&self) -> usize {
        self.reads
            .values()
            .filter(|purpose| matches!(purpose, Purpose::Forward(_)))
            .count()
    }

    pub(super) fn on_forward_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        forwarding: Forwarding,
        page: SourcePage,
    ) {
        let wanted = |event: &Event| {
            forwarding
                .revision
                .is_none_or(|revision| event.revision == revision)
        };
        match page {
            // What the log shows exists: a node that does not know of it is behind.
            SourcePage::Events { last, .. } if forwarding.revision > Some(last) => {
                cx.source_failing = true;
                self.forward_later(cx, forwarding);
            }
            SourcePage::Events { events, .. } => {
                self.tails_given_up
                    .retain(|name| *name != forwarding.stream);
                match events.into_iter().find(wanted) {
                    Some(event) => self.accept(cx, streams, Item::Event(event), forwarding.claim),
                    None => self.skip(cx, &forwarding.claim, SkipReason::Unresolved),
                }
            }
            SourcePage::SoftDeleted | SourcePage::Tombstoned => {
                self.skip(cx, &forwarding.claim, SkipReason::Unresolved);
            }
            SourcePage::Denied => self.forward_refused(
                cx,
                streams,
                forwarding,
                "no permission to read this stream at the source, which ditto needs to copy the event of a link",
            ),
            SourcePage::Refused(text)
                if forwarding.failures >= REFUSED_AFTER
                    || self.tails_given_up.contains(&forwarding.stream) =>
            {
                self.give_up_tail(&forwarding.stream);
                let text = format!(
                    "the source does not let this stream be read, which ditto needs to copy the event of a link: {text}"
                );
                self.forward_refused(cx, streams, forwarding, &text);
            }
            // The stream holds the link: a node that does not know it is behind.
            SourcePage::NotFound | SourcePage::Refused(_) | SourcePage::Failed => {
                cx.source_failing = true;
                self.forward_later(cx, forwarding);
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

    fn forward_later(&mut self, cx: &mut Context, mut forwarding: Forwarding) {
        // What the source keeps waiting is not the destination's delay.
        forwarding.claim.begin_again(cx.now);
        forwarding.failures += 1;
        forwarding.not_before = cx.now + pause::back_off(forwarding.failures);
        self.forwards.push_back(forwarding);
    }

    /// A delivery is parked. What nobody delivered cannot be: it holds its stream instead, so that somebody learns of it.
    fn forward_refused(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        forwarding: Forwarding,
        text: &str,
    ) {
        let name = forwarding.stream.clone();
        if forwarding.claim.ack().is_some() {
            self.park(
                cx,
                &forwarding.claim,
                &format!("{OWN_REASON}stream {name}: {text}"),
                None,
            );
            return;
        }
        match streams.refuse(cx, &name, text) {
            // Nothing is ever held there.
            Refusal::NeverHeld => self.skip(cx, &forwarding.claim, SkipReason::Unresolved),
            // Whatever is under way comes to its answer first.
            Refusal::Later => self.forward_later(cx, forwarding),
            Refusal::Held => self.park(cx, &forwarding.claim, "", None),
        }
    }
}
