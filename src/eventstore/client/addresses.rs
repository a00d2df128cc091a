//! The addresses of a node's name, and the first of them at which a server answers.
//!
//! A connection proves nothing: a process that hangs is connected to as well. So an address is proven by an answer.
//! Never lets one address use up the time of the others.

use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::codegen::Service;

use super::super::error::{Class, Error, Side};
use crate::config::cluster::Endpoint;

/// Time after which the next address is tried beside those that have not answered (RFC 8305, section 5).
const TURN: Duration = Duration::from_millis(250);
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 16;

/// Where the addresses of names come from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Resolver {
    /// The machine: its hosts file and its name servers.
    #[default]
    System,
    /// A test.
    #[cfg(test)]
    Fixed(Vec<SocketAddr>),
    /// A network that a test plays: names are addresses.
    #[cfg(feature = "simulated")]
    Played(super::simulated::Played),
}

impl Resolver {
    async fn resolve(&self, node: &Endpoint) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = Vec::new();
        match self {
            Self::System => {
                for address in tokio::net::lookup_host((node.host.as_str(), node.port)).await? {
                    if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
                        addresses.push(address);
                    }
                }
            }
            #[cfg(test)]
            Self::Fixed(fixed) => addresses.clone_from(fixed),
            #[cfg(feature = "simulated")]
            Self::Played(_) => {
                let host = node.host.parse().map_err(io::Error::other)?;
                addresses.push(SocketAddr::new(host, node.port));
            }
        }
        if addresses.is_empty() {
            return Err(io::Error::other("the name has no address"));
        }
        Ok(addresses)
    }

    /// Whether there is only the network that a test plays.
    pub(super) fn is_played(&self) -> bool {
        match self {
            #[cfg(feature = "simulated")]
            Self::Played(_) => true,
            _ => false,
        }
    }
}

/// A node to be asked something, and how long that may take altogether.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) side: Side,
    /// Completes "failed to …".
    pub(super) action: &'static str,
    pub(super) node: &'a Endpoint,
    pub(super) limit: Duration,
}

impl Asking<'_> {
    /// Makes `call` to one address after the other, without waiting long for any, and returns the first answer with the
    /// number of addresses.
    ///
    /// # Errors
    /// The name cannot be resolved, or no address gives an answer within the limit.
    pub(super) async fn each<T, F>(
        &self,
        resolver: &Resolver,
        call: impl Fn(SocketAddr) -> F,
    ) -> Result<(T, usize), Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + self.limit;
        let addresses = match timeout_at(deadline, resolver.resolve(self.node)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(self.error(Class::Transient, &error.to_string())),
            Err(_) => {
                let text = format!("its name is not resolved within {:?}", self.limit);
                return Err(self.error(Class::Timeout, &text));
            }
        };
        let count = addresses.len();
        let turn = TURN.min(self.limit / u32::try_from(count).unwrap_or(u32::MAX));
        let ask = |address| {
            let asked = timeout_at(deadline, call(address));
            async move { (address, asked.await) }
        };
        let mut waiting = addresses.into_iter();
        let mut asked = FuturesUnordered::new();
        let mut failures = Vec::new();
        let mut next = pin!(sleep_until(Instant::now()));
        loop {
            if asked.is_empty() && waiting.len() == 0 {
                return Err(self.none_answers(&failures));
            }
            tokio::select! {
                biased;
                Some((address, answer)) = asked.next() => match answer {
                    Ok(Ok(answer)) => return Ok((answer, count)),
                    Ok(Err(error)) => {
                        failures.push((address, error));
                        next.as_mut().reset(Instant::now());
                    }
                    Err(_) => {
                        let text = format!("no answer within {:?}", self.limit);
                        let error = Error::new(self.side, Class::Timeout, self.action, text);
                        failures.push((address, error));
                    }
                },
                () = next.as_mut(), if waiting.len() > 0 => {
                    asked.extend(waiting.next().map(ask));
                    next.as_mut().reset(Instant::now() + turn);
                }
            }
        }
    }

    fn error(&self, class: Class, text: &str) -> Error {
        Error::new(self.side, class, self.action, text).at(self.node)
    }

    /// One error for all addresses: what a server said weighs more than silence.
    fn none_answers(&self, failures: &[(SocketAddr, Error)]) -> Error {
        let is_silence = |error: &Error| matches!(error.class(), Class::Transient | Class::Timeout);
        let telling = failures.iter().find(|(_, error)| !is_silence(error));
        let Some((_, first)) = telling.or(failures.first()) else {
            return self.error(Class::Transient, "the name has no address");
        };
        if let [_] = failures {
            return first.clone().at(self.node);
        }
        let each: Vec<String> = failures
            .iter()
            .map(|(address, error)| format!("{}: {}", address.ip(), error.detail()))
            .collect();
        let text = format!(
            "none of its {} addresses answers ({})",
            failures.len(),
            each.join("; ")
        );
        self.error(first.class().clone(), &text)
    }
}

/// How often connections were begun. Clones count together.
#[derive(Clone, Debug, Default)]
pub(super) struct Openings(Arc<AtomicU64>);

impl Openings {
    /// One more is begun.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So many since the start.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connects to one address, whatever the name.
pub(super) fn connector(address: SocketAddr, openings: Openings) -> HttpConnector<Only> {
    let mut connector = HttpConnector::new_with_resolver(Only(address, openings));
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(Duration::from_secs(30)));
    connector
}

/// A connection to one address, outside of gRPC. The caller limits the time.
pub(crate) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    // The connector wants a URI; the address is fixed.
    let uri = tonic::codegen::http::Uri::from_static("https://any");
    let stream = connector(address, Openings::default())
        .call(uri)
        .await
        .map_err(io::Error::other)?;
    Ok(stream.into_inner())
}

/// A resolver to which every name is this address. It is asked once for each connection.
#[derive(Clone, Debug)]
pub(super) struct Only(SocketAddr, Openings);

impl Service<Name> for Only {
    type Response = std::iter::Once<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        self.1.add();
        ready(Ok(std::iter::once(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Asking, Resolver};
    use crate::config::cluster::Endpoint;
    use crate::eventstore::error::{Class, Error, Side};
    use std::net::SocketAddr;
    use std::time::Duration;

    /// What is behind an address.
    #[derive(Clone, Copy, Debug)]
    enum Behind {
        Answer,
        Refusal(&'static str),
        Denial,
        Silence,
    }
    use Behind::{Answer, Denial, Refusal, Silence};

    async fn ask(behind: &[Behind]) -> Result<(u16, usize), Error> {
        let addresses: Vec<SocketAddr> = (1_u16..)
            .zip(behind)
            .map(|(number, _)| SocketAddr::from(([10, 0, 0, 9], number)))
            .collect();
        let node = Endpoint {
            host: "source.example.net".to_owned(),
            port: 2113,
        };
        let asking = Asking {
            side: Side::Source,
            action: "connect",
            node: &node,
            limit: Duration::from_secs(3),
        };
        let failed = |class, text: &str| Err(Error::new(Side::Source, class, "connect", text));
        asking
            .each(&Resolver::Fixed(addresses), |address| async move {
                match behind[usize::from(address.port()) - 1] {
                    Answer => Ok(address.port()),
                    Refusal(text) => failed(Class::Transient, text),
                    Denial => failed(Class::Denied, "Access Denied"),
                    Silence => std::future::pending().await,
                }
            })
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_address_that_answers_is_taken() {
        for (behind, expected) in [
            (&[Answer][..], 1),
            (&[Answer, Answer], 1),
            (&[Silence, Answer], 2),
            (&[Refusal("x"), Answer], 2),
            (&[Denial, Silence, Answer], 3),
            (&[Silence; 15], 0),
        ] {
            let mut behind = behind.to_vec();
            if expected == 0 {
                // The last of sixteen still gets its turn within the limit.
                behind.push(Answer);
            }
            let expected = if expected == 0 { 16 } else { expected };
            assert_eq!(
                ask(&behind).await,
                Ok((expected, behind.len())),
                "{behind:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_names_every_address_that_failed() {
        for (behind, class, text) in [
            (
                &[Refusal("refused")][..],
                Class::Transient,
                "source.example.net:2113: refused",
            ),
            (
                &[Silence],
                Class::Timeout,
                "source.example.net:2113: no answer within 3s",
            ),
            (
                &[Silence, Denial],
                Class::Denied,
                "source.example.net:2113: none of its 2 addresses answers (10.0.0.9: Access Denied; 10.0.0.9: no \
                 answer within 3s)",
            ),
        ] {
            let error = ask(behind).await.expect_err("nobody answers");
            assert_eq!((error.class(), error.detail()), (&class, text));
        }
    }
}
