//! Single records of the log: the one at a position, the one before it, and the last one. Unfiltered, so each answer is quick.
//!
//! Never takes an outage for a position at which no record begins: the node that says so must answer another read.

use std::sync::Arc;

use ditto_core::port::LogPosition;
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::ReadReq;
use ditto_protocol::streams::read_req::options::all_options::AllOption;
use ditto_protocol::streams::read_req::options::{CountOption, FilterOption, ReadDirection};
use ditto_protocol::streams::read_resp::Content;
use tokio::time::timeout;
use tonic::Request;

use super::super::error::{Class, Error};
use super::log_node::LogNode;
use super::{Client, LogRecord, Node, wire};

const ACTION: &str = "read a record of the log";

/// Which record is read.
#[derive(Clone, Copy, Debug)]
enum Point {
    At(LogPosition),
    Before(LogPosition),
    Last,
}

/// Of which nodes a read is asked.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Of the leader alone.
    Leader,
    /// Of this one, whatever it is.
    Any,
}

impl Client {
    /// Reads the leader's record at this position, or the first one after it, if it was scavenged (protocol §15.6). Returns
    /// `None` if the position is the log's end or beyond it.
    ///
    /// # Errors
    /// [`Class::InvalidPosition`] if no record begins there; no answer, or a refusal.
    pub async fn record_at(&self, position: LogPosition) -> Result<Option<LogRecord>, Error> {
        self.on_leader(ACTION, |node| async move {
            self.read_point(&node, Point::At(position), Asked::Leader)
                .await
        })
        .await
    }

    /// Reads the leader's last record before this position; `None`: there is none.
    ///
    /// # Errors
    /// As [`Client::record_at`].
    pub async fn record_before(&self, position: LogPosition) -> Result<Option<LogRecord>, Error> {
        self.on_leader(ACTION, |node| async move {
            self.read_point(&node, Point::Before(position), Asked::Leader)
                .await
        })
        .await
    }

    /// As [`Client::record_at`], of the node that the log is read from: nodes are scavenged one by one.
    ///
    /// # Errors
    /// As [`Client::record_at`].
    pub async fn record_at_node(
        &self,
        chosen: &LogNode,
        position: LogPosition,
    ) -> Result<Option<LogRecord>, Error> {
        self.record_of(chosen, Point::At(position)).await
    }

    /// Returns the position of the leader's last record; `None`: it has none.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn log_end(&self) -> Result<Option<LogPosition>, Error> {
        let last = self
            .on_leader(ACTION, |node| async move {
                self.read_point(&node, Point::Last, Asked::Leader).await
            })
            .await?;
        Ok(last.map(|record| record.position))
    }

    /// The same of the node that the log is read from.
    ///
    /// # Errors
    /// As [`Client::log_end`].
    pub async fn log_end_at(&self, chosen: &LogNode) -> Result<Option<LogPosition>, Error> {
        let last = self.record_of(chosen, Point::Last).await?;
        Ok(last.map(|record| record.position))
    }

    async fn record_of(&self, chosen: &LogNode, point: Point) -> Result<Option<LogRecord>, Error> {
        let limit = self.settings().call_timeout;
        let read = timeout(limit, self.read_point(chosen.node(), point, Asked::Any)).await;
        let read = read.unwrap_or_else(|_| {
            let text = format!("no answer within {limit:?}");
            Err(Error::new(self.side(), Class::Timeout, ACTION, text))
        });
        read.map_err(|error| error.at(chosen.endpoint()))
    }

    /// The record, as long as that takes. What is refused at a position is refused for the position, if the same node answers
    /// another read: the words are the same for other failures (protocol §3.3).
    async fn read_point(
        &self,
        node: &Arc<Node>,
        point: Point,
        asked: Asked,
    ) -> Result<Option<LogRecord>, Error> {
        match (self.first_record_of(node, point, asked).await, point) {
            (Err(error), Point::At(position) | Point::Before(position))
                if *error.class() == Class::Refused =>
            {
                self.first_record_of(node, Point::Last, asked).await?;
                let text = format!(
                    "no record begins at {}/{}: {}",
                    position.commit,
                    position.prepare,
                    error.detail()
                );
                Err(error.becomes(Class::InvalidPosition, text))
            }
            (read, _) => read,
        }
    }

    async fn first_record_of(
        &self,
        node: &Arc<Node>,
        point: Point,
        asked: Asked,
    ) -> Result<Option<LogRecord>, Error> {
        let failed = |status: tonic::Status| Error::from_status(self.side(), ACTION, &status);
        let request: Request<ReadReq> = match asked {
            Asked::Leader => node.request(request(point)),
            Asked::Any => node.request_of_any(request(point)),
        };
        let answers = node.streams().read(request).await.map_err(failed)?;
        let mut answers = answers.into_inner();
        while let Some(answer) = answers.message().await.map_err(failed)? {
            if let Some(Content::Event(event)) = answer.content {
                return self.log_record(event);
            }
        }
        Ok(None)
    }
}

fn request(point: Point) -> ReadReq {
    let (start, direction) = match point {
        Point::At(position) => (wire::at(position), ReadDirection::Forwards),
        Point::Before(position) => (wire::at(position), ReadDirection::Backwards),
        Point::Last => (AllOption::End(Empty {}), ReadDirection::Backwards),
    };
    let unfiltered = FilterOption::NoFilter(Empty {});
    wire::read_all(start, direction, CountOption::Count(1), unfiltered)
}
