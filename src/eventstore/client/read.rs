//! Finite reads of one stream (protocol §3), in pages with a bound in events and in bytes.
//!
//! Never leaves a read open: dropping the answer ends the call on the server too.

use std::sync::Arc;
use std::time::Duration;

use ditto_protocol::shared::Empty;
use ditto_protocol::streams::read_req::Options;
use ditto_protocol::streams::read_req::options::stream_options::RevisionOption;
use ditto_protocol::streams::read_req::options::{
    ControlOption, CountOption, FilterOption, ReadDirection, StreamOption, StreamOptions,
    UuidOption, uuid_option,
};
use ditto_protocol::streams::read_resp::{Content, ReadEvent};
use ditto_protocol::streams::{ReadReq, ReadResp};
use tokio::time::timeout;
use tonic::Streaming;

use super::super::error::{Class, Error};
use super::{Client, Node, ResolvedRecord, StreamPage, wire};
use ditto_core::event::StreamName;

const ACTION: &str = "read a stream";

/// A stream that nobody writes: reading it tells whether a server answers at all.
pub(super) const PROBED: &str = "ditto-probe";

/// A read that was opened: its node, its first answer, and where the others come from.
pub(super) type Opened = (Arc<Node>, Option<ReadResp>, Streaming<ReadResp>);

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The first event.
    Start,
    /// This revision, included.
    Revision(u64),
    /// The last event; only backwards.
    End,
}

/// Which way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the newest event.
    Forwards,
    /// Towards the oldest event.
    Backwards,
}

/// A read of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadStream {
    /// Name of the stream, `$$S` included.
    pub stream: StreamName,
    /// Where to begin.
    pub start: StartAt,
    /// Towards newer events, or towards older ones.
    pub direction: Direction,
    /// At most this many events; 0 is read as 1 (the server refuses 0).
    pub count: u64,
    /// Whether links are followed.
    pub resolve_links: bool,
    /// The page ends behind the event with which its bytes reach this.
    pub max_bytes: usize,
}

impl ReadStream {
    /// The newest event alone.
    #[must_use]
    pub fn newest(stream: StreamName) -> Self {
        Self {
            stream,
            start: StartAt::End,
            direction: Direction::Backwards,
            count: 1,
            resolve_links: false,
            max_bytes: usize::MAX,
        }
    }

    /// Events from this revision on, `count` at most; links are not followed.
    #[must_use]
    pub fn forwards(stream: StreamName, from: u64, count: u64, max_bytes: usize) -> Self {
        Self {
            stream,
            start: StartAt::Revision(from),
            direction: Direction::Forwards,
            count,
            resolve_links: false,
            max_bytes,
        }
    }
}

impl Client {
    /// Reads one page.
    ///
    /// # Errors
    /// No answer, or a refusal. A stream that is not there or tombstoned is no error.
    pub async fn read_stream(&self, read: ReadStream) -> Result<StreamPage, Error> {
        Ok(self.read_on_leader(&read).await?.0)
    }

    /// Reads one page, and where the stream ends even if the page ended early, by bytes: from the same node. Then `last`
    /// is `None` only if the stream went away between the two reads.
    ///
    /// # Errors
    /// As [`Client::read_stream`].
    pub async fn read_page(&self, read: ReadStream) -> Result<StreamPage, Error> {
        Ok(self.read_to_last(&read).await?.0)
    }

    /// Number of a stream's last event, readable or not; `None` if the stream is not there (or deleted).
    ///
    /// # Errors
    /// As [`Client::read_stream`].
    pub async fn last_revision(&self, stream: &StreamName) -> Result<Option<u64>, Error> {
        let page = self.read_stream(ReadStream::newest(stream.clone())).await?;
        Ok(page.last())
    }

    /// As [`Client::read_page`], with the node that the page is from; a tombstone needs none.
    pub(super) async fn read_to_last(
        &self,
        read: &ReadStream,
    ) -> Result<(StreamPage, Option<Arc<Node>>), Error> {
        let (mut page, node) = self.read_on_leader(read).await?;
        if let (StreamPage::Found { last, .. }, Some(node)) = (&mut page, &node)
            && last.is_none()
        {
            let newest = ReadStream::newest(read.stream.clone());
            *last = self.read_at(node, &newest).await?.last();
        }
        Ok((page, node))
    }

    async fn read_on_leader(
        &self,
        read: &ReadStream,
    ) -> Result<(StreamPage, Option<Arc<Node>>), Error> {
        // Only the first answer is under the limit of the whole call: a large page over a slow line may take longer,
        // and is bounded by its bytes and by the same limit for each further answer.
        let opened = self
            .on_leader(ACTION, |node| async move { self.begin(&node, read).await })
            .await;
        match opened {
            Ok((node, first, rest)) => {
                let page = self.finish(read, &node, first, rest).await?;
                Ok((page, Some(node)))
            }
            Err(error) if *error.class() == Class::Deleted => Ok((StreamPage::Tombstoned, None)),
            Err(error) => Err(error),
        }
    }

    /// Reads one page from this node, whatever it is by now.
    pub(super) async fn read_at(
        &self,
        node: &Arc<Node>,
        read: &ReadStream,
    ) -> Result<StreamPage, Error> {
        let limit = self.settings().call_timeout;
        let opened = timeout(limit, self.begin(node, read)).await;
        match opened.unwrap_or_else(|_| Err(self.late(limit))) {
            Ok((_, first, rest)) => self.finish(read, node, first, rest).await,
            Err(error) if *error.class() == Class::Deleted => Ok(StreamPage::Tombstoned),
            Err(error) => {
                self.finder.report(node, &error);
                Err(error)
            }
        }
    }

    /// Opens a read; its first answer.
    pub(super) async fn begin(&self, node: &Arc<Node>, read: &ReadStream) -> Result<Opened, Error> {
        match self.open(node, ACTION, request(read)).await {
            Err(error) => Err(self.judge(node, error).await),
            opened => opened,
        }
    }

    /// Opens a read of a stream or of the log, and waits for its first answer as long as that takes.
    pub(super) async fn open(
        &self,
        node: &Arc<Node>,
        action: &'static str,
        request: ReadReq,
    ) -> Result<Opened, Error> {
        let failed = |status: tonic::Status| Error::from_status(self.side(), action, &status);
        let answer = node
            .streams()
            .read(node.request(request))
            .await
            .map_err(failed)?;
        let mut rest = answer.into_inner();
        let first = rest.message().await.map_err(failed)?;
        Ok((node.clone(), first, rest))
    }

    /// The first event among the answers of a read that was opened; `None`: there is none.
    pub(super) async fn first_event(
        &self,
        action: &'static str,
        mut next: Option<ReadResp>,
        mut rest: Streaming<ReadResp>,
    ) -> Result<Option<ReadEvent>, Error> {
        let limit = self.settings().call_timeout;
        while let Some(answer) = next {
            if let Some(Content::Event(event)) = answer.content {
                return Ok(Some(event));
            }
            next = timeout(limit, rest.message())
                .await
                .map_err(|_| {
                    let text = format!("no answer within {limit:?}");
                    Error::new(self.side(), Class::Timeout, action, text)
                })?
                .map_err(|status| Error::from_status(self.side(), action, &status))?;
        }
        Ok(None)
    }

    /// Whose fault an error is that names none: the stream's, if the same node answers a read of another stream
    /// (protocol §9, last row: HTTP 500 instead of an error that would carry a name which is not ASCII).
    async fn judge(&self, node: &Arc<Node>, error: Error) -> Error {
        if !matches!(error.class(), Class::NoStatus | Class::Refused) {
            return error;
        }
        let limit = self.settings().call_timeout;
        let control = ReadStream::newest(PROBED.into());
        match timeout(limit, self.open(node, ACTION, request(&control))).await {
            Err(_) => self.late(limit),
            Ok(Err(other)) if matches!(other.class(), Class::Refused) => error,
            Ok(Err(other)) if !matches!(other.class(), Class::Denied | Class::Deleted) => other,
            Ok(_) => Error::new(
                self.side(),
                Class::Unreadable,
                ACTION,
                error.detail().to_owned(),
            ),
        }
    }

    fn late(&self, limit: Duration) -> Error {
        let text = format!("no answer within {limit:?}");
        Error::new(self.side(), Class::Timeout, ACTION, text)
    }

    async fn finish(
        &self,
        read: &ReadStream,
        node: &Arc<Node>,
        first: Option<ReadResp>,
        rest: Streaming<ReadResp>,
    ) -> Result<StreamPage, Error> {
        match self.collect(read, first, rest).await {
            Err(error) if *error.class() == Class::Deleted => Ok(StreamPage::Tombstoned),
            Err(error) => {
                let error = self.judge(node, error).await;
                self.finder.report(node, &error);
                Err(error)
            }
            page => page,
        }
    }

    pub(super) async fn collect(
        &self,
        read: &ReadStream,
        mut next: Option<ReadResp>,
        mut rest: Streaming<ReadResp>,
    ) -> Result<StreamPage, Error> {
        let limit = self.settings().call_timeout;
        let (mut records, mut first, mut last, mut bytes) = (Vec::new(), None, None, 0_usize);
        while let Some(answer) = next {
            match answer.content {
                Some(Content::Event(event)) => {
                    let record = self.record(event)?;
                    bytes = bytes.saturating_add(record.size());
                    records.push(record);
                }
                Some(Content::StreamNotFound(_)) => return Ok(StreamPage::NotFound),
                Some(Content::FirstStreamPosition(position)) => first = wire::number(position),
                Some(Content::LastStreamPosition(position)) => last = wire::number(position),
                // Of finite reads nothing else is known, and a newer server may have something to add.
                _ => {}
            }
            if bytes >= read.max_bytes && !records.is_empty() {
                break;
            }
            next = self.following(&mut rest, limit).await?;
        }
        Ok(StreamPage::Found {
            records,
            first,
            last,
        })
    }

    async fn following(
        &self,
        rest: &mut Streaming<ReadResp>,
        limit: Duration,
    ) -> Result<Option<ReadResp>, Error> {
        match timeout(limit, rest.message()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(Error::from_status(self.side(), ACTION, &status)),
            Err(_) => Err(Error::new(
                self.side(),
                Class::Timeout,
                ACTION,
                format!("the page stopped for {limit:?}"),
            )),
        }
    }

    fn record(&self, event: ReadEvent) -> Result<ResolvedRecord, Error> {
        let bad = |text: &str| {
            Error::new(
                self.side(),
                Class::Unreadable,
                ACTION,
                format!("the server sent {text}"),
            )
        };
        Ok(ResolvedRecord {
            event: event.event.map(wire::event).transpose().map_err(bad)?,
            link: event.link.map(wire::event).transpose().map_err(bad)?,
        })
    }
}

pub(super) fn request(read: &ReadStream) -> ReadReq {
    let revision = match read.start {
        StartAt::Start => RevisionOption::Start(Empty {}),
        StartAt::Revision(revision) => RevisionOption::Revision(revision),
        StartAt::End => RevisionOption::End(Empty {}),
    };
    let direction = match read.direction {
        Direction::Forwards => ReadDirection::Forwards,
        Direction::Backwards => ReadDirection::Backwards,
    };
    ReadReq {
        options: Some(Options {
            stream_option: Some(StreamOption::Stream(StreamOptions {
                stream_identifier: Some(wire::identifier(&read.stream)),
                revision_option: Some(revision),
            })),
            read_direction: direction.into(),
            resolve_links: read.resolve_links,
            count_option: Some(CountOption::Count(read.count.max(1))),
            filter_option: Some(FilterOption::NoFilter(Empty {})),
            uuid_option: Some(UuidOption {
                content: Some(uuid_option::Content::Structured(Empty {})),
            }),
            // 1 asks for `first_stream_position` and `last_stream_position`.
            control_option: Some(ControlOption { compatibility: 1 }),
        }),
    }
}
