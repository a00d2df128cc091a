//! A filtered subscription to the whole log, `$all`, from a position on (protocol §7.1 to §7.3).
//!
//! Not reading is the back-pressure: the server sends no more than the receive window holds. Silence is legal, so no call
//! has a time limit but the one that opens it; pings end the connection of a server that is gone. Never makes up a position.

use std::time::Duration;

use ditto_core::port::LogPosition;
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::read_req::options::all_options::AllOption;
use ditto_protocol::streams::read_req::options::filter_options::{Expression, Filter, Window};
use ditto_protocol::streams::read_req::options::{
    CountOption, FilterOption, FilterOptions, ReadDirection, SubscriptionOptions,
};
use ditto_protocol::streams::read_resp::{Content, ReadEvent};
use ditto_protocol::streams::streams_client::StreamsClient;
use ditto_protocol::streams::{ReadReq, ReadResp};
use tokio::time::timeout;
use tonic::Streaming;
use tonic::transport::Channel;

use super::super::error::{Class, Error};
use super::log_node::LogNode;
use super::{Client, LogRecord, wire};
use crate::config::cluster::KeepAlive;

const ACTION: &str = "subscribe to the log";

/// Records that the server looks at for a page of its own. With 32, its default, it is slower where much is left out
/// (protocol §15.7).
const WINDOW: u32 = 1_000;
/// Pages between two checkpoints: one in 4,000 records looked at. A restart looks at these again, which takes a server
/// 3 ms where nothing matches; more would be a message each for little else (350 a second there).
const PAGES: u32 = 4;

/// Bytes of records that may wait unread in this process, of the call and of its connection: what is under way in one round
/// trip has to fit, and 16 MiB carry 80 MiB a second at 200 ms. Over such a line a real server brought no more through
/// 64 MiB (protocol §15.7). It does not grow with the line: the memory is the events'.
const RECEIVE_WINDOW: u32 = 16 << 20;

/// Pings of a subscription's connection if the settings have none.
const PINGS: KeepAlive = KeepAlive {
    interval: Duration::from_secs(10),
    timeout: Duration::from_secs(10),
};
/// The longest of both times, whatever the settings have.
const LONGEST_PING: Duration = Duration::from_secs(30);

/// What is subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeLog {
    /// The position after which to begin, as the server gave it; `None`: the beginning.
    pub after: Option<LogPosition>,
    /// A .NET regular expression that the wanted streams' names match. Links are matched as what they are.
    pub streams: String,
}

/// What a subscription brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogMessage {
    /// The next record that matches.
    Record(LogRecord),
    /// The server has looked at everything up to there: a place to go on after.
    LookedThrough(LogPosition),
    /// Everything that there was has come. Newer servers say so again whenever they have fallen behind.
    CaughtUp,
    /// What is written comes later than it could.
    FellBehind,
}

/// A subscription that is open. Dropping it ends the call and its connection.
#[derive(Debug)]
pub struct LogSubscription {
    pub(super) client: Client,
    chosen: LogNode,
    after: Option<LogPosition>,
    answers: Streaming<ReadResp>,
    /// Kept while the call is open: without it the connection counts as idle and is no longer pinged.
    pub(super) connection: StreamsClient<Channel>,
}

impl Client {
    /// Subscribes at this node, over a connection of its own, and waits for the confirmation.
    ///
    /// # Errors
    /// [`Class::InvalidPosition`] if no record begins at the position; no confirmation within the limit of a call, or a
    /// refusal.
    pub async fn subscribe_log(
        &self,
        chosen: &LogNode,
        subscribe: &SubscribeLog,
    ) -> Result<LogSubscription, Error> {
        let limit = self.settings().call_timeout;
        let opened = timeout(limit, self.open_log(chosen, subscribe)).await;
        let opened = opened.unwrap_or_else(|_| {
            let text = format!("no confirmation within {limit:?}");
            Err(Error::new(self.side(), Class::Timeout, ACTION, text))
        });
        match opened {
            Ok((answers, connection)) => Ok(LogSubscription {
                client: self.clone(),
                chosen: chosen.clone(),
                after: subscribe.after,
                answers,
                connection,
            }),
            Err(error) => Err(self.judge_log(chosen, subscribe.after, error).await),
        }
    }

    async fn open_log(
        &self,
        chosen: &LogNode,
        subscribe: &SubscribeLog,
    ) -> Result<(Streaming<ReadResp>, StreamsClient<Channel>), Error> {
        let failed = |status: tonic::Status| Error::from_status(self.side(), ACTION, &status);
        let node = chosen.node();
        let pings = pings(self.settings().keep_alive);
        let mut streams = node.streams_with(RECEIVE_WINDOW, pings)?;
        let answers = streams.read(node.request_of_any(request(subscribe))).await;
        let mut answers = answers.map_err(failed)?.into_inner();
        match answers.message().await.map_err(failed)? {
            Some(ReadResp {
                content: Some(Content::Confirmation(_)),
            }) => Ok((answers, streams)),
            _ => {
                let text = "the server answered without a confirmation";
                Err(Error::new(self.side(), Class::Transient, ACTION, text))
            }
        }
    }

    /// The same error, or that no record begins at the position, if it is that which the node refused: a filter that it
    /// cannot read is refused in the same words.
    async fn judge_log(&self, chosen: &LogNode, after: Option<LogPosition>, error: Error) -> Error {
        if let Some(position) = after.filter(|_| *error.class() == Class::Refused)
            && let Err(other) = self.record_at_node(chosen, position).await
        {
            return other;
        }
        error.at(chosen.endpoint())
    }
}

impl LogSubscription {
    /// The node that it is at.
    #[must_use]
    pub fn node(&self) -> &LogNode {
        &self.chosen
    }

    /// Waits for the next message, however long that takes; `None`: the server ended the subscription, as it does when a live
    /// one is read too slowly (protocol §7.2): subscribe again after the last place. Loses nothing when it is cancelled.
    ///
    /// # Errors
    /// The connection or the server is gone; [`Class::InvalidPosition`] on newer servers, which confirm first. Nothing comes
    /// after an error.
    pub async fn next(&mut self) -> Result<Option<LogMessage>, Error> {
        let side = self.client.side();
        loop {
            let content = match self.answers.message().await {
                Ok(Some(answer)) => answer.content,
                Ok(None) => return Ok(None),
                Err(status) if is_too_slow(&status) => return Ok(None),
                Err(status) => {
                    let error = Error::from_status(side, ACTION, &status);
                    let judged = self.client.judge_log(&self.chosen, self.after, error);
                    return Err(judged.await);
                }
            };
            return Ok(Some(match content {
                Some(Content::Event(event)) => LogMessage::Record(self.record(event)?),
                Some(Content::Checkpoint(place)) => LogMessage::LookedThrough(LogPosition {
                    commit: place.commit_position,
                    prepare: place.prepare_position,
                }),
                Some(Content::CaughtUp(_)) => LogMessage::CaughtUp,
                Some(Content::FellBehind(_)) => LogMessage::FellBehind,
                // A newer server may have something to add.
                _ => continue,
            }));
        }
    }

    fn record(&self, event: ReadEvent) -> Result<LogRecord, Error> {
        self.client.log_record(event)?.ok_or_else(|| {
            let text = "the server sent a record without an event";
            Error::new(self.client.side(), Class::Refused, ACTION, text)
        })
    }
}

/// Pings are never off: nothing else tells an idle log from a server that is gone.
fn pings(configured: Option<KeepAlive>) -> KeepAlive {
    let KeepAlive { interval, timeout } = configured.unwrap_or(PINGS);
    KeepAlive {
        interval: interval.min(LONGEST_PING),
        timeout: timeout.min(LONGEST_PING),
    }
}

/// The server's own end of a subscription, not that of a connection.
fn is_too_slow(status: &tonic::Status) -> bool {
    status.code() == tonic::Code::Aborted && std::error::Error::source(status).is_none()
}

fn request(subscribe: &SubscribeLog) -> ReadReq {
    let start = subscribe.after.map_or(AllOption::Start(Empty {}), wire::at);
    let filter = FilterOption::Filter(FilterOptions {
        checkpoint_interval_multiplier: PAGES,
        filter: Some(Filter::StreamIdentifier(Expression {
            regex: subscribe.streams.clone(),
            prefix: Vec::new(),
        })),
        window: Some(Window::Max(WINDOW)),
    });
    let count = CountOption::Subscription(SubscriptionOptions {});
    wire::read_all(start, ReadDirection::Forwards, count, filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_are_always_on_and_within_half_a_minute() {
        let seconds = |interval, timeout| KeepAlive {
            interval: Duration::from_secs(interval),
            timeout: Duration::from_secs(timeout),
        };
        for (configured, expected) in [
            (None, seconds(10, 10)),
            (Some(seconds(15, 20)), seconds(15, 20)),
            (Some(seconds(3600, 3600)), seconds(30, 30)),
        ] {
            assert_eq!(pings(configured), expected, "{configured:?}");
        }
    }
}
