//! Answers about the cluster and errors: gossip, the server's abilities, the headers of an answer that is none.
//!
//! An input is a byte that says which, and the message. Never connects.

use ditto::config::cluster::Endpoint;
use ditto::eventstore::client::fuzzing::{client, error_of, features_of};
use ditto::eventstore::client::{Client, outcome_of};
use ditto::eventstore::{Class, Error};
use ditto_core::port::AppendOutcome;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::rules::callable;

/// More members than any cluster has.
const MOST_MEMBERS: usize = 32;

/// Judges one input.
pub fn cluster_answer(data: &[u8]) {
    match data.split_first() {
        Some((b'g', answer)) => {
            if let Some(client) = client() {
                gossip(&client, answer);
            }
        }
        Some((b'f', answer)) => {
            let features = features_of(answer);
            assert!(features.is_none_or(|features| features.version.len() <= answer.len()));
        }
        Some((_, answer)) => {
            if let Some(error) = error_of(&headers(answer)) {
                possible_error(&error);
            }
        }
        None => {}
    }
}

fn gossip(client: &Client, answer: &[u8]) {
    let asked = Endpoint {
        host: "localhost".to_owned(),
        port: 2113,
    };
    let Some((leader, members, clocks)) = client.gossip_of(&asked, answer) else {
        return;
    };
    assert!(members.len() <= MOST_MEMBERS, "{}", members.len());
    let nodes = clocks.iter().map(|clock| &clock.node);
    leader
        .iter()
        .chain(&members)
        .chain(nodes)
        .for_each(callable);
}

/// `name: value`, a line each; what is no header is left out.
pub(crate) fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let (name, value) = crate::rules::cut(line, b": ");
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.insert(name, value);
        }
    }
    headers
}

pub(crate) fn possible_error(error: &Error) {
    if let Class::NotLeader(Some(leader)) = error.class() {
        callable(leader);
    }
    assert!(
        error.append_limit().is_none_or(|limit| limit > 0),
        "{error:?}"
    );
    assert!(!error.with_hint().trim().is_empty() && !error.kind().is_empty());
    let outcome = outcome_of(error);
    assert!(!matches!(outcome, AppendOutcome::Written(_)), "{error:?}");
}
