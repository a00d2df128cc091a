//! Finite reads of a stream and of `$all` (protocol §3.2, §3.3).
//!
//! Reads page by page, and a page only when the one before was taken; never holds more than one.

use std::sync::Arc;
use std::time::Duration;

use ditto_protocol::ids::{IdForm, stream_identifier};
use ditto_protocol::streams::read_resp::{Content, StreamNotFound};
use ditto_protocol::streams::{ReadReq, ReadResp};
use futures_util::{StreamExt, stream};
use tonic::Status;

use super::Answers;
use super::behind::Shown;
use super::read_options::{self, From, Query, Target, Windowed};
use super::view::View;
use super::{subscribe_all, subscribe_stream};
use crate::faults::Interruptible;
use crate::filter::{Filter, shows_in_all};
use crate::generation::Generation;
use crate::node::Node;
use crate::pace::Paced;
use crate::services::admission::{Caller, Entry, Kind, admit};
use crate::services::status::stream_deleted;
use crate::services::wire::{BareLinks, content, read_event};
use crate::store::{
    AllPage, MAX_REVISION, NotARecord, Record, Resolved, Store, StreamPage, StreamRead,
};
use crate::users::Access;

const CALL: &str = "Streams/Read";
/// Events of one page (protocol §3.2).
pub(super) const PAGE: u64 = 32;

const STREAM_RESULT: &str = "ReadStreamResult";
const NO_COUNT: &str = "Error >> maxCount should be positive. (Parameter 'maxCount')";
const NO_START: &str =
    "Error >> fromEventNumber should be non negative. (Parameter 'fromEventNumber')";

type Page = Vec<Result<ReadResp, Status>>;

pub(super) async fn read(
    node: &Arc<Node>,
    caller: Caller,
    request: ReadReq,
) -> Result<Answers<ReadResp>, Status> {
    let Some(query) = read_options::parse(node.generation(), request.options)? else {
        // The real server never answers this call; it ends when the client gives up (protocol §3.1).
        return std::future::pending().await;
    };
    let stream = match &query.target {
        Target::Stream { name, .. } => Some(name.clone()),
        Target::All { .. } => None,
    };
    let entry = Entry {
        call: CALL,
        kind: Kind::Read,
        stream: stream.as_deref(),
        access: Some(stream.as_deref().map_or(Access::ReadAll, Access::Read)),
    };
    admit(node, &caller, entry).await?;
    let view = View::of(node);
    let look = Look {
        store: node.log(),
        server: node.generation(),
        resolve: query.resolve,
        form: query.form,
    };
    let pace = &node.cluster.pace;
    if query.count.is_none() {
        let answers = begun(subscribe(view, look, pace.look(), query.target)?).await?;
        let answers = Interruptible::new(answers, &node.cluster.faults, CALL, stream, node.index);
        return Ok(Box::pin(Paced::new(answers, pace.bring_interval())));
    }
    pace.read().await;
    let shown = stream.map_or(Shown::All, |stream| Shown::of(node, CALL, &stream));
    begun(finite(look, query, shown)?).await
}

/// Fails as a whole if the first thing to say is a failure: then there is nothing but a status.
async fn begun(mut answers: Answers<ReadResp>) -> Result<Answers<ReadResp>, Status> {
    match answers.next().await {
        None => Ok(Box::pin(stream::empty())),
        Some(Ok(first)) => Ok(Box::pin(stream::iter([Ok(first)]).chain(answers))),
        Some(Err(status)) => Err(status),
    }
}

/// `look_time`: what it takes to look at a record of the log.
fn subscribe(
    view: View,
    look: Look,
    look_time: Duration,
    target: Target,
) -> Result<Answers<ReadResp>, Status> {
    match target {
        Target::Stream { name, from } => Ok(subscribe_stream::subscribe(view, look, name, from)),
        Target::All {
            from,
            is_below,
            filter,
        } => subscribe_all::subscribe(view, look, look_time, (from, is_below), filter),
    }
}

fn finite(look: Look, query: Query, shown: Shown) -> Result<Answers<ReadResp>, Status> {
    let count = query.count.unwrap_or_default();
    match query.target {
        Target::Stream { name, from } => {
            if count == 0 {
                return Err(failed(look.server, STREAM_RESULT, NO_COUNT));
            }
            let reading = StreamReading {
                look,
                name,
                shown,
                backwards: query.backwards,
                compatible: query.compatibility >= 1,
                next: None,
                remaining: count,
                over: false,
            };
            reading.answers(from)
        }
        Target::All { from, filter, .. } => {
            let kind = if filter.is_some() {
                "FilteredReadAllResult"
            } else {
                "ReadAllResult"
            };
            if count == 0 {
                return Err(failed(look.server, kind, NO_COUNT));
            }
            Ok(all_answers(
                look,
                query.backwards,
                from,
                filter,
                count,
                kind,
            ))
        }
    }
}

/// A read that fails, and how a generation that explains itself does it.
fn failed(server: Generation, kind: &str, explained: &str) -> Status {
    let explained = if server.explains_failed_reads() {
        explained
    } else {
        "Error"
    };
    Status::unknown(format!("Unexpected {kind}: {explained}"))
}

fn not_a_record(server: Generation, kind: &str, position: u64) -> Status {
    let explained = format!(
        "InvalidPosition >> Log record at actual pos {position} has non-positive length: 0.  in chunk #0-0 (chunk-000000.000000)."
    );
    failed(server, kind, &explained)
}

/// How records become messages.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) store: Store,
    pub(super) server: Generation,
    pub(super) resolve: bool,
    pub(super) form: IdForm,
}

impl Look {
    pub(super) fn events(&self, records: &[Arc<Record>], bare_links: BareLinks) -> Vec<ReadResp> {
        if !self.resolve {
            let plain =
                |record: &Arc<Record>| read_event(record, &Resolved::Plain, self.form, bare_links);
            return records.iter().map(plain).collect();
        }
        let resolved = self.store.resolve(records);
        let both = records.iter().zip(&resolved);
        both.map(|(record, resolved)| read_event(record, resolved, self.form, bare_links))
            .collect()
    }
}

/// Where a finite read of a stream is.
struct StreamReading {
    look: Look,
    name: String,
    shown: Shown,
    backwards: bool,
    compatible: bool,
    next: Option<u64>,
    remaining: u64,
    over: bool,
}

impl StreamReading {
    fn answers(mut self, from: From) -> Result<Answers<ReadResp>, Status> {
        self.next = match (from, self.backwards) {
            (From::End, false) => return Err(failed(self.look.server, STREAM_RESULT, NO_START)),
            (From::End, true) => None,
            (From::Start, _) => Some(0),
            (From::At(revision), _) => Some(revision),
        };
        Ok(pages(self, Self::page))
    }

    fn page(&mut self) -> Option<Page> {
        if self.over {
            return None;
        }
        let max = usize::try_from(self.remaining.min(PAGE)).unwrap_or(usize::MAX);
        let (store, name) = (&self.look.store, &self.name);
        let read = if self.backwards {
            self.shown.read_backward(store, name, self.next, max)
        } else {
            let from = self.next.unwrap_or(0);
            self.shown.read_forward(store, name, from, max)
        };
        Some(match read {
            StreamRead::Page(page) => self.take(page),
            StreamRead::NotFound => {
                self.over = true;
                let stream_identifier = Some(stream_identifier(&self.name));
                vec![Ok(content(Content::StreamNotFound(StreamNotFound {
                    stream_identifier,
                })))]
            }
            StreamRead::Deleted => {
                self.over = true;
                vec![Err(stream_deleted(&self.name))]
            }
        })
    }

    fn take(&mut self, page: StreamPage) -> Page {
        let mut messages: Page = Vec::with_capacity(page.events.len() + 1);
        // Tells a client that asked for it where the readable part begins, or ends (protocol §3.2).
        if self.compatible
            && !self.backwards
            && page.events.is_empty()
            && self.next != Some(page.next)
        {
            messages.push(Ok(content(Content::FirstStreamPosition(page.next))));
        }
        messages.extend(
            self.look
                .events(&page.events, BareLinks::Events)
                .into_iter()
                .map(Ok),
        );
        self.remaining -= page.events.len() as u64;
        self.next = Some(page.next);
        self.over = page.at_end || self.remaining == 0 || page.next > MAX_REVISION;
        if self.over && self.compatible {
            messages.push(Ok(content(Content::LastStreamPosition(page.last))));
        }
        messages
    }
}

/// Where a finite read of `$all` is.
struct AllReading {
    look: Look,
    backwards: bool,
    next: Option<u64>,
    filter: Option<Filter>,
    window: usize,
    remaining: u64,
    kind: &'static str,
    over: bool,
}

fn all_answers(
    look: Look,
    backwards: bool,
    from: From,
    filter: Option<Windowed>,
    count: u64,
    kind: &'static str,
) -> Answers<ReadResp> {
    let (next, over) = match (from, backwards) {
        (From::Start, false) => (Some(0), false),
        (From::End, true) => (None, false),
        (From::Start, true) | (From::End, false) => (None, true),
        (From::At(position), _) => (Some(position), false),
    };
    let reading = AllReading {
        look,
        backwards,
        next,
        window: usize::try_from(PAGE).unwrap_or(usize::MAX),
        filter: filter.map(|windowed| windowed.filter),
        remaining: count,
        kind,
        over,
    };
    pages(reading, AllReading::page)
}

impl AllReading {
    fn page(&mut self) -> Option<Page> {
        if self.over {
            return None;
        }
        let read = if self.backwards {
            self.look.store.read_all_backward(self.next, self.window)
        } else {
            self.look
                .store
                .read_all_forward(self.next.unwrap_or(0), self.window)
        };
        Some(match read {
            Ok(page) => self.take(page),
            Err(NotARecord) => {
                self.over = true;
                let position = self.next.unwrap_or_default();
                vec![Err(not_a_record(self.look.server, self.kind, position))]
            }
        })
    }

    fn take(&mut self, page: AllPage) -> Page {
        let wanted = |record: &Arc<Record>| {
            shows_in_all(record)
                && self
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.matches(record))
        };
        let limit = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let events: Vec<_> = page.events.into_iter().filter(wanted).take(limit).collect();
        self.remaining -= events.len() as u64;
        self.next = Some(page.next);
        self.over = page.at_end || self.remaining == 0;
        self.look
            .events(&events, BareLinks::Events)
            .into_iter()
            .map(Ok)
            .collect()
    }
}

/// The messages of page after page, until there is none.
fn pages<T: Send + 'static>(reading: T, page: fn(&mut T) -> Option<Page>) -> Answers<ReadResp> {
    let pages = stream::unfold(reading, move |mut reading| async move {
        let messages = page(&mut reading)?;
        Some((stream::iter(messages), reading))
    });
    Box::pin(pages.flatten())
}
