//! Connection strings: `esdb://user:password@host:port,…?key=value`, also `kurrentdb`, `kdb` and `kurrent`, each with
//! `+discover`.
//!
//! Read by ditto itself, because the client library takes user and password undecoded and lets unknown parameters
//! pass (protocol §11 T21 to T23). An error never shows user, password or what might be a part of them: nothing
//! before the last '@' and, without an '@', nothing after the first ':' of the hosts.

mod parameters;

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::{Endpoint, KeepAlive, KeyProblem, Nodes, is_host_name};
use ditto_values::secret::Secret;

const SCHEMES: [&str; 4] = ["esdb", "kurrentdb", "kdb", "kurrent"];
const DEFAULT_PORT: u16 = 2113;
/// A connection string, taken apart and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionString {
    /// Where the nodes are.
    pub nodes: Nodes,
    /// User before the `@`, percent-decoded; `None`: there is none.
    pub user: Option<String>,
    /// Password before the `@`, percent-decoded; `None`: there is none.
    pub password: Option<Secret>,
    /// `tls`, true if absent.
    pub tls: bool,
    /// `tlsVerifyCert`, true if absent.
    pub tls_verify_cert: bool,
    /// `tlsCaFile`, a path; `None`: absent.
    pub tls_ca_file: Option<PathBuf>,
    /// `userCertFile`, a path; `None`: absent.
    pub user_cert_file: Option<PathBuf>,
    /// `userKeyFile`, a path; `None`: absent.
    pub user_key_file: Option<PathBuf>,
    /// `keepAliveInterval` and `keepAliveTimeout`; `None`: one of them is -1, which switches pings off.
    pub keep_alive: Option<KeepAlive>,
    /// `gossipTimeout`, 100 ms or more; the default if absent or -1.
    pub gossip_timeout: Duration,
    /// `discoveryInterval`; the default if absent or -1.
    pub discovery_interval: Duration,
    /// `maxDiscoverAttempts`, 1 or more; the default if absent or -1.
    pub max_discover_attempts: u32,
    /// `defaultDeadline`; the default if absent or -1.
    pub call_timeout: Duration,
    /// `connectionName`; `None`: absent, and ditto names the connection.
    pub connection_name: Option<String>,
    /// What is taken and yet has no effect, or another one than written, for a warning.
    pub notes: Vec<String>,
}

impl ConnectionString {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// Everything that is wrong with it, under the key `connection_string`.
    pub fn parse(text: &str) -> Result<Self, Vec<KeyProblem>> {
        let mut reader = Reader {
            shown: harmless_part(text),
            errors: Vec::new(),
        };
        let parsed = reader.read(text.trim());
        if reader.errors.is_empty()
            && let Some(parsed) = parsed
        {
            return Ok(parsed);
        }
        if has_stray_at(text) {
            reader.errors = vec![
                "an '@' comes after the first '/', '?' or '#': in user and password these characters must be \
                 percent-encoded ('/' is %2F, '?' is %3F, '#' is %23), or keep them out: set user and password_file"
                    .to_owned(),
            ];
        }
        Err(reader
            .errors
            .into_iter()
            .map(|message| KeyProblem {
                key: "connection_string",
                message,
            })
            .collect())
    }
}

/// True if what was taken for a host, path or parameter may be a piece of a password.
fn has_stray_at(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.find(['/', '?', '#'])
        .is_some_and(|end| rest[end..].contains('@'))
}

/// The part of a connection string that cannot be user or password, whatever was forgotten or not encoded.
fn harmless_part(text: &str) -> &str {
    let (_, rest) = text.split_once("://").unwrap_or(("", ""));
    match rest.rsplit_once('@') {
        Some((_, behind)) => behind,
        None => rest.split(':').next().unwrap_or_default(),
    }
}

struct Reader<'a> {
    /// What an error may quote.
    shown: &'a str,
    errors: Vec<String>,
}

impl Reader<'_> {
    /// ` 'PIECE'` to be put into an error; nothing if the piece could be a part of a password.
    fn quote(&self, piece: &str) -> String {
        if piece.is_empty() || !self.shown.contains(piece) {
            return String::new();
        }
        format!(" '{piece}'")
    }

    fn error<T>(&mut self, message: impl Into<String>) -> Option<T> {
        self.errors.push(message.into());
        None
    }

    fn read(&mut self, text: &str) -> Option<ConnectionString> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return self.error(
                "must begin with esdb:// or esdb+discover:// (or kurrentdb://, kdb://, kurrent://)",
            );
        };
        let discover = self.scheme(scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        if !matches!(path, "" | "/") || query.contains('#') {
            self.errors.push("must not have a path or a '#'".to_owned());
        }
        let (user_info, hosts) = match authority.rsplit_once('@') {
            Some((user_info, hosts)) => (Some(user_info), hosts),
            None => (None, authority),
        };
        let (user, password) = self.user_info(user_info);
        let seeds: Vec<Endpoint> = hosts
            .split(',')
            .enumerate()
            .filter_map(|(index, host)| self.endpoint(index + 1, host))
            .collect();
        let nodes = match (&seeds[..], discover) {
            ([single], false) => Nodes::Single(single.clone()),
            _ => Nodes::Discover(seeds),
        };
        let mut parsed = ConnectionString {
            nodes,
            user,
            password,
            tls: true,
            tls_verify_cert: true,
            tls_ca_file: None,
            user_cert_file: None,
            user_key_file: None,
            keep_alive: Some(KeepAlive {
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(10),
            }),
            gossip_timeout: Duration::from_secs(3),
            discovery_interval: Duration::from_millis(100),
            max_discover_attempts: 3,
            call_timeout: Duration::from_secs(10),
            connection_name: None,
            notes: Vec::new(),
        };
        self.parameters(query, &mut parsed);
        Some(parsed)
    }

    /// True if the scheme asks for discovery.
    fn scheme(&mut self, scheme: &str) -> Option<bool> {
        let lower = scheme.to_ascii_lowercase();
        let (name, discover) = match lower.strip_suffix("+discover") {
            Some(name) => (name, true),
            None => (lower.as_str(), false),
        };
        if SCHEMES.contains(&name) {
            return Some(discover);
        }
        self.error("the part before :// must be esdb, kurrentdb, kdb or kurrent, optionally with +discover")
    }

    fn user_info(&mut self, user_info: Option<&str>) -> (Option<String>, Option<Secret>) {
        let Some(user_info) = user_info else {
            return (None, None);
        };
        if let Some((_, after)) = user_info.split_once('@')
            && after.contains(',')
        {
            // As one password it would be sent to the wrong host, or hide all hosts but the last.
            self.errors.push(
                "more than one host has a user: give user and password once, before the first host; in a password '@' \
                 must be percent-encoded as %40 and ',' as %2C"
                    .to_owned(),
            );
        }
        let (user, password) = match user_info.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (user_info, None),
        };
        let decode = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(|text| text.into_owned())
                .ok()
        };
        let (user, password) = (decode(user), password.map(decode));
        if user.is_none() || password == Some(None) {
            self.errors
                .push("user or password is not UTF-8 once percent-decoded".to_owned());
        }
        (user, password.flatten().map(Secret::new))
    }

    /// The host of this number in the list, from 1.
    fn endpoint(&mut self, number: usize, text: &str) -> Option<Endpoint> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let Some((host, port)) = rest.split_once(']') else {
                let quoted = self.quote(text);
                return self.error(format!(
                    "host {number}{quoted}: an IPv6 address must end with ']'"
                ));
            };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                let quoted = self.quote(host);
                return self.error(format!("host {number}{quoted} is not an IPv6 address"));
            }
            match port {
                "" => (host, None),
                _ => (host, Some(port.strip_prefix(':').unwrap_or("?"))),
            }
        } else {
            text.split_once(':')
                .map_or((text, None), |(host, port)| (host, Some(port)))
        };
        if host.is_empty() {
            return self.error("a host is missing");
        }
        let quoted = self.quote(host);
        if !text.starts_with('[') && !is_host_name(host) {
            return self.error(format!(
                "host {number}{quoted} is not a host name (letters, digits, '.', '-', '_')"
            ));
        }
        let port = match port.map(str::parse::<u16>) {
            None => DEFAULT_PORT,
            Some(Ok(port)) if port > 0 => port,
            Some(_) => {
                return self.error(format!(
                    "the port of host {number}{quoted} must be a number from 1 to 65535 (after a password, '@' and a \
                     host must follow)"
                ));
            }
        };
        Some(Endpoint {
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests;
