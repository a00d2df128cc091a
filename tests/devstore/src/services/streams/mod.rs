//! The streams service (protocol §3, §4, §7).
//!
//! Only takes calls apart and puts answers together; never decides what may be written.

mod append;
mod batch;
mod batch_answer;
mod batch_request;
mod batch_write;
mod behind;
mod delete;
mod proposed;
mod read;
mod read_options;
mod subscribe_all;
mod subscribe_stream;
mod subscription;
mod view;
mod writer;

use std::pin::Pin;
use std::sync::Arc;

use ditto_protocol::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq,
    ReadResp, TombstoneReq, TombstoneResp, streams_server,
};
use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::node::Node;
use crate::services::admission::Caller;

/// A running answer of many messages.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[derive(Clone, Debug)]
pub(crate) struct Streams {
    node: Arc<Node>,
}

impl Streams {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
        }
    }
}

#[tonic::async_trait]
impl streams_server::Streams for Streams {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        let caller = Caller::of(request.extensions());
        read::read(&self.node, caller, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn append(
        &self,
        request: Request<Streaming<AppendReq>>,
    ) -> Result<Response<AppendResp>, Status> {
        let caller = Caller::of(request.extensions());
        append::append(&self.node, caller, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        let caller = Caller::of(request.extensions());
        batch::batch_append(&self.node, caller, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        let caller = Caller::of(request.extensions());
        delete::delete(&self.node, caller, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn tombstone(
        &self,
        request: Request<TombstoneReq>,
    ) -> Result<Response<TombstoneResp>, Status> {
        let caller = Caller::of(request.extensions());
        delete::tombstone(&self.node, caller, request.into_inner())
            .await
            .map(Response::new)
    }
}
