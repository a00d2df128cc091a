//! The real program as a child process: with a configuration of its own, a service manager that is a socket, a log that
//! is read, signals and a plain HTTP client. Never sleeps to synchronise: waits for conditions, up to a limit.

mod http;
mod program;

pub(crate) use http::{get, raw, request};
pub(crate) use program::{Ditto, ask, command};
pub(crate) use support::servers::{Servers, seed};
pub(crate) use support::wait::{DEADLINE as PATIENCE, until};

use devstore::Server;

/// As [`until`]; the message says what was waited for as it is at the deadline.
pub(crate) async fn until_or<T>(
    what: impl Fn() -> String,
    mut found: impl FnMut() -> Option<T>,
) -> T {
    until("this holds", || found().ok_or_else(&what)).await
}

/// A client that nobody here wrote.
pub(crate) fn foreign_client(server: &Server) -> eventstore::Client {
    let string = server.connection_string();
    eventstore::Client::new(string.parse().expect("a connection string")).expect("a client")
}
