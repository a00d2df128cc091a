//! An Event Store as configured: where its nodes are, how they are reached and as whom.
//!
//! Values of these types are valid by construction; nothing after this checks them again. Never opens a file or a
//! connection: files named here are read where a client is made, anew for each client.

mod connection_string;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use connection_string::ConnectionString;

use ditto_values::secret::Secret;

/// One address of an Event Store node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name or address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port of the node's HTTP endpoint, 1 to 65535.
    pub port: u16,
}

impl Endpoint {
    /// An address that a server names; `None` for one that cannot be called, or would lead elsewhere.
    pub(crate) fn named(host: &str, port: u32) -> Option<Self> {
        let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
        (is_address || is_host_name(host)).then(|| Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// What a host name is made of.
pub(super) fn is_host_name(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !host.is_empty() && host.chars().all(plain)
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the nodes are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// This one, without asking anybody.
    Single(Endpoint),
    /// By gossip, asked of any of these (never empty).
    Discover(Vec<Endpoint>),
}

impl Nodes {
    /// The configured addresses, at least one.
    #[must_use]
    pub fn seeds(&self) -> &[Endpoint] {
        match self {
            Self::Single(endpoint) => std::slice::from_ref(endpoint),
            Self::Discover(seeds) => seeds,
        }
    }

    /// All of them in one text, for logs and `/status`.
    #[must_use]
    pub fn addresses(&self) -> String {
        let seeds: Vec<String> = self.seeds().iter().map(ToString::to_string).collect();
        seeds.join(",")
    }
}

/// Encryption of the connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Clear text: passwords and events can be read on the way.
    Off,
    /// TLS with these certificates.
    On(TlsFiles),
}

/// What TLS is configured with. The files are read again for each new client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust instead of the machine's own.
    pub ca_file: Option<PathBuf>,
    /// False: the server's certificate is taken as it is.
    pub verify: bool,
    /// Certificate and key that ditto shows.
    pub client: Option<ClientCertificate>,
}

/// Files of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM: the certificate and its chain.
    pub cert_file: PathBuf,
    /// PEM: the private key.
    pub key_file: PathBuf,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// It stands in the configuration.
    Text(Secret),
    /// The first line of this file, read again for each new client.
    File(PathBuf),
    /// The same of a credential of systemd. No message names its file: the name may be the secret itself.
    Credential(PathBuf),
}

/// As whom ditto calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Login name, as the server knows it.
    pub user: String,
    /// Where the password of that user is read from, each time that it is needed.
    pub password: PasswordSource,
}

/// Pings on connections that carry calls; `None` switches them off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Pause between pings.
    pub interval: Duration,
    /// How long a ping may stay unanswered.
    pub timeout: Duration,
}

/// One side, source or destination, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Where the nodes are.
    pub nodes: Nodes,
    /// Whether connections are encrypted, and with which certificates.
    pub tls: Tls,
    /// Who calls; `None`: anonymous.
    pub credentials: Option<Credentials>,
    /// HTTP/2 pings that notice a dead connection; `None`: switched off.
    pub keep_alive: Option<KeepAlive>,
    /// Time limit of one question for gossip or for the server's features.
    pub gossip_timeout: Duration,
    /// Pause between two attempts to find a node.
    pub discovery_interval: Duration,
    /// Attempts to find a node before a call fails (and is tried again by whoever made it).
    pub max_discover_attempts: u32,
    /// Time limit of every other plain call.
    pub call_timeout: Duration,
    /// Shown by the server as the name of ditto's connections; `None`: `ditto/HOST/PID`.
    pub connection_name: Option<String>,
}

/// The keys beside `connection_string` that describe a side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterKeys {
    /// `user`; `None`: absent, and the one in `connection_string` counts.
    pub user: Option<String>,
    /// `password` or `password_file`.
    pub password: Option<PasswordSource>,
    /// `tls_ca_file`; `None`: the machine's own certificates count.
    pub tls_ca_file: Option<PathBuf>,
    /// `client_cert_file`; `None`: ditto shows no certificate.
    pub client_cert_file: Option<PathBuf>,
    /// `client_key_file`; set together with `client_cert_file`.
    pub client_key_file: Option<PathBuf>,
}

/// What is wrong with a side's settings, and at which key of its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// The key, such as `connection_string` or `password_file`.
    pub key: &'static str,
    /// What was found and what is expected. Never holds a secret.
    pub message: String,
}

impl ClusterSettings {
    /// Puts a connection string and the other keys of its table together.
    ///
    /// # Errors
    /// Everything that contradicts itself or is said twice.
    pub fn new(string: ConnectionString, keys: ClusterKeys) -> Result<Self, Vec<KeyProblem>> {
        let mut problems = Vec::new();
        let credentials = credentials(&string, &keys, &mut problems);
        let tls = tls(&string, &keys, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            nodes: string.nodes,
            tls,
            credentials,
            keep_alive: string.keep_alive,
            gossip_timeout: string.gossip_timeout,
            discovery_interval: string.discovery_interval,
            max_discover_attempts: string.max_discover_attempts,
            call_timeout: string.call_timeout,
            connection_name: string.connection_name,
        })
    }
}

fn credentials(
    string: &ConnectionString,
    keys: &ClusterKeys,
    problems: &mut Vec<KeyProblem>,
) -> Option<Credentials> {
    let user = once("user", string.user.as_ref(), keys.user.as_ref(), problems).cloned();
    let in_string = string.password.clone().map(PasswordSource::Text);
    let password = once(
        "password",
        in_string.as_ref(),
        keys.password.as_ref(),
        problems,
    )
    .cloned();
    if let Some(user) = &user
        && (user.is_empty() || user.contains(':') || user.chars().any(char::is_control))
    {
        problem(
            problems,
            "user",
            "must not be empty and must not contain ':' or control characters",
        );
    }
    match (user, password) {
        (Some(user), Some(password)) => Some(Credentials { user, password }),
        (None, None) => None,
        (Some(_), None) => {
            problem(
                problems,
                "user",
                "a user needs a password: set password_file",
            );
            None
        }
        (None, Some(_)) => {
            problem(problems, "password", "a password needs a user: set user");
            None
        }
    }
}

fn tls(string: &ConnectionString, keys: &ClusterKeys, problems: &mut Vec<KeyProblem>) -> Tls {
    let ca_file = once(
        "tls_ca_file",
        string.tls_ca_file.as_ref(),
        keys.tls_ca_file.as_ref(),
        problems,
    );
    let cert = once(
        "client_cert_file",
        string.user_cert_file.as_ref(),
        keys.client_cert_file.as_ref(),
        problems,
    );
    let key = once(
        "client_key_file",
        string.user_key_file.as_ref(),
        keys.client_key_file.as_ref(),
        problems,
    );
    if !string.tls {
        for (name, file) in [
            ("tls_ca_file", ca_file),
            ("client_cert_file", cert),
            ("client_key_file", key),
        ] {
            if file.is_some() {
                problem(
                    problems,
                    name,
                    "has no use with tls=false in the connection string: remove one of them",
                );
            }
        }
        return Tls::Off;
    }
    let client = match (cert, key) {
        (Some(cert), Some(key)) => Some(ClientCertificate {
            cert_file: cert.clone(),
            key_file: key.clone(),
        }),
        (None, None) => None,
        (Some(_), None) => {
            problem(
                problems,
                "client_cert_file",
                "a client certificate needs its key: set client_key_file",
            );
            None
        }
        (None, Some(_)) => {
            problem(
                problems,
                "client_key_file",
                "a key needs its client certificate: set client_cert_file",
            );
            None
        }
    };
    Tls::On(TlsFiles {
        ca_file: ca_file.cloned(),
        verify: string.tls_verify_cert,
        client,
    })
}

/// The one value there is; two values are a problem even if they are equal, because only one of them would be changed.
fn once<'a, T>(
    key: &'static str,
    in_string: Option<&'a T>,
    in_key: Option<&'a T>,
    problems: &mut Vec<KeyProblem>,
) -> Option<&'a T> {
    if in_string.is_some() && in_key.is_some() {
        problem(
            problems,
            key,
            "is also given in connection_string: remove one of them",
        );
    }
    in_key.or(in_string)
}

fn problem(problems: &mut Vec<KeyProblem>, key: &'static str, message: &str) {
    problems.push(KeyProblem {
        key,
        message: message.to_owned(),
    });
}

#[cfg(test)]
mod tests;
