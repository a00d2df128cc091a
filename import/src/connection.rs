//! A connection string of the original's TCP client (EventStore.Client 5), and the one of the newer protocol that comes
//! nearest.
//!
//! An error never shows user, password or what might be a part of them.

use ditto_values::problem::did_you_mean;
use ditto_values::secret::Secret;

/// What such a string looks like, for messages.
pub(super) const FORM: &str = "\"ConnectTo=tcp://USER:PASSWORD@HOST:1113\", \"ConnectTo=discover://HOST:2113\" or \
                               \"GossipSeeds=HOST:2113,HOST:2113\"";
const HTTP_PORT: u16 = 2113;
/// By custom the port for TCP and the one for HTTP lie that far apart: 1113 and 2113.
const PORT_DISTANCE: u16 = 1000;

/// Keys that say how the TCP client was to wait and retry.
const WAITING: [&str; 13] = [
    "HeartbeatInterval",
    "HeartbeatTimeout",
    "ClientConnectionTimeout",
    "OperationTimeout",
    "OperationTimeoutCheckPeriod",
    "QueueTimeout",
    "ReconnectionDelay",
    "MaxReconnections",
    "MaxRetries",
    "MaxQueueSize",
    "MaxConcurrentItems",
    "FailOnNoServerResponse",
    "VerboseLogging",
];
/// Keys that say which node of a cluster was asked.
const CHOOSING: [&str; 4] = [
    "RequireMaster",
    "PreferRandomNode",
    "ClusterDns",
    "ExternalGossipPort",
];
const READ_HERE: [&str; 8] = [
    "ConnectTo",
    "GossipSeeds",
    "DefaultUserCredentials",
    "UseSslConnection",
    "ValidateServer",
    "TargetHost",
    "GossipTimeout",
    "MaxDiscoverAttempts",
];

/// A connection string for ditto, and what belongs beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// `esdb://…`, without user and password.
    pub(super) string: String,
    pub(super) login: Option<(String, Secret)>,
    /// Nodes to ask first, each as `HOST:PORT`.
    pub(super) seeds: Vec<String>,
    pub(super) remarks: Vec<String>,
}

impl Connection {
    fn add_seed(&mut self, host: &str, port: u16) {
        let is_ipv6 = host.contains(':');
        let host = if is_ipv6 {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        self.seeds.push(format!("{host}:{port}"));
    }
}

/// Takes the original's string apart.
pub(super) fn convert(text: &str) -> Result<Connection, String> {
    let text = text.trim();
    let is_bare = ["tcp://", "discover://"].iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let with_key = format!("ConnectTo={text}");
    let pairs = pairs(if is_bare { &with_key } else { text })?;
    let value = |key: &str| {
        let pair = pairs.iter().rev().find(|(name, _)| is_named(name, key));
        pair.map(|(_, value)| value.as_str())
    };
    let mut connection = Connection::default();
    if let Some(text) = value("DefaultUserCredentials") {
        connection.login = Some(login(text.trim(), "DefaultUserCredentials")?);
    }
    let uses_tls = boolean(value("UseSslConnection"), "UseSslConnection", false)?;
    let (scheme, uses_tls) = match (value("ConnectTo"), value("GossipSeeds")) {
        (Some(address), None) => (connect_to(address, &mut connection)?, uses_tls),
        (None, Some(list)) => {
            let over_tls = gossip_seeds(list, &mut connection)?;
            ("esdb+discover", uses_tls || over_tls)
        }
        (Some(_), Some(_)) => {
            return Err(
                "found both ConnectTo and GossipSeeds, which the original refuses: remove one"
                    .to_owned(),
            );
        }
        (None, None) => {
            return Err(format!(
                "found neither ConnectTo nor GossipSeeds, expected {FORM}"
            ));
        }
    };
    let parameters = parameters(&value, uses_tls, &mut connection)?;
    remark_on_the_rest(&pairs, &mut connection);
    connection.string = format!("{scheme}://{}{parameters}", connection.seeds.join(","));
    Ok(connection)
}

/// `key=value` pairs, separated by semicolons; a value in quotes may hold them.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while !rest.trim_matches([';', ' ', '\t', '\r', '\n']).is_empty() {
        rest = rest.trim_start_matches([';', ' ', '\t', '\r', '\n']);
        let number = pairs.len() + 1;
        let end = rest.find([';', '=']).unwrap_or(rest.len());
        if !rest[end..].starts_with('=') {
            return Err(format!(
                "part {number} has no '=' (parts are separated by semicolons; a value with a semicolon needs quotes), \
                 expected {FORM}"
            ));
        }
        let key = rest[..end].trim().to_owned();
        let value = rest[end + 1..].trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, behind) = match quote {
            Some(quote) => {
                let inner = &value[1..];
                let Some(end) = inner.find(quote) else {
                    return Err(format!(
                        "the value of part {number} begins with {quote} and does not end with it"
                    ));
                };
                (&inner[..end], &inner[end + 1..])
            }
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        pairs.push((key, value.trim().to_owned()));
        rest = behind;
    }
    Ok(pairs)
}

/// The scheme for ditto; login and seed go into `connection`.
fn connect_to(address: &str, connection: &mut Connection) -> Result<&'static str, String> {
    let expected = || format!("found a ConnectTo without tcp:// or discover://, expected {FORM}");
    let (scheme, rest) = address.split_once("://").ok_or_else(expected)?;
    let is_discover = match scheme.to_ascii_lowercase().as_str() {
        "tcp" => false,
        "discover" => true,
        _ => return Err(expected()),
    };
    let rest = rest.trim_end_matches('/');
    let host = match rest.rsplit_once('@') {
        Some((user_info, host)) => {
            connection.login = Some(login(user_info, "ConnectTo")?);
            host
        }
        None => rest,
    };
    let (host, port) = host_and_port(host, "ConnectTo")?;
    if is_discover {
        let port = port.unwrap_or(HTTP_PORT);
        connection.remarks.push(format!(
            "{host}:{port} is asked for the nodes of the cluster (gossip), as before. If one name stands for all of them, \
             list them instead: esdb+discover://a:{port},b:{port},c:{port}"
        ));
        connection.add_seed(&host, port);
        return Ok("esdb+discover");
    }
    let new = port.map_or(HTTP_PORT, |port| {
        port.checked_add(PORT_DISTANCE).unwrap_or(HTTP_PORT)
    });
    let old = port.map_or_else(|| "no port".to_owned(), |port| format!("port {port}"));
    connection.remarks.push(format!(
        "the original used TCP ({old}), which newer servers do not speak; ditto uses gRPC over the server's HTTP port. \
         {new} is a guess (TCP + 1000, as 1113 and 2113): check it"
    ));
    connection.add_seed(&host, new);
    Ok("esdb")
}

/// True if a seed asks for TLS.
fn gossip_seeds(list: &str, connection: &mut Connection) -> Result<bool, String> {
    let mut over_tls = false;
    for (index, seed) in list.split(',').enumerate() {
        let seed = seed.trim();
        let address = match seed.split_once("://") {
            Some(("https", address)) => {
                over_tls = true;
                address
            }
            Some(("http", address)) => address,
            Some(_) => {
                return Err("a GossipSeed has another scheme than http:// or https://".to_owned());
            }
            None => seed,
        };
        let (host, port) = host_and_port(address, "GossipSeeds")?;
        let port =
            // Not quoted: it may be a piece of a password.
            port.ok_or_else(|| format!("GossipSeed {} has no port, expected HOST:2113", index + 1))?;
        connection.add_seed(&host, port);
    }
    connection.remarks.push(
        "ditto keeps the ports of the seeds, which are HTTP ports: check that they are the external ones".to_owned(),
    );
    Ok(over_tls)
}

fn host_and_port(text: &str, key: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if host.parse::<core::net::Ipv6Addr>().is_ok() => {
                (host, port.strip_prefix(':'))
            }
            _ => return Err(format!("{key} has an address in [ ] that is not IPv6")),
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !(host.contains(':') || host.chars().all(is_plain)) {
        // Not quoted: it may be a piece of a password.
        return Err(format!(
            "{key} has no host name that can be read (letters, digits, '.', '-', '_'), expected {FORM}"
        ));
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(format!("the port in {key} is not a number from 1 to 65535")),
        },
    };
    Ok((host.to_owned(), port))
}

/// The original took both as they stand, without percent-decoding.
fn login(text: &str, key: &str) -> Result<(String, Secret), String> {
    match text.split_once(':') {
        Some((user, password))
            if !user.is_empty() && !password.is_empty() && !password.contains(':') =>
        {
            Ok((user.to_owned(), Secret::new(password)))
        }
        _ => Err(format!(
            "user and password in {key} cannot be told apart, expected USER:PASSWORD with one ':'"
        )),
    }
}

fn parameters<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    uses_tls: bool,
    connection: &mut Connection,
) -> Result<String, String> {
    let mut parameters = Vec::new();
    let remarks = &mut connection.remarks;
    if !uses_tls {
        parameters.push("tls=false".to_owned());
        remarks.push(
            "tls=false because the original's connection was not encrypted. A server with certificates refuses that: \
             take tls=false away there, and set tls_ca_file if they are signed by an authority of your own"
                .to_owned(),
        );
    } else if boolean(value("ValidateServer"), "ValidateServer", true)? {
        remarks.push(
            "the server's certificate is checked against the machine's authorities: set tls_ca_file if it is signed by \
             one of your own"
                .to_owned(),
        );
    } else {
        parameters.push("tlsVerifyCert=false".to_owned());
        remarks.push(
            "ValidateServer=false: the server's certificate is not checked, as before. Better: take tlsVerifyCert=false \
             away and set tls_ca_file"
                .to_owned(),
        );
    }
    if uses_tls && value("TargetHost").is_some() {
        remarks.push(
            "TargetHost has no counterpart: the certificate must be for the host in connection_string".to_owned(),
        );
    }
    for (key, parameter, range) in [
        ("GossipTimeout", "gossipTimeout", 100..=3_600_000),
        ("MaxDiscoverAttempts", "maxDiscoverAttempts", 1..=1000),
    ] {
        let Some(text) = value(key) else { continue };
        let number: i64 = text
            .parse()
            .map_err(|_| format!("{key} is not a whole number"))?;
        if range.contains(&number) {
            parameters.push(format!("{parameter}={number}"));
        } else {
            remarks.push(format!(
                "{key}={number} is left out: {parameter} takes {} to {}",
                range.start(),
                range.end()
            ));
        }
    }
    if parameters.is_empty() {
        return Ok(String::new());
    }
    Ok(format!("?{}", parameters.join("&")))
}

fn remark_on_the_rest(pairs: &[(String, String)], connection: &mut Connection) {
    let among = |keys: &[&str]| {
        let found = |(name, _): &&(String, String)| keys.iter().any(|key| is_named(name, key));
        let names: Vec<_> = pairs
            .iter()
            .filter(found)
            .map(|(name, _)| name.as_str())
            .collect();
        names.join(", ")
    };
    let waiting = among(&WAITING);
    if !waiting.is_empty() {
        connection.remarks.push(format!(
            "{waiting}: no counterpart. ditto tries again for ever, gives each call 10 s (defaultDeadline) and pings every \
             10 s (keepAliveInterval, keepAliveTimeout)"
        ));
    }
    let choosing = among(&CHOOSING);
    if !choosing.is_empty() {
        connection.remarks.push(format!(
            "{choosing}: no counterpart. ditto calls the leader, which it finds by gossip"
        ));
    }
    for (index, (name, _)) in pairs.iter().enumerate() {
        let known = || READ_HERE.iter().chain(&WAITING).chain(&CHOOSING).copied();
        if !known().any(|key| is_named(name, key)) {
            // The name is not shown: behind a semicolon in a password it would be a piece of that.
            let hint = did_you_mean(name, known());
            let number = index + 1;
            connection.remarks.push(format!(
                "part {number} has a key that had no effect in the original either{hint}"
            ));
        }
    }
}

fn boolean(value: Option<&str>, key: &str, default: bool) -> Result<bool, String> {
    match value {
        None => Ok(default),
        Some(text) => text
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| format!("{key} is neither true nor false")),
    }
}

/// Keys are the same with and without spaces, in any case.
fn is_named(name: &str, key: &str) -> bool {
    name.replace(' ', "").eq_ignore_ascii_case(key)
}

#[cfg(test)]
mod tests;
