//! The parameters of a connection string, with the limits that ditto sets.
//!
//! Never quotes what might be a part of a password.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::super::KeepAlive;
use super::{ConnectionString, Reader};

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

impl Reader<'_> {
    /// Takes over what stands behind the '?'.
    pub(super) fn parameters(&mut self, query: &str, parsed: &mut ConnectionString) {
        let mut seen = Vec::new();
        let pairs = query.split('&').enumerate();
        for (index, pair) in pairs.filter(|(_, pair)| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(known) = PARAMETERS
                .iter()
                .copied()
                .find(|known| known.eq_ignore_ascii_case(name))
            else {
                self.errors.push(format!(
                    "parameter {}{} is unknown, {}",
                    index + 1,
                    self.quote(name),
                    nearest(name)
                ));
                continue;
            };
            if seen.contains(&known) {
                self.errors
                    .push(format!("parameter {known} is given twice"));
                continue;
            }
            seen.push(known);
            let Ok(decoded) = percent_decode_str(value).decode_utf8() else {
                self.errors.push(format!(
                    "parameter {known} is not UTF-8 once percent-decoded"
                ));
                continue;
            };
            if let Err(expected) = set(parsed, known, &decoded) {
                let found = match self.quote(value).as_str() {
                    "" => String::new(),
                    quoted => format!(" (got{quoted})"),
                };
                self.errors
                    .push(format!("parameter {known} must be {expected}{found}"));
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
