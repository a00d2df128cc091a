//! Whose a destination stream is whose events cannot be read, and who cut off what cannot be read of it.
//!
//! A scavenge keeps each stream's last event (protocol §15.6), so an append of the source's event of that revision,
//! behind the revision before it, is recognised if the stream is a copy and refused if it is not (protocol §5.1.12). It
//! is sent only below the destination's end and never for revision 0: it never writes.

use serde::Deserialize;

use super::outcome::Whose;
use super::reading::{Failure, patiently};
use super::side_buffer::Page;
use super::stream::Context;
use crate::destination::Destination as _;
use crate::destination::event_store::EventStore;
use crate::eventstore::client::{ReadStream, notes};
use crate::eventstore::{Class, Error};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::LookupResult;

const PAGE_BYTES: usize = 256 * 1024;

/// Whose the stream is that ends at `tail` at the destination and shows nothing there; `source_last`, if it is known, is
/// the source's end, read later.
pub(super) async fn whose(
    context: &Context,
    stream: &StreamName,
    tail: u64,
    source_last: Option<u64>,
) -> Result<Whose, Failure> {
    let source_last = match source_last {
        Some(last) => Some(last),
        None => context.source.last(stream).await?,
    };
    if source_last.is_none_or(|last| last < tail) {
        return Ok(Whose::Foreign);
    }
    if tail == 0 {
        return Ok(unproven(
            "revision 0 is its last, and nothing can be asked about it",
        ));
    }
    let Some(event) = event(context, stream, tail).await? else {
        return Ok(unproven(&format!(
            "the source no longer shows its last revision, {tail}"
        )));
    };
    if !context.may_ask {
        return Ok(unproven(
            "it can only be asked by an append, which read_only = true forbids",
        ));
    }
    ask(context, stream, event).await
}

/// Whether the destination, which ends above this revision, refuses the source's event of it. That is no proof of another
/// event: a scavenge keeps only a stream's last one.
pub(super) async fn is_refused(
    context: &Context,
    stream: &StreamName,
    revision: u64,
) -> Result<bool, Failure> {
    if revision == 0 || !context.may_ask {
        return Ok(false);
    }
    Ok(match event(context, stream, revision).await? {
        Some(event) => ask(context, stream, event).await? == Whose::Foreign,
        None => false,
    })
}

/// The source's event of this revision.
async fn event(
    context: &Context,
    stream: &StreamName,
    revision: u64,
) -> Result<Option<Event>, Failure> {
    let page = context.source.page_of(stream, revision, 1, PAGE_BYTES);
    Ok(match page.await? {
        Page::Found { events, .. } => events.into_iter().find(|event| event.revision == revision),
        Page::Absent => None,
    })
}

async fn ask(context: &Context, stream: &StreamName, event: Event) -> Result<Whose, Failure> {
    let client = context.destination.client();
    let store = EventStore::new(client.clone());
    let asked = patiently(|| async {
        match store.recognise(stream.clone(), event.clone()).await {
            LookupResult::Failed => Err(Error::new(
                client.side(),
                Class::Transient,
                "ask whose a stream is",
                "no answer",
            )),
            asked => Ok(asked),
        }
    });
    Ok(match asked.await? {
        LookupResult::Recognised => Whose::Ours,
        LookupResult::Foreign => Whose::Foreign,
        LookupResult::Denied => unproven(
            "grant the user the permission to write it, so that verify can ask the destination",
        ),
        LookupResult::Unproven(text) => unproven(&text),
        _ => unproven("it was deleted during the comparison"),
    })
}

fn unproven(why: &str) -> Whose {
    Whose::Unverified(why.to_owned())
}

/// The keys of a stream's metadata that only another writer has set where an event of the source is cut off
/// (protocol §5.2): ditto sets `$maxAge`, and `$tb` only below what the source can show.
#[derive(Default, Deserialize)]
struct Cut {
    #[serde(rename = "$tb", default)]
    before: Option<u64>,
    #[serde(rename = "$maxCount", default)]
    max_count: Option<u64>,
}

/// Whether another writer truncated the stream at the destination, so that this revision is cut off.
pub(super) async fn is_truncated(
    context: &Context,
    stream: &StreamName,
    revision: u64,
) -> Result<bool, Failure> {
    let read = ReadStream::newest(stream.metadata_stream());
    let client = context.destination.client();
    let page = patiently(|| client.read_stream(read.clone())).await;
    let page = match page {
        Err(Failure::Refused(_)) => return Ok(false),
        page => page?,
    };
    let cut: Cut = page
        .into_first_event()
        .filter(|event| event.is_json)
        .map(|event| notes(&event.data))
        .unwrap_or_default();
    let is_before = cut.before.is_some_and(|before| before > revision);
    Ok(is_before || cut.max_count.is_some_and(|count| count > 0))
}
