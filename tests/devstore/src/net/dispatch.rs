//! Which service a request goes to: gRPC by its path, everything else to the HTTP pages.
//!
//! Never answers a call's question itself; it only says what no service knows (protocol §1.1).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use ditto_protocol::gossip::gossip_server::{GossipServer, SERVICE_NAME as GOSSIP};
use ditto_protocol::persistent_subscriptions::persistent_subscriptions_server::{
    PersistentSubscriptionsServer, SERVICE_NAME as GROUPS,
};
use ditto_protocol::projections::projections_server::{
    ProjectionsServer, SERVICE_NAME as PROJECTIONS,
};
use ditto_protocol::server_features::server_features_server::{
    SERVICE_NAME as FEATURES, ServerFeaturesServer,
};
use ditto_protocol::streams::streams_server::{SERVICE_NAME as STREAMS, StreamsServer};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::time::Instant;
use tonic::codegen::Service as _;

use super::body::{Body, CallBody, OpenCall, deadline_exceeded, timeout};
use super::trailers;
use crate::http;
use crate::node::Node;
use crate::services::admission::{Caller, unauthenticated};
use crate::services::{self, Features, Gossip, Groups, Projections, Streams};
use crate::users::Unauthenticated;

/// Largest message that a client may send (protocol §4.1.4).
const MAX_MESSAGE: usize = 16_767_216;

/// The services of one node.
#[derive(Clone)]
pub(crate) struct Dispatch {
    node: Arc<Node>,
    streams: StreamsServer<Streams>,
    groups: PersistentSubscriptionsServer<Groups>,
    gossip: GossipServer<Gossip>,
    features: ServerFeaturesServer<Features>,
    projections: ProjectionsServer<Projections>,
}

impl Dispatch {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
            streams: StreamsServer::new(Streams::new(node)).max_decoding_message_size(MAX_MESSAGE),
            groups: PersistentSubscriptionsServer::new(Groups::new(node))
                .max_decoding_message_size(MAX_MESSAGE),
            gossip: GossipServer::new(Gossip::new(node)),
            features: ServerFeaturesServer::new(Features::new(node)),
            projections: ProjectionsServer::new(Projections::new(node)),
        }
    }

    async fn answer(self, mut request: Request<Incoming>) -> Response<Body> {
        if !is_grpc(request.headers()) {
            return http::answer(&self.node, request).await;
        }
        let open = OpenCall::new(&self.node);
        match Caller::from_headers(&self.node, request.headers()) {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(Unauthenticated) => return unauthenticated().into_http(),
        };
        let deadline = deadline(request.headers());
        let call = self.call(request);
        let answer = match deadline {
            None => call.await,
            Some(at) => match tokio::time::timeout_at(at, call).await {
                Ok(answer) => answer,
                Err(_) => deadline_exceeded().into_http(),
            },
        };
        if trailers::is_unsendable(answer.headers()) {
            return bare(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let mut answer = answer.map(|body| Body::new(CallBody::new(body, deadline, open)));
        trailers::mend_message(answer.headers_mut());
        answer
    }

    async fn call(mut self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/'))
        else {
            return not_found();
        };
        match services::refusal(self.node.generation(), service, method) {
            None => {}
            Some(Some(status)) => return status.into_http(),
            Some(None) => return not_found(),
        }
        let answer = match service {
            STREAMS => self.streams.call(request).await,
            GROUPS => self.groups.call(request).await,
            GOSSIP => self.gossip.call(request).await,
            FEATURES => self.features.call(request).await,
            PROJECTIONS => self.projections.call(request).await,
            _ => return not_found(),
        };
        match answer {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let dispatch = self.clone();
        Box::pin(async move { Ok(dispatch.answer(request).await) })
    }
}

fn is_grpc(headers: &HeaderMap<HeaderValue>) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.starts_with("application/grpc"))
}

fn deadline(headers: &HeaderMap<HeaderValue>) -> Option<Instant> {
    let within = headers
        .get("grpc-timeout")?
        .to_str()
        .ok()
        .and_then(timeout)?;
    Instant::now().checked_add(within)
}

/// A service that does not exist: not even a gRPC answer (protocol §1.1).
fn not_found() -> Response<Body> {
    bare(StatusCode::NOT_FOUND)
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
