//! What tests/fuzz calls of the client: what it makes of the bytes that a server answers with.
//!
//! Only with the Cargo feature `fuzzing`. Never connects.

use std::collections::BTreeSet;

use bytes::Bytes;
use ditto_protocol::gossip::ClusterInfo;
use ditto_protocol::server_features::SupportedMethods;
use ditto_protocol::streams::{AppendResp, ReadReq, ReadResp};
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, StatusCode};
use prost::Message as _;
use tonic::Streaming;
use tonic::codec::Codec as _;
use tonic_prost::ProstCodec;

use super::super::error::{Error, Side};
pub use super::batch::fuzzing::PlayedCall;
use super::{
    Client, Clock, Features, LogPlace, LogRecord, LogRecords, ReadLog, ReadStream, StreamPage,
    connection, discovery, features, outcome_of,
};
use crate::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString, Endpoint};
use ditto_core::port::AppendOutcome;

const ACTION: &str = "ask";

/// The answer to a call that reads: frames of gRPC, and what is behind them.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As they come over the connection.
    pub frames: Bytes,
    /// Status, message and what else the server says at the end.
    pub trailers: HeaderMap,
}

impl Answer {
    fn streaming(&self) -> Streaming<ReadResp> {
        let trailers = self.trailers.clone();
        let body = Full::new(self.frames.clone()).with_trailers(async move { Some(Ok(trailers)) });
        let decoder = ProstCodec::<ReadReq, ReadResp>::default().decoder();
        let most = Some(connection::LARGEST_ANSWER);
        Streaming::new_response(decoder, body, StatusCode::OK, None, most)
    }
}

/// A client of a server that is never called. `None` would be a mistake in here.
#[must_use]
pub fn client() -> Option<Client> {
    let string = ConnectionString::parse("esdb://localhost:2113?tls=false").ok()?;
    let settings = ClusterSettings::new(string, ClusterKeys::default()).ok()?;
    Some(Client::connect(Side::Source, settings))
}

impl Client {
    /// A page of a stream.
    ///
    /// # Errors
    /// As [`Client::read_stream`].
    pub async fn page_of(&self, read: &ReadStream, answer: &Answer) -> Result<StreamPage, Error> {
        let (first, rest) = self.begun(answer).await?;
        self.collect(read, first, rest).await
    }

    /// A page of the log.
    ///
    /// # Errors
    /// As [`Client::read_log`].
    pub async fn log_of(
        &self,
        read: &ReadLog,
        answer: &Answer,
    ) -> Result<LogRecords<LogRecord>, Error> {
        let (first, rest) = self.begun(answer).await?;
        self.collect_log(read, first, rest, |record| record).await
    }

    /// The place of an event.
    ///
    /// # Errors
    /// As [`Client::place_of`].
    pub async fn place_in(&self, answer: &Answer) -> Result<Option<LogPlace>, Error> {
        let (first, rest) = self.begun(answer).await?;
        self.first_place(first, rest).await
    }

    async fn begun(
        &self,
        answer: &Answer,
    ) -> Result<(Option<ReadResp>, Streaming<ReadResp>), Error> {
        let mut rest = answer.streaming();
        let first = rest.message().await;
        let first = first.map_err(|status| Error::from_status(self.side(), ACTION, &status))?;
        Ok((first, rest))
    }

    /// How a single append ended; `None`: this is no such answer.
    #[must_use]
    pub fn append_of(&self, answer: &[u8]) -> Option<Result<u64, AppendOutcome>> {
        let revision = self.revision(AppendResp::decode(answer).ok()?);
        Some(revision.map_err(|error| outcome_of(&error)))
    }

    /// Whom gossip calls the leader, whom it names beside it, and their clocks; `None`: this is no gossip.
    #[must_use]
    pub fn gossip_of(
        &self,
        asked: &Endpoint,
        answer: &[u8],
    ) -> Option<(Option<Endpoint>, BTreeSet<Endpoint>, Vec<Clock>)> {
        let info = ClusterInfo::decode(answer).ok()?;
        let leader = self.finder.leader_of(asked, &info);
        let clocks = discovery::clocks(&info.members, 1_700_000_000);
        Some((leader, self.finder.members_known(), clocks))
    }
}

/// What a server says that it can do; `None`: this is no such answer.
#[must_use]
pub fn features_of(answer: &[u8]) -> Option<Features> {
    Some(features::features(&SupportedMethods::decode(answer).ok()?))
}

/// What the headers of an answer mean that is an error.
#[must_use]
pub fn error_of(headers: &HeaderMap) -> Option<Error> {
    let status = tonic::Status::from_header_map(headers)?;
    Some(Error::from_status(Side::Source, ACTION, &status))
}
