//! The parameters of a connection string, with the limits that ditto sets.
//!
//! A number that the vendors' clients take is taken here, too: beyond ditto's limits the nearest one counts, with a
//! warning. Never quotes what might be a part of a password.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::super::KeepAlive;
use super::{ConnectionString, Reader};

/// Milliseconds. No time in a connection string is meant to be longer; also keeps far away from what timers cannot hold
/// (protocol §11 T27).
const LONGEST: i64 = 3_600_000;
/// Milliseconds. The client library keeps its ten seconds when less is asked for, without an error (protocol §11 T25).
const LEAST_KEEP_ALIVE: i64 = 10_000;
const MOST_ATTEMPTS: i64 = 1000;
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
    let notes = &mut parsed.notes;
    match name {
        "tls" => parsed.tls = boolean(value)?,
        "tlsVerifyCert" => parsed.tls_verify_cert = boolean(value)?,
        "tlsCaFile" => parsed.tls_ca_file = Some(file(value)?),
        "userCertFile" => parsed.user_cert_file = Some(file(value)?),
        "userKeyFile" => parsed.user_key_file = Some(file(value)?),
        "keepAliveInterval" | "keepAliveTimeout" => {
            parsed.keep_alive = keep_alive(parsed.keep_alive, name, value, notes)?;
        }
        "nodePreference" => notes.extend(node_preference(value)?),
        "discoveryInterval" => {
            put(
                &mut parsed.discovery_interval,
                milliseconds(name, value, 1, notes)?,
            );
        }
        "gossipTimeout" => put(
            &mut parsed.gossip_timeout,
            milliseconds(name, value, 100, notes)?,
        ),
        "defaultDeadline" => put(
            &mut parsed.call_timeout,
            milliseconds(name, value, 100, notes)?,
        ),
        "maxDiscoverAttempts" => {
            let attempts = number(name, value, "attempts", 1..=MOST_ATTEMPTS, notes)?;
            put(
                &mut parsed.max_discover_attempts,
                attempts.and_then(|attempts| attempts.try_into().ok()),
            );
        }
        "connectionName" => {
            if value.is_empty() || !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                return Err("printable ASCII text".to_owned());
            }
            parsed.connection_name = Some(value.to_owned());
        }
        _ => {
            boolean(value)?;
            notes.push(format!("{name} has no effect in ditto"));
        }
    }
    Ok(())
}

/// Pings with one of their times set; `None`: switched off.
fn keep_alive(
    before: Option<KeepAlive>,
    name: &str,
    value: &str,
    notes: &mut Vec<String>,
) -> Result<Option<KeepAlive>, String> {
    let time = match value {
        "-1" => None,
        _ => milliseconds(name, value, LEAST_KEEP_ALIVE, notes)?,
    };
    Ok(match (before, time) {
        (Some(before), Some(interval)) if name == "keepAliveInterval" => {
            Some(KeepAlive { interval, ..before })
        }
        (Some(before), Some(timeout)) => Some(KeepAlive { timeout, ..before }),
        _ => None,
    })
}

/// A warning unless it is what ditto does.
fn node_preference(value: &str) -> Result<Option<String>, String> {
    let known = ["leader", "follower", "random", "readOnlyReplica"];
    match known.iter().find(|known| known.eq_ignore_ascii_case(value)) {
        None => Err("leader, follower, random or readOnlyReplica".to_owned()),
        Some(&"leader") => Ok(None),
        Some(other) => Ok(Some(format!(
            "nodePreference={other} has no effect: ditto calls the leader, a follower may lag behind it"
        ))),
    }
}

fn put<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
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

fn milliseconds(
    name: &str,
    value: &str,
    least: i64,
    notes: &mut Vec<String>,
) -> Result<Option<Duration>, String> {
    let millis = number(name, value, "milliseconds", least..=LONGEST, notes)?;
    Ok(millis.map(|millis| Duration::from_millis(millis.unsigned_abs())))
}

/// The number within the range; `None`: -1, which stands for "no limit" and leaves ditto's default.
fn number(
    name: &str,
    value: &str,
    unit: &str,
    range: RangeInclusive<i64>,
    notes: &mut Vec<String>,
) -> Result<Option<i64>, String> {
    let (least, most) = (*range.start(), *range.end());
    match value.parse::<i64>() {
        Ok(-1) => {
            notes.push(format!(
                "{name}=-1 (no limit) is not taken over: ditto uses its default, and retries by itself"
            ));
            Ok(None)
        }
        Ok(found) if found >= 0 => {
            let taken = found.clamp(least, most);
            if taken != found {
                notes.push(format!(
                    "{name}={found} is taken as {taken}: ditto takes {least} to {most} {unit}"
                ));
            }
            Ok(Some(taken))
        }
        _ => Err(format!("-1 or a number of {unit} from {least} to {most}")),
    }
}
