//! What several kinds of input have in common: rules, and how an input is cut into parts.
//!
//! Never judges anything by itself.

use std::future::Future;

use ditto::config::cluster::{ClusterSettings, Endpoint, Tls};
use ditto::eventstore::crate_client::refusal;
use ditto_core::event::Event;
use ditto_values::problem::Problem;
use tokio::runtime::{Builder, Runtime};

/// Stands where a password is; no other text of an input holds it.
pub(crate) const MARKER: &str = "Zq7mXs3vMk";

/// The largest revision that a server can have: its own are signed.
pub(crate) const LARGEST: u64 = i64::MAX as u64;

thread_local! {
    static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_time().build().ok();
}

/// Runs what waits for nothing.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    RUNTIME.with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(future)))
}

/// What stands before and behind the first separator; all of it before, if there is none.
pub(crate) fn cut<'a>(data: &'a [u8], separator: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = data
        .windows(separator.len())
        .position(|window| window == separator);
    at.map_or((data, &[]), |at| {
        (&data[..at], &data[at + separator.len()..])
    })
}

/// A message for people: something is said, in one line, and nothing in it moves a terminal.
pub(crate) fn readable(text: &str) {
    assert!(!text.trim().is_empty(), "an empty message");
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// A problem says where it is and what it is.
pub(crate) fn placed(problem: &Problem) {
    assert!(!problem.origin.to_string().is_empty(), "{problem:?}");
    readable(&problem.to_string());
    assert!(!problem.text.trim().is_empty(), "{problem:?}");
}

/// An address is one that can be called, and what is called is that address.
pub(crate) fn callable(endpoint: &Endpoint) {
    let uri: hyper::Uri = match format!("http://{endpoint}/").parse() {
        Ok(uri) => uri,
        Err(error) => panic!("{endpoint:?}: {error}"),
    };
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    assert_eq!(
        (host, uri.port_u16()),
        (endpoint.host.as_str(), Some(endpoint.port))
    );
    assert_eq!((uri.path(), uri.query()), ("/", None), "{endpoint:?}");
    assert!(endpoint.port > 0, "{endpoint:?}");
}

/// The settings of a side are of use to both clients.
pub(crate) fn usable(side: &ClusterSettings) {
    let seeds = side.nodes.seeds();
    assert!(!seeds.is_empty(), "{side:?}");
    seeds.iter().for_each(callable);
    // What the crate finds out about files is another matter.
    let has_files =
        matches!(&side.tls, Tls::On(files) if files.ca_file.is_some() || files.client.is_some());
    if !has_files {
        assert_eq!(refusal(side, &seeds[0]), None, "{side:?}");
    }
}

/// An event that a server may have: no arithmetic with its revision goes wrong, and its stream has a name.
pub(crate) fn possible(event: &Event) {
    assert!(event.revision <= LARGEST, "{event:?}");
    assert!(!event.stream.as_str().is_empty(), "{event:?}");
}
