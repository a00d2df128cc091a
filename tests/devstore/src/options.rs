//! What a development server is started with.
//!
//! Plain values, valid as they are; never reads a file or the environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use crate::generation::Generation;
use crate::limits::AppendLimit;

/// How a server is started. The default: one node on a free port of the loopback interface, open to everybody.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the first node listens; port 0: any free port. Further nodes take the ports behind it, or free ones.
    pub listen: SocketAddr,
    /// Host and port that gossip names for the first node, when that is not the address listened on.
    pub advertise: Option<(String, u16)>,
    /// The number of nodes, all with one log (protocol §10).
    pub nodes: usize,
    /// The server that is played.
    pub server: Generation,
    /// How much one append may hold (protocol §4.1, §16).
    pub append_limit: AppendLimit,
    /// How much faster than the day's the server's clocks run.
    pub time_scale: f64,
    /// Users that must log in; `None`: everybody may do everything.
    pub users: Option<Vec<User>>,
    /// Serve TLS with this certificate.
    pub tls: Option<Certificate>,
    /// Delay of everything sent, each way, on every connection.
    pub latency: Duration,
    /// Take as long as the real server does (`--model`).
    pub model: Option<Model>,
    /// How the first start goes.
    pub startup: Startup,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: None,
            nodes: 1,
            server: Generation::default(),
            append_limit: Generation::default().append_limit(),
            time_scale: 1.0,
            users: None,
            tls: None,
            latency: Duration::ZERO,
            model: None,
            startup: Startup::default(),
        }
    }
}

impl Options {
    /// The default, played as a server of this generation.
    #[must_use]
    pub fn playing(server: Generation) -> Self {
        Self {
            server,
            append_limit: server.append_limit(),
            ..Self::default()
        }
    }
}

/// How a start goes (protocol §14.2). The default: ready as soon as the port answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Startup {
    /// How long the port answers before there is a leader.
    pub without_leader: Duration,
    /// How long after that the subsystems take; calls to groups are never answered meanwhile.
    pub subsystems: Duration,
}

/// How a server ends (protocol §14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As by SIGTERM: nothing new, what is open goes on for 5 s, then the connections are reset.
    Terminate,
    /// As by SIGKILL: every connection ends at once.
    Kill,
    /// As by the operator's shutdown: consumers are dropped, then silence, then the connections are reset.
    Shutdown,
}

/// A user that may log in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Password.
    pub password: String,
    #[serde(default)]
    /// Groups; `$admins` may do everything, `$ops` may manage persistent subscriptions.
    pub groups: Vec<String>,
}

impl User {
    /// The administrator that a new server has (protocol §10).
    #[must_use]
    pub fn admin() -> Self {
        Self {
            name: "admin".to_owned(),
            password: "changeit".to_owned(),
            groups: vec!["$admins".to_owned()],
        }
    }
}

/// A certificate chain and its key.
#[derive(Clone)]
pub struct Certificate {
    /// The chain, PEM.
    pub chain_pem: Vec<u8>,
    /// The private key, PEM.
    pub key_pem: Vec<u8>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

/// What things take on a real server, measured on one of version 23.10.4 (protocol §15.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// What an append takes; one after the other.
    pub append: Duration,
    /// What it takes for each of its first ten events.
    pub event: Duration,
    /// What it takes for each further event.
    pub further_event: Duration,
    /// After what further time an append is answered.
    pub answer: Duration,
    /// What a read takes.
    pub read: Duration,
    /// How many reads go on at once, beside the appends.
    pub readers: usize,
    /// How many events a group pushes in a second.
    pub pushes: u32,
    /// How many events a subscription to a stream or to the log brings in a second.
    pub brings: u32,
    /// What a subscription to the log takes to look at a record, whether the filter matches it or not.
    pub look: Duration,
}

impl Model {
    /// A 23.10.4 on two cores: 6,900 events/s with one event an append, 25,600 with 4, 55,600 with 10, 78,600 with 50.
    pub const V23_10_4: Self = Self {
        append: Duration::from_micros(140),
        event: Duration::from_micros(4),
        further_event: Duration::from_nanos(11_400),
        answer: Duration::from_micros(400),
        read: Duration::from_micros(60),
        readers: 2,
        pushes: 22_000,
        brings: 60_000,
        look: Duration::from_nanos(700),
    };

    /// What an append of so many events takes.
    #[must_use]
    pub fn append_time(&self, events: usize) -> Duration {
        const FIRST: u32 = 10;
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        let first = events.min(FIRST);
        self.append + self.event * first + self.further_event * (events - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events a second, as they were measured (protocol §15.7).
    #[test]
    fn appends_take_what_they_take_on_a_real_server() {
        for (events, measured) in [(1, 7_000), (4, 24_400), (10, 55_600), (50, 78_400)] {
            let time = Model::V23_10_4.append_time(events);
            let micros = u64::try_from(time.as_micros()).unwrap();
            let rate = events as u64 * 1_000_000 / micros;
            let part = rate * 100 / measured;
            assert!((94..=106).contains(&part), "{events}: {rate} events/s");
        }
    }
}
