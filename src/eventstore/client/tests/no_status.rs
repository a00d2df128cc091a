//! Answers of HTTP 500 without a gRPC status, which no gRPC library makes by itself. Never decides which.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use super::calls::with_trailers;

const MARK: &str = "no-status";

/// What becomes HTTP 500 on its way out.
pub(super) fn status() -> Status {
    with_trailers(tonic::Code::Internal, "", &[("exception", MARK)])
}

/// A service whose answers that are marked leave as HTTP 500.
#[derive(Clone)]
pub(super) struct WithoutStatus<S>(pub(super) S);

impl<S: NamedService> NamedService for WithoutStatus<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for WithoutStatus<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answering = self.0.call(request);
        Box::pin(async move {
            let answer = answering.await?;
            if answer
                .headers()
                .get("exception")
                .is_none_or(|mark| mark != MARK)
            {
                return Ok(answer);
            }
            let mut failed = http::Response::new(Body::empty());
            *failed.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            Ok(failed)
        })
    }
}
