//! One request, one answer.
//!
//! Never reads a request's body.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode, Uri};

use super::history::histories;
use super::hosts::Hosts;
use super::page;
use super::report::{Facts, Report};
use crate::metrics::Metrics;
use crate::status::ProcessStatus;

const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// What answers are made from.
#[derive(Debug)]
pub struct Service {
    /// The state of the process and of each pipeline, which all views show.
    pub status: Arc<ProcessStatus>,
    /// Every series that `/metrics` serves.
    pub metrics: Arc<Metrics>,
    /// What does not change while the process runs.
    pub facts: Facts,
    /// Names under which everything is answered.
    pub hosts: Hosts,
}

impl Service {
    pub(super) fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let path = uri.path();
        let is_known = matches!(
            path,
            "/" | "/metrics" | "/healthz" | "/readyz" | "/status" | "/status/history"
        );
        if !is_known {
            let text = "not found; there are /metrics, /healthz, /readyz, /status and /\n";
            return respond(StatusCode::NOT_FOUND, TEXT, text);
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        // Scrapers and orchestrators ask under whatever name they were given.
        let is_for_all = matches!(path, "/metrics" | "/healthz" | "/readyz");
        if !is_for_all && let Some(host) = self.hosts.stranger(uri, headers) {
            return misdirected(&host);
        }
        match path {
            "/metrics" => match self.metrics.render() {
                Ok(text) => respond(StatusCode::OK, METRICS, text),
                Err(error) => respond(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    TEXT,
                    format!("{error}\n"),
                ),
            },
            "/healthz" => verdict(self.report().unhealthy),
            "/readyz" => verdict(self.report().unready),
            "/status" => json(serde_json::to_vec_pretty(&self.report())),
            "/status/history" => json(serde_json::to_vec(&histories(&self.status))),
            _ => the_page(),
        }
    }

    fn report(&self) -> Report {
        Report::of(&self.facts, &self.status)
    }
}

/// 421: under this name ditto answers nothing that a web page could misuse.
fn misdirected(host: &str) -> Response<Full<Bytes>> {
    let text = format!(
        "ditto does not answer this for the host {host:?}: use an IP address or localhost, or add the name to \
         allowed_hosts in [http]\n"
    );
    respond(StatusCode::MISDIRECTED_REQUEST, TEXT, text)
}

/// 200 if there is nothing against it, otherwise 503 with a line for each reason.
fn verdict(reasons: Vec<String>) -> Response<Full<Bytes>> {
    if reasons.is_empty() {
        respond(StatusCode::OK, TEXT, "ok\n")
    } else {
        respond(
            StatusCode::SERVICE_UNAVAILABLE,
            TEXT,
            reasons.join("\n") + "\n",
        )
    }
}

fn json(document: serde_json::Result<Vec<u8>>) -> Response<Full<Bytes>> {
    match document {
        Ok(json) => respond(StatusCode::OK, JSON, json),
        Err(error) => respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            TEXT,
            format!("{error}\n"),
        ),
    }
}

fn the_page() -> Response<Full<Bytes>> {
    match HeaderValue::from_str(&page::POLICY) {
        Ok(policy) => {
            let mut response = respond(StatusCode::OK, HTML, page::PAGE);
            response
                .headers_mut()
                .insert(CONTENT_SECURITY_POLICY, policy);
            response
        }
        Err(error) => respond(
            StatusCode::INTERNAL_SERVER_ERROR,
            TEXT,
            format!("{error}\n"),
        ),
    }
}

fn respond(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(page::NOTHING),
    );
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
