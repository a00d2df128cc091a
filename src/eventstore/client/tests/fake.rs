//! A server without a mind of its own: each call is handed to the test, which answers it.
//!
//! It lives on a runtime of its own, so that stopping it cuts every connection at once. Never answers by itself, except
//! for gossip and features, which are set beforehand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use ditto_protocol::gossip::gossip_server::{Gossip, GossipServer};
use ditto_protocol::gossip::{ClusterInfo, EndPoint, MemberInfo, member_info::VNodeState};
use ditto_protocol::server_features::server_features_server::{
    ServerFeatures, ServerFeaturesServer,
};
use ditto_protocol::server_features::{SupportedMethod, SupportedMethods};
use ditto_protocol::shared::{Empty, StreamIdentifier};
use ditto_protocol::streams::append_req::Content;
use ditto_protocol::streams::read_req::options::StreamOption;
use ditto_protocol::streams::streams_server::{Streams, StreamsServer};
use ditto_protocol::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq,
    ReadResp, TombstoneReq, TombstoneResp,
};
use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use super::no_status::{self, WithoutStatus};
use crate::config::cluster::Endpoint;

/// A batch call, held by the test.
pub(crate) struct BatchCall {
    /// The client's end of the connection.
    pub(crate) from: Option<SocketAddr>,
    pub(crate) headers: MetadataMap,
    pub(crate) requests: Streaming<BatchAppendReq>,
    pub(crate) answers: mpsc::UnboundedSender<Result<BatchAppendResp, Status>>,
}

/// A read, held by the test.
pub(crate) struct ReadCall {
    pub(crate) request: ReadReq,
    pub(crate) headers: MetadataMap,
    pub(crate) answers: mpsc::UnboundedSender<Result<ReadResp, Status>>,
}

/// A single append, held by the test.
pub(crate) struct AppendCall {
    pub(crate) messages: Vec<AppendReq>,
    pub(crate) answer: oneshot::Sender<Result<AppendResp, Status>>,
}

/// What a server says without being asked by the test.
#[derive(Default)]
struct Settled {
    members: Vec<MemberInfo>,
    methods: Option<SupportedMethods>,
    refusal: Option<Status>,
    turn_away: Option<Status>,
    unnameable: BTreeSet<String>,
    asked: BTreeMap<&'static str, usize>,
}

#[derive(Clone)]
struct Handler {
    settled: Arc<Mutex<Settled>>,
    open: Arc<AtomicUsize>,
    batches: mpsc::UnboundedSender<BatchCall>,
    reads: mpsc::UnboundedSender<ReadCall>,
    appends: mpsc::UnboundedSender<AppendCall>,
}

/// The server, as the test sees it.
pub(crate) struct Fake {
    pub(crate) endpoint: Endpoint,
    pub(crate) batches: mpsc::UnboundedReceiver<BatchCall>,
    pub(crate) reads: mpsc::UnboundedReceiver<ReadCall>,
    pub(crate) appends: mpsc::UnboundedReceiver<AppendCall>,
    settled: Arc<Mutex<Settled>>,
    open: Arc<AtomicUsize>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Fake {
    /// A lone leader with batch append, on a port of its own.
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    pub(crate) fn start_with(tls: Option<ServerTlsConfig>) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), tls)
    }

    pub(crate) fn start_at(address: SocketAddr, tls: Option<ServerTlsConfig>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let listener = std::net::TcpListener::bind(address).expect("a port");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("address");
        let (batch_sender, batches) = mpsc::unbounded_channel();
        let (read_sender, reads) = mpsc::unbounded_channel();
        let (append_sender, appends) = mpsc::unbounded_channel();
        let handler = Handler {
            settled: Arc::default(),
            open: Arc::default(),
            batches: batch_sender,
            reads: read_sender,
            appends: append_sender,
        };
        let fake = Self {
            endpoint: Endpoint {
                host: address.ip().to_string(),
                port: address.port(),
            },
            batches,
            reads,
            appends,
            settled: handler.settled.clone(),
            open: handler.open.clone(),
            runtime: Some(runtime),
        };
        fake.set_methods("23.10.4", &["batchappend", "read", "append"]);
        fake.set_members(&[(&fake.endpoint, VNodeState::Leader, true)]);
        let mut server = Server::builder();
        if let Some(tls) = tls {
            server = server.tls_config(tls).expect("a good TLS configuration");
        }
        let router = server
            .add_service(WithoutStatus(StreamsServer::new(handler.clone())))
            .add_service(GossipServer::new(handler.clone()))
            .add_service(ServerFeaturesServer::new(handler));
        if let Some(runtime) = &fake.runtime {
            runtime.spawn(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                router
                    .serve_with_incoming(TcpListenerStream::new(listener))
                    .await
                    .expect("serving");
            });
        }
        fake
    }

    /// Ends the process, as it were: every connection breaks.
    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn set_members(&self, members: &[(&Endpoint, VNodeState, bool)]) {
        let member = |(endpoint, state, is_alive): &(&Endpoint, VNodeState, bool)| MemberInfo {
            instance_id: None,
            time_stamp: 0,
            state: (*state).into(),
            is_alive: *is_alive,
            http_end_point: Some(EndPoint {
                address: endpoint.host.clone(),
                port: endpoint.port.into(),
            }),
        };
        self.settled.lock().unwrap().members = members.iter().map(member).collect();
    }

    /// What all members say of their time, in ticks of 100 ns since 1970.
    pub(crate) fn set_clocks(&self, ticks: i64) {
        for member in &mut self.settled.lock().unwrap().members {
            member.time_stamp = ticks;
        }
    }

    pub(crate) fn set_methods(&self, version: &str, streams: &[&str]) {
        let method = |name: &&str| SupportedMethod {
            method_name: (*name).to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: Vec::new(),
        };
        let group = |name: &str| SupportedMethod {
            method_name: name.to_owned(),
            service_name: "event_store.client.persistent_subscriptions.persistentsubscriptions"
                .to_owned(),
            features: Vec::new(),
        };
        let groups = ["getinfo", "list", "replayparked", "restartsubsystem"].map(group);
        self.settled.lock().unwrap().methods = Some(SupportedMethods {
            methods: streams.iter().map(method).chain(groups).collect(),
            event_store_server_version: version.to_owned(),
        });
    }

    /// From now on gossip and features are answered with this; `None`: as they are.
    pub(crate) fn refuse(&self, status: Option<Status>) {
        self.settled.lock().unwrap().refusal = status;
    }

    /// From now on batch calls are turned away at the door; `None`: let in.
    pub(crate) fn turn_away(&self, status: Option<Status>) {
        self.settled.lock().unwrap().turn_away = status;
    }

    /// From now on reads of these streams and single appends to them end with HTTP 500 and no gRPC status, as errors do
    /// on a real server whose trailers would carry a name that is not ASCII (protocol §9).
    pub(crate) fn fail_without_status(&self, streams: &[&str]) {
        let names = streams.iter().map(|name| (*name).to_owned());
        self.settled.lock().unwrap().unnameable = names.collect();
    }

    /// How often this was asked.
    pub(crate) fn asked(&self, what: &'static str) -> usize {
        self.settled
            .lock()
            .unwrap()
            .asked
            .get(what)
            .copied()
            .unwrap_or_default()
    }

    /// Reads and batch calls that have not ended yet, as the server sees it.
    pub(crate) fn open_calls(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Handler {
    fn settle<T>(
        &self,
        what: &'static str,
        answer: impl Fn(&Settled) -> T,
    ) -> Result<Response<T>, Status> {
        let mut settled = self.settled.lock().unwrap();
        *settled.asked.entry(what).or_default() += 1;
        match &settled.refusal {
            Some(status) => Err(status.clone()),
            None => Ok(Response::new(answer(&settled))),
        }
    }

    fn judge(&self, name: Option<StreamIdentifier>) -> Result<(), Status> {
        let name = name.unwrap_or_default().stream_name;
        let settled = self.settled.lock().unwrap();
        let known = |unnameable: &String| unnameable.as_bytes() == &name[..];
        match settled.unnameable.iter().any(known) {
            true => Err(no_status::status()),
            false => Ok(()),
        }
    }

    fn answers<T>(&self, receiver: mpsc::UnboundedReceiver<Result<T, Status>>) -> Answers<T> {
        self.open.fetch_add(1, Ordering::SeqCst);
        Answers {
            receiver,
            open: self.open.clone(),
        }
    }
}

/// The answers that the test gives; counts as open until the server lets go of it.
pub(crate) struct Answers<T> {
    receiver: mpsc::UnboundedReceiver<Result<T, Status>>,
    open: Arc<AtomicUsize>,
}

impl<T> Stream for Answers<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx)
    }
}

impl<T> Drop for Answers<T> {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The stream that a read is of.
pub(crate) fn read_stream(request: &ReadReq) -> Option<StreamIdentifier> {
    match request.options.as_ref()?.stream_option.as_ref()? {
        StreamOption::Stream(stream) => stream.stream_identifier.clone(),
        StreamOption::All(_) => None,
    }
}

fn appended_stream(messages: &[AppendReq]) -> Option<StreamIdentifier> {
    match messages.first()?.content.as_ref()? {
        Content::Options(options) => options.stream_identifier.clone(),
        Content::ProposedMessage(_) => None,
    }
}

#[tonic::async_trait]
impl Gossip for Handler {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        self.settle("gossip", |settled| ClusterInfo {
            members: settled.members.clone(),
        })
    }
}

#[tonic::async_trait]
impl ServerFeatures for Handler {
    async fn get_supported_methods(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<SupportedMethods>, Status> {
        self.settle("features", |settled| {
            settled.methods.clone().unwrap_or_default()
        })
    }
}

#[tonic::async_trait]
impl Streams for Handler {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        let (answers, receiver) = mpsc::unbounded_channel();
        let headers = request.metadata().clone();
        self.judge(read_stream(request.get_ref()))?;
        let stream = self.answers(receiver);
        let call = ReadCall {
            request: request.into_inner(),
            headers,
            answers,
        };
        self.reads
            .send(call)
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(stream))
    }

    async fn append(
        &self,
        request: Request<Streaming<AppendReq>>,
    ) -> Result<Response<AppendResp>, Status> {
        let (mut incoming, mut messages) = (request.into_inner(), Vec::new());
        while let Some(message) = incoming.message().await? {
            messages.push(message);
        }
        self.judge(appended_stream(&messages))?;
        let (answer, answered) = oneshot::channel();
        self.appends
            .send(AppendCall { messages, answer })
            .map_err(|_| Status::unavailable("the test is over"))?;
        let answer = answered
            .await
            .map_err(|_| Status::unavailable("the test is over"))?;
        answer.map(Response::new)
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        if let Some(status) = self.settled.lock().unwrap().turn_away.clone() {
            return Err(status);
        }
        let (answers, receiver) = mpsc::unbounded_channel();
        let headers = request.metadata().clone();
        let from = request.remote_addr();
        let stream = self.answers(receiver);
        let call = BatchCall {
            from,
            headers,
            requests: request.into_inner(),
            answers,
        };
        self.batches
            .send(call)
            .map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(stream))
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn tombstone(&self, _: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        Err(Status::unimplemented("not scripted"))
    }
}
