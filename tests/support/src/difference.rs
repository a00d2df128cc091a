//! Compares the stores of two development servers of this process exactly, event by event. Does not read over the network.

use std::collections::BTreeSet;
use std::sync::Arc;

use devstore::store::{Record, Store, StreamRead};

const PAGE: usize = 1_000;

/// Returns the first difference between what the users' streams of both hold. Streams whose names begin with `$` do not count.
///
/// # Errors
/// The difference, with the events that it is about.
pub fn difference(source: &Store, destination: &Store) -> Result<(), String> {
    let streams = user_streams(source);
    if let Some(stream) = user_streams(destination).difference(&streams).next() {
        return Err(format!("{stream} is only at the destination"));
    }
    streams
        .iter()
        .try_for_each(|stream| stream_difference(stream, source, destination))
}

/// Returns the first difference between what both hold of one stream.
///
/// # Errors
/// The difference, with the events that it is about.
pub fn stream_difference(stream: &str, source: &Store, destination: &Store) -> Result<(), String> {
    let here = events(source, stream);
    let there = events(destination, stream);
    for (here, there) in here.iter().zip(&there) {
        if !is_same(here, there) {
            return Err(format!(
                "{stream}: {} at the source is {} at the destination",
                text(here),
                text(there)
            ));
        }
    }
    if here.len() == there.len() {
        Ok(())
    } else {
        Err(format!(
            "{stream}: {} events at the source, {} at the destination",
            here.len(),
            there.len()
        ))
    }
}

/// Returns every readable event of a stream, in order.
#[must_use]
pub fn events(store: &Store, stream: &str) -> Vec<Arc<Record>> {
    let (mut events, mut from) = (Vec::new(), 0);
    while let StreamRead::Page(page) = store.read_forward(stream, from, PAGE) {
        events.extend(page.events);
        from = page.next;
        if page.at_end {
            break;
        }
    }
    events
}

fn user_streams(store: &Store) -> BTreeSet<Arc<str>> {
    let (mut streams, mut from) = (BTreeSet::new(), 0);
    loop {
        let page = store.read_all_forward(from, PAGE).unwrap();
        streams.extend(
            page.events
                .iter()
                .map(|record| record.stream.clone())
                .filter(|name| !name.starts_with('$')),
        );
        from = page.next;
        if page.at_end {
            return streams;
        }
    }
}

fn is_same(here: &Record, there: &Record) -> bool {
    here.revision == there.revision
        && here.id == there.id
        && here.event_type == there.event_type
        && here.is_json == there.is_json
        && here.data() == there.data()
        && here.metadata() == there.metadata()
}

fn text(record: &Record) -> String {
    format!("#{} {} ({})", record.revision, record.id, record.event_type)
}
