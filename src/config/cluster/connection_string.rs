//! Connection strings: `esdb://user:password@host:port,…?key=value`, also `kurrentdb`, `kdb` and `kurrent`, each with
//! `+discover`.
//!
//! Read by ditto itself, because the client library takes user and password undecoded and lets unknown parameters
//! pass (`protocol.md` §11 T21 to T23). An error never shows user, password or what might be a part of them.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::{Endpoint, KeepAlive, KeyProblem, Nodes};
use crate::config::secret::Secret;

const SCHEMES: [&str; 4] = ["esdb", "kurrentdb", "kdb", "kurrent"];
const DEFAULT_PORT: u16 = 2113;
/// No time in a connection string is meant to be longer; also keeps far away from what timers cannot hold (T27).
const LONGEST: u64 = 3_600_000;
const PARAMETERS: [&str; 14] = [
    "tls",
    "tlsVerifyCert",
    "tlsCaFile",
    "userCertFile",
    "userKeyFile",
    "keepAliveInterval",
    "keepAliveTimeout",
    "nodePreference",
    "discoveryInterval",
    "gossipTimeout",
    "maxDiscoverAttempts",
    "connectionName",
    "defaultDeadline",
    "throwOnAppendFailure",
];

/// A connection string, taken apart and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionString {
    /// Where the nodes are.
    pub nodes: Nodes,
    /// User, percent-decoded.
    pub user: Option<String>,
    /// Password, percent-decoded.
    pub password: Option<Secret>,
    /// `tls`, true if absent.
    pub tls: bool,
    /// `tlsVerifyCert`, true if absent.
    pub tls_verify_cert: bool,
    /// `tlsCaFile`.
    pub tls_ca_file: Option<PathBuf>,
    /// `userCertFile`.
    pub user_cert_file: Option<PathBuf>,
    /// `userKeyFile`.
    pub user_key_file: Option<PathBuf>,
    /// `keepAliveInterval` and `keepAliveTimeout`; either at -1 switches pings off.
    pub keep_alive: Option<KeepAlive>,
    /// `gossipTimeout`.
    pub gossip_timeout: Duration,
    /// `discoveryInterval`.
    pub discovery_interval: Duration,
    /// `maxDiscoverAttempts`.
    pub max_discover_attempts: u32,
    /// `defaultDeadline`.
    pub call_timeout: Duration,
    /// `connectionName`.
    pub connection_name: Option<String>,
    /// What is valid and yet has no effect, for a warning.
    pub notes: Vec<String>,
}

impl ConnectionString {
    /// Takes a connection string apart.
    ///
    /// # Errors
    /// Everything that is wrong with it, under the key `connection_string`.
    pub fn parse(text: &str) -> Result<Self, Vec<KeyProblem>> {
        let mut reader = Reader::default();
        let parsed = reader.read(text.trim());
        if reader.errors.is_empty()
            && let Some(parsed) = parsed
        {
            return Ok(parsed);
        }
        if has_stray_at(text) {
            reader.errors = vec![
                "an '@' stands behind the first '/', '?' or '#': in user and password these characters must be \
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

#[derive(Default)]
struct Reader {
    errors: Vec<String>,
}

impl Reader {
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
            .filter_map(|host| self.endpoint(host))
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

    fn endpoint(&mut self, text: &str) -> Option<Endpoint> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let Some((host, port)) = rest.split_once(']') else {
                return self.error(format!("'{text}': an IPv6 address must end with ']'"));
            };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return self.error(format!("'{host}' is not an IPv6 address"));
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
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if !text.starts_with('[') && !host.chars().all(plain) {
            return self.error(format!(
                "'{host}' is not a host name (letters, digits, '.', '-', '_')"
            ));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => {
                    return self.error(format!(
                        "the port of '{text}' must be a number from 1 to 65535"
                    ));
                }
            },
        };
        Some(Endpoint {
            host: host.to_owned(),
            port,
        })
    }

    fn parameters(&mut self, query: &str, parsed: &mut ConnectionString) {
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(known) = PARAMETERS
                .iter()
                .copied()
                .find(|known| known.eq_ignore_ascii_case(name))
            else {
                self.errors
                    .push(format!("unknown parameter '{name}', {}", nearest(name)));
                continue;
            };
            if seen.contains(&known) {
                self.errors
                    .push(format!("parameter {known} is given twice"));
                continue;
            }
            seen.push(known);
            let Ok(value) = percent_decode_str(value).decode_utf8() else {
                self.errors.push(format!(
                    "parameter {known} is not UTF-8 once percent-decoded"
                ));
                continue;
            };
            if let Err(expected) = set(parsed, known, &value) {
                self.errors.push(format!(
                    "parameter {known} must be {expected} (got '{value}')"
                ));
            }
        }
    }
}

fn nearest(name: &str) -> String {
    let distance =
        |known: &str| strsim::osa_distance(&known.to_ascii_lowercase(), &name.to_ascii_lowercase());
    match PARAMETERS.iter().min_by_key(|known| distance(known)) {
        Some(known) if distance(known) <= 1 + known.len() / 4 => format!("did you mean {known}?"),
        _ => format!("known are {}", PARAMETERS.join(", ")),
    }
}

/// Takes over one parameter; the error says what is expected.
fn set(parsed: &mut ConnectionString, name: &str, value: &str) -> Result<(), String> {
    match name {
        "tls" => parsed.tls = boolean(value)?,
        "tlsVerifyCert" => parsed.tls_verify_cert = boolean(value)?,
        "tlsCaFile" => parsed.tls_ca_file = Some(file(value)?),
        "userCertFile" => parsed.user_cert_file = Some(file(value)?),
        "userKeyFile" => parsed.user_key_file = Some(file(value)?),
        "keepAliveInterval" | "keepAliveTimeout" => {
            // The client library keeps its ten seconds when less is asked for, without an error (T25).
            let time = match value {
                "-1" => None,
                _ => Some(millis(value, 10_000).map_err(|text| format!("-1 or {text}"))?),
            };
            parsed.keep_alive = match (parsed.keep_alive, time) {
                (Some(keep_alive), Some(interval)) if name == "keepAliveInterval" => {
                    Some(KeepAlive {
                        interval,
                        ..keep_alive
                    })
                }
                (Some(keep_alive), Some(timeout)) => Some(KeepAlive {
                    timeout,
                    ..keep_alive
                }),
                _ => None,
            };
        }
        "nodePreference" => {
            let known = ["leader", "follower", "random", "readOnlyReplica"];
            match known.iter().find(|known| known.eq_ignore_ascii_case(value)) {
                None => return Err("leader, follower, random or readOnlyReplica".to_owned()),
                Some(&"leader") => {}
                Some(other) => parsed.notes.push(format!(
                    "nodePreference={other} has no effect: ditto calls the leader, a follower may lag behind it"
                )),
            }
        }
        "discoveryInterval" => parsed.discovery_interval = millis(value, 1)?,
        "gossipTimeout" => parsed.gossip_timeout = millis(value, 100)?,
        "maxDiscoverAttempts" => {
            parsed.max_discover_attempts = match value.parse() {
                Ok(attempts @ 1..=1000) => attempts,
                _ => return Err("a number from 1 to 1000".to_owned()),
            }
        }
        "connectionName" => {
            if value.is_empty() || !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                return Err("printable ASCII text".to_owned());
            }
            parsed.connection_name = Some(value.to_owned());
        }
        "defaultDeadline" => parsed.call_timeout = millis(value, 100)?,
        _ => {
            boolean(value)?;
            parsed.notes.push(format!("{name} has no effect in ditto"));
        }
    }
    Ok(())
}

fn boolean(value: &str) -> Result<bool, String> {
    value
        .to_ascii_lowercase()
        .parse()
        .map_err(|_| "true or false".to_owned())
}

fn file(value: &str) -> Result<PathBuf, String> {
    if value.is_empty() {
        return Err("the name of a file".to_owned());
    }
    Ok(PathBuf::from(value))
}

fn millis(value: &str, least: u64) -> Result<Duration, String> {
    match value.parse() {
        Ok(millis) if (least..=LONGEST).contains(&millis) => Ok(Duration::from_millis(millis)),
        _ => Err(format!(
            "a number of milliseconds from {least} to {LONGEST}"
        )),
    }
}

#[cfg(test)]
mod tests;
