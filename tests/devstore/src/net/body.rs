//! The body of an answer: counts its call as open, and ends it at the caller's deadline (protocol §4.1.8, §7.2).
//!
//! Never changes a message that the call itself sends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::header::HeaderMap;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use super::trailers;
use crate::node::Node;

/// What every answer's body is.
pub(crate) type Body = tonic::body::Body;

/// A body that is all there.
pub(crate) fn full(content: impl Into<Bytes>) -> Body {
    Body::new(Full::new(content.into()))
}

/// Counts a call as open as long as it exists.
#[derive(Debug)]
pub(crate) struct OpenCall(Arc<Node>);

impl OpenCall {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        node.tally.call_begins();
        Self(Arc::clone(node))
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.tally.call_ends();
    }
}

/// A gRPC answer's body.
pub(crate) struct CallBody {
    inner: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    over: bool,
    _open: OpenCall,
}

impl CallBody {
    pub(crate) fn new(inner: Body, deadline: Option<Instant>, open: OpenCall) -> Self {
        Self {
            inner,
            deadline: deadline.map(|at| Box::pin(tokio::time::sleep_until(at))),
            over: false,
            _open: open,
        }
    }
}

impl HttpBody for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.and_then(sendable)));
        }
        let Some(deadline) = &mut self.deadline else {
            return Poll::Pending;
        };
        if deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.over = true;
        let mut trailers = HeaderMap::new();
        match deadline_exceeded().add_header(&mut trailers) {
            Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Err(status) => Poll::Ready(Some(Err(status))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The frame as the real server sends it; an error resets the stream.
fn sendable(mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, Status> {
    if let Some(trailers) = frame.trailers_mut() {
        if trailers::is_unsendable(trailers) {
            return Err(Status::internal("the status cannot be sent"));
        }
        trailers::mend_message(trailers);
    }
    Ok(frame)
}

/// What the server's framework answers when the caller's time is over.
pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("Deadline Exceeded")
}

/// Reads a `grpc-timeout` header: up to eight digits and a unit.
pub(crate) fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit() {
        for (text, expected) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("3M", Some(Duration::from_secs(180))),
            ("0S", Some(Duration::ZERO)),
            ("1500m", Some(Duration::from_millis(1500))),
            ("7u", Some(Duration::from_micros(7))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("100000000n", None),
            ("5", None),
            ("", None),
            ("-1S", None),
            ("1ü", None),
        ] {
            assert_eq!(timeout(text), expected, "{text}");
        }
    }
}
