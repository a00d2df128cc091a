//! Comparing one stream: reads both sides side by side as the comparison asks for it, then what pages do not tell.
//!
//! Holds no more than its place in the run's budget (`room`) allows. Never decides a class.

use std::sync::Arc;

use super::backlog::Backlog;
use super::by_ids::{ByIds, Part};
use super::class::Class;
use super::exact::{Exact, Links};
use super::outcome::{Comparison, Facts, Outcome, Step, Whose};
use super::reading::{Failure, Pace, Reader, patiently};
use super::room::{Place, Room};
use super::side_buffer::{Page, SideBuffer};
use super::whose::{is_refused, is_truncated, whose};
use crate::destination::Destination as _;
use crate::destination::event_store::EventStore;
use crate::eventstore::Class as ErrorClass;
use crate::eventstore::Error;
use ditto_core::event::StreamName;
use ditto_core::port::{LookupRange, LookupResult};

/// What all comparisons of a run share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) source: Reader,
    pub(super) destination: Reader,
    pub(super) backlog: Backlog,
    pub(super) links: Links,
    pub(super) pace: Pace,
    pub(super) room: Room,
    /// Whether an append may be sent that is recognised or refused, and never written.
    pub(super) may_ask: bool,
    /// Copies have revisions of their own; this part of each stream is copied.
    pub(super) by_ids: Option<Part>,
}

/// Compares a stream from a revision on.
pub(super) async fn compare(
    context: Arc<Context>,
    stream: StreamName,
    from: u64,
) -> Result<Outcome, Failure> {
    loop {
        let place = context.room.enter().await;
        let compared = match context.by_ids.clone() {
            None => {
                let comparison = Exact::new(stream.clone(), from, context.links);
                judge(&context, from, &stream, comparison, &place).await?
            }
            Some(part) => {
                let comparison = ByIds::new(stream.clone(), from, context.links, part);
                judge(&context, from, &stream, comparison, &place).await?
            }
        };
        if let Some(outcome) = compared {
            return Ok(outcome);
        }
    }
}

/// Compares; `None` if an event has no room in this place.
async fn judge<C: Comparison>(
    context: &Context,
    from: u64,
    stream: &StreamName,
    mut comparison: C,
    place: &Place,
) -> Result<Option<Outcome>, Failure> {
    while let Step::Read {
        source,
        destination,
    } = comparison.step()
    {
        let here = next(comparison.source(), source);
        let there = next(comparison.destination(), destination);
        let (here, there) = tokio::join!(
            page(&context.source, stream, here),
            page(&context.destination, stream, there),
        );
        let (here, there) = (here?, there?);
        let largest = here.iter().chain(&there).map(Page::largest).max();
        if let Some(largest) = largest.filter(|largest| *largest > place.largest) {
            context.room.met(largest);
            return Ok(None);
        }
        if let Some(page) = here {
            if let Page::Found { events, .. } = &page {
                context.pace.take(events.len() as u64).await;
            }
            comparison.source().put(page);
        }
        if let Some(page) = there {
            comparison.destination().put(page);
        }
    }
    if comparison.source().last().is_none() {
        return gone(context, stream.clone(), from).await.map(Some);
    }
    let facts = facts(context, stream, &mut comparison).await?;
    Ok(Some(comparison.finish(&facts)))
}

/// The revision to read from, if a page is wanted and there is more.
fn next(side_buffer: &SideBuffer, wanted: bool) -> Option<u64> {
    (wanted && !side_buffer.is_ended()).then(|| side_buffer.next())
}

async fn page(
    reader: &Reader,
    stream: &StreamName,
    from: Option<u64>,
) -> Result<Option<Page>, Failure> {
    match from {
        Some(from) => reader.page(stream, from).await.map(Some),
        None => Ok(None),
    }
}

/// The source has nothing of it any more: how much there was is what the destination holds.
async fn gone(context: &Context, stream: StreamName, from: u64) -> Result<Outcome, Failure> {
    let last = context.destination.last(&stream).await?;
    let mut outcome = Outcome::new(stream);
    let events = last.map_or(1, |last| (last + 1).saturating_sub(from).max(1));
    outcome.class(
        Class::GoneAtSource,
        from,
        events,
        "the stream was deleted at the source",
    );
    Ok(outcome)
}

async fn facts(
    context: &Context,
    stream: &StreamName,
    comparison: &mut impl Comparison,
) -> Result<Facts, Failure> {
    let tail = comparison.destination().last();
    let mut facts = Facts::default();
    if comparison.beyond().is_some() {
        facts.source_last = context.source.last(stream).await?;
    }
    if let Some(tail) = comparison.unreadable() {
        let whose = whose(context, stream, tail, facts.source_last).await?;
        facts.whose = Some(whose);
    }
    if let (Some((first, last)), Some(Whose::Ours) | None) = (comparison.aged(), &facts.whose) {
        facts.is_truncated = is_truncated(context, stream, first).await?;
        if facts.is_truncated && facts.whose.is_none() {
            facts.refused = is_refused(context, stream, last).await?.then_some(last);
        }
    }
    let Some(absent) = comparison.absent() else {
        return Ok(facts);
    };
    facts.via = context.backlog.via();
    facts.held = context.backlog.held(stream).map(str::to_owned);
    facts.is_parked = context.backlog.is_parked(stream, comparison.parked_above());
    if tail.is_none() {
        facts.deleted = deleted(&context.destination, stream).await?;
    }
    if !facts.is_parked && facts.held.is_none() {
        facts.reached = context
            .backlog
            .reached(&context.source, stream, absent)
            .await?;
    }
    Ok(facts)
}

/// How a stream that is not found was deleted, if it was.
pub(super) async fn deleted(
    reader: &Reader,
    stream: &StreamName,
) -> Result<Option<&'static str>, Failure> {
    let store = EventStore::new(reader.client().clone());
    let looked_up = patiently(|| look_up_metadata(&store, reader, stream)).await?;
    Ok(match looked_up {
        LookupResult::SoftDeleted(_) => Some("the stream was deleted at the destination"),
        LookupResult::Tombstoned => Some("the stream was tombstoned at the destination"),
        _ => None,
    })
}

async fn look_up_metadata(
    store: &EventStore,
    reader: &Reader,
    stream: &StreamName,
) -> Result<LookupResult, Error> {
    let looked_up = store.lookup(stream.clone(), LookupRange::Metadata, usize::MAX);
    match looked_up.await {
        LookupResult::Failed => Err(Error::new(
            reader.client().side(),
            ErrorClass::Transient,
            "read a stream's metadata",
            "no answer",
        )),
        looked_up => Ok(looked_up),
    }
}
