//! Answers of a server to reads and appends, as they come over the connection.
//!
//! Never connects.

use std::time::Duration;

use bytes::Bytes;
use ditto::eventstore::client::fuzzing::{Answer, PlayedCall, client};
use ditto::eventstore::client::{LogFilter, LogStart, ReadLog, ReadStream, StartAt, StreamPage};
use ditto::source::resolve::{resolve, stream_of};
use ditto_core::event::Item;
use ditto_core::port::{AppendId, AppendOutcome};

use crate::cluster::{headers, possible_error};
use crate::rules::{LARGEST, cut, possible, run};

/// A page of this many bytes ends early.
const PAGE_BYTES: usize = 1024;
/// What a message needs at least.
const FRAME: usize = 5;
/// Appends of a call that is played.
const SENT: usize = 4;

/// Judges the answer to a read: trailers, an empty line, frames of gRPC.
pub fn read_answer(data: &[u8]) {
    let (trailers, frames) = cut(data, b"\n\n");
    let answer = Answer {
        frames: Bytes::copy_from_slice(frames),
        trailers: headers(trailers),
    };
    let Some(client) = client() else { return };
    let read = ReadStream {
        start: StartAt::Start,
        resolve_links: true,
        ..ReadStream::forwards("s".into(), 0, 100, PAGE_BYTES)
    };
    match run(client.page_of(&read, &answer)) {
        Some(Ok(page)) => possible_page(page, frames.len()),
        Some(Err(error)) => possible_error(&error),
        None => return,
    }
    let log = ReadLog {
        start: LogStart::Beginning,
        filter: LogFilter::Streams("$ce-".to_owned()),
        count: 100,
        patience: Duration::from_secs(3600),
    };
    match run(client.log_of(&log, &answer)) {
        Some(Ok(page)) => {
            assert!(page.records.len() <= frames.len() / FRAME);
            assert_eq!(page.last, page.records.last().map(|record| record.position));
            page.records
                .iter()
                .for_each(|record| possible(&record.event));
        }
        Some(Err(error)) => possible_error(&error),
        None => return,
    }
    if let Some(Ok(Some(place))) = run(client.place_in(&answer)) {
        assert!(place.revision <= LARGEST, "{place:?}");
        assert!(!place.is_after(&place), "{place:?}");
    }
}

fn possible_page(page: StreamPage, bytes: usize) {
    let StreamPage::Found {
        records,
        first,
        last,
    } = page
    else {
        return;
    };
    assert!(
        records.len() <= bytes / FRAME,
        "{} of {bytes}",
        records.len()
    );
    for number in [first, last].into_iter().flatten() {
        assert!(number <= LARGEST, "{number}");
    }
    for record in records {
        for event in record.event.iter().chain(&record.link) {
            possible(event);
            drop(stream_of(event));
        }
        let event = record.event.clone();
        if let Item::Event(copied) = resolve(record) {
            assert_eq!(Some(copied), event);
        }
    }
}

/// Judges answers to appends. Each begins with its length and with whom it answers: an append of a batch call by its number,
/// or, from 128 on, a single one.
pub fn append_answer(mut data: &[u8]) {
    let Some(client) = client() else { return };
    let mut call = PlayedCall::default();
    for _ in 0..SENT {
        call.send();
    }
    let mut answered = Vec::new();
    while let [length, whom, rest @ ..] = data {
        let (answer, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        data = behind;
        if *whom >= 128 {
            if let Some(Err(outcome)) = client.append_of(answer) {
                assert!(!matches!(outcome, AppendOutcome::Written(_)), "{outcome:?}");
            }
            continue;
        }
        let open = call.in_flight();
        if let Some((tag, outcome)) = call.answer(usize::from(*whom), answer) {
            assert_eq!(call.in_flight(), open - 1);
            assert!(!matches!(
                outcome,
                AppendOutcome::TooLarge { limit: Some(0) }
            ));
            answered.push(tag);
        } else {
            assert_eq!(call.in_flight(), open);
        }
    }
    // Each append is answered once, or told at the end.
    answered.extend(call.end());
    answered.sort_unstable();
    assert_eq!(answered, [0, 1, 2, 3].map(AppendId));
}
