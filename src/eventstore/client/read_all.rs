//! Finite filtered reads of the whole log, `$all` (protocol §3.3, §3.4), in pages that can be resumed.
//!
//! Never makes up a position: each is the pair that the server gave. Never leaves a read open.

use std::time::Duration;

use ditto_core::event::Event;
use ditto_core::port::LogPosition;
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::read_req::options::all_options::AllOption;
use ditto_protocol::streams::read_req::options::filter_options::{
    Expression, Filter as WireFilter, Window,
};
use ditto_protocol::streams::read_req::options::{
    CountOption, FilterOption, FilterOptions, ReadDirection,
};
use ditto_protocol::streams::read_resp::{Content, ReadEvent};
use ditto_protocol::streams::{ReadReq, ReadResp};
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use super::super::error::{Class, Error};
use super::{Client, wire};

const ACTION: &str = "read the log";

/// Records that the server looks at for one page of its own: it is quick with many (protocol §15.7).
const WINDOW: u32 = 10_000;

/// Where a read of the log begins, and which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStart {
    /// The first record, forwards.
    Beginning,
    /// The record at this position, included, forwards.
    At(LogPosition),
    /// The newest record, backwards.
    End,
    /// The last record before this position, backwards.
    Before(LogPosition),
}

/// Which records are wanted. Links are not followed: a link is matched as what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFilter {
    /// Those of streams whose name begins so.
    Streams(String),
    /// Those of streams whose name this .NET regular expression matches.
    Matching(String),
    /// Those whose type begins so.
    Types(String),
}

/// A read of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLog {
    /// Where to begin.
    pub start: LogStart,
    /// Which records the server leaves out.
    pub filter: LogFilter,
    /// At most this many.
    pub count: u64,
    /// The server may take this long until it has found the first one; a page with one ends when the next takes long. A
    /// record at [`LogStart::At`] counts for none: whoever goes on from the last one gets further with each page.
    pub patience: Duration,
}

/// A record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// What stands there.
    pub event: Event,
    /// The record's position in the log.
    pub position: LogPosition,
}

/// What a page holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecords<T> {
    /// In reading order: what was made of each record.
    pub records: Vec<T>,
    /// Position of the last record read.
    pub last: Option<LogPosition>,
    /// The log ends here: nothing more matches.
    pub ended: bool,
}

impl Client {
    /// Reads one page, and keeps of each record what `keep` makes of it, so that a page holds no payloads that nobody wants.
    ///
    /// # Errors
    /// No answer in time, or a refusal: reading `$all` needs a permission of its own (protocol §5.3).
    pub async fn read_log<T>(
        &self,
        read: &ReadLog,
        keep: impl Fn(LogRecord) -> T,
    ) -> Result<LogRecords<T>, Error> {
        let opened = self
            .on_leader_within(read.patience, ACTION, |node| async move {
                self.open(&node, ACTION, request(read)).await
            })
            .await;
        let (node, first, rest) = opened?;
        let page = self.collect_log(read, first, rest, keep).await;
        if let Err(error) = &page {
            self.finder.report(&node, error);
        }
        page
    }

    pub(super) async fn collect_log<T>(
        &self,
        read: &ReadLog,
        mut next: Option<ReadResp>,
        mut rest: Streaming<ReadResp>,
        keep: impl Fn(LogRecord) -> T,
    ) -> Result<LogRecords<T>, Error> {
        let limit = self.settings().call_timeout;
        let deadline = Instant::now() + read.patience;
        let mut page = LogRecords {
            records: Vec::new(),
            last: None,
            ended: false,
        };
        while let Some(answer) = next {
            if let Some(Content::Event(event)) = answer.content
                && let Some(record) = self.log_record(event)?
            {
                page.last = Some(record.position);
                page.records.push(keep(record));
            }
            let gets_further = page
                .last
                .is_some_and(|last| read.start != LogStart::At(last));
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && gets_further {
                return Ok(page);
            }
            let wait = if gets_further { limit } else { limit.max(left) };
            next = match timeout(wait, rest.message()).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(status)) => return Err(Error::from_status(self.side(), ACTION, &status)),
                // The next match may be far away: the page ends here, and the next one has its own patience.
                Err(_) if gets_further => return Ok(page),
                Err(_) => {
                    let text = format!("the page stopped for {wait:?}");
                    return Err(Error::new(self.side(), Class::Timeout, ACTION, text));
                }
            };
        }
        page.ended = (page.records.len() as u64) < read.count;
        Ok(page)
    }

    pub(super) fn log_record(&self, event: ReadEvent) -> Result<Option<LogRecord>, Error> {
        let Some(record) = event.event else {
            return Ok(None);
        };
        let position = LogPosition {
            commit: record.commit_position,
            prepare: record.prepare_position,
        };
        let event = wire::event(record).map_err(|text| {
            let text = format!("the server sent {text}");
            Error::new(self.side(), Class::Refused, ACTION, text)
        })?;
        Ok(Some(LogRecord { event, position }))
    }
}

fn request(read: &ReadLog) -> ReadReq {
    let (start, direction) = match read.start {
        LogStart::Beginning => (AllOption::Start(Empty {}), ReadDirection::Forwards),
        LogStart::At(position) => (wire::at(position), ReadDirection::Forwards),
        LogStart::End => (AllOption::End(Empty {}), ReadDirection::Backwards),
        LogStart::Before(position) => (wire::at(position), ReadDirection::Backwards),
    };
    let beginning = |prefix: &String| Expression {
        regex: String::new(),
        prefix: vec![prefix.clone()],
    };
    let matching = |regex: &String| Expression {
        regex: regex.clone(),
        prefix: Vec::new(),
    };
    let filter = match &read.filter {
        LogFilter::Streams(prefix) => WireFilter::StreamIdentifier(beginning(prefix)),
        LogFilter::Matching(regex) => WireFilter::StreamIdentifier(matching(regex)),
        LogFilter::Types(prefix) => WireFilter::EventType(beginning(prefix)),
    };
    let filter = FilterOption::Filter(FilterOptions {
        checkpoint_interval_multiplier: 1,
        filter: Some(filter),
        window: Some(Window::Max(WINDOW)),
    });
    let count = CountOption::Count(read.count.max(1));
    wire::read_all(start, direction, count, filter)
}
