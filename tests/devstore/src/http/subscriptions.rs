//! `/subscriptions…`: groups over plain HTTP (protocol §10). Only looks; changes go over gRPC.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde_json::Value;

use super::json;
use crate::groups::pages::{self, Page};
use crate::net::{Body, full};
use crate::node::Node;

/// True if there is such a page.
pub(super) fn exists(segments: &[&str]) -> bool {
    matches!(
        segments,
        ["subscriptions"] | ["subscriptions", _] | ["subscriptions", _, _, "info"]
    )
}

pub(super) async fn answer(node: &Arc<Node>, segments: &[&str]) -> Response<Body> {
    let Page { found, body } = match segments {
        [_, stream, group, _] => pages::info(&node.cluster.groups, stream, group).await,
        [_, stream] => pages::list(&node.cluster.groups, Some(stream)).await,
        _ => pages::list(&node.cluster.groups, None).await,
    };
    let status = if found {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let mut answer = json(status, body.as_ref().unwrap_or(&Value::Null));
    if body.is_none() {
        *answer.body_mut() = full(bytes::Bytes::new());
    }
    answer
}
