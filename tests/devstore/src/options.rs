//! What a development server is started with.
//!
//! Plain values, valid as they are; never reads a file or the environment.

use std::net::{Ipv4Addr, SocketAddr};

/// How a server is started. The default listens on a free port of the loopback interface.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0: any free port.
    pub listen: SocketAddr,
    /// Host and port that gossip names, when it is not the address listened on.
    pub advertise: Option<(String, u16)>,
    /// Largest sum of data in one append (`protocol.md` §4.1).
    pub max_append_size: usize,
    /// How much faster than the day's the clocks of the groups run: ticks, message timeouts, checkpoints.
    pub time_scale: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: None,
            max_append_size: 1024 * 1024,
            time_scale: 1.0,
        }
    }
}
