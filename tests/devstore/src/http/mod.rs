//! What the port answers to plain HTTP (protocol §10): state, gossip, and streams for people with `curl`.
//!
//! Never needed by a client that speaks gRPC.

mod control;
mod pages;
mod streams;
mod subscriptions;

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;

use crate::net::{Body, full};
use crate::node::Node;

/// Answers a request that is no gRPC call.
pub(crate) async fn answer(node: &Arc<Node>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match segments.as_slice() {
        ["streams", stream] => streams::answer(node, stream, request).await,
        _ if subscriptions::exists(&segments) && is_read => {
            subscriptions::answer(node, &segments).await
        }
        _ if subscriptions::exists(&segments) => status(StatusCode::METHOD_NOT_ALLOWED),
        _ if control::exists(&segments) => control::answer(node, &segments, request).await,
        _ if !pages::exists(&segments) => status(StatusCode::NOT_FOUND),
        _ if !is_read => status(StatusCode::METHOD_NOT_ALLOWED),
        _ => pages::answer(node, &segments),
    }
}

pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

pub(crate) fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut answer = Response::new(full(Bytes::from(value.to_string())));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// An error in words.
pub(crate) fn refused(status: StatusCode, why: &str) -> Response<Body> {
    json(status, &serde_json::json!({"error": why}))
}

/// A path segment with its percent-encoding taken off; what is badly encoded stays as it is.
fn decoded(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) if byte == b'%' => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| segment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_segments_are_decoded() {
        for (segment, expected) in [
            ("%24ce-a", "$ce-a"),
            ("a%2Fb%20c", "a/b c"),
            ("%C3%BC", "ü"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%FF", "%FF"),
        ] {
            assert_eq!(decoded(segment), expected);
        }
    }
}
