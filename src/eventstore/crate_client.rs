//! The factory for the eventstore crate's client, which persistent subscriptions need.
//!
//! The crate gets one endpoint, the leader that ditto's own client found, at the address where it answered, files that
//! were read and parsed before, and no credentials in its connection string: so most of its traps cannot spring
//! (protocol §11 T1, T6, T8, T19 to T23, T36 to T38). Never shares a client: each one is a connection of its own,
//! and is thrown away when it fails.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::bridge;
use super::client::{Client, Node, Proven, connection_name};
use super::error::{Class, Error};
use crate::config::cluster::{ClusterSettings, Endpoint, Tls};
use crate::net::{files, tls};

const ACTION: &str = "make a client";
/// Everything but letters, digits and these four: above all no comma, which the crate takes for a host separator
/// (protocol §11 T23).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client of the crate, and whom its calls must name.
#[derive(Clone)]
pub struct CrateClient {
    /// The client. Dead for good after its first failure to connect (protocol §11 T1).
    pub client: eventstore::Client,
    /// To be given with each call (protocol §11 T22); `None`: anonymous.
    pub credentials: Option<eventstore::Credentials>,
    /// The node it talks to.
    pub node: Endpoint,
}

impl std::fmt::Debug for CrateClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CrateClient")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl CrateClient {
    /// Makes a client of the node that leads now. Files are read anew.
    ///
    /// # Errors
    /// No node answers or leads, or a file of the configuration is bad.
    pub async fn new(own: &Client) -> Result<Self, Error> {
        Self::new_on(own, tokio::runtime::Handle::current()).await
    }

    /// The same, its connection living on a runtime of the caller's choice: ending that runtime ends the connection,
    /// and the crate's task for it, which otherwise outlives the client (protocol §11 T42).
    ///
    /// # Errors
    /// As [`CrateClient::new`].
    pub async fn new_on(own: &Client, runtime: tokio::runtime::Handle) -> Result<Self, Error> {
        let leader = own.leading().await?;
        let side = own.side();
        let failed = move |text: String| Error::new(side, Class::Configuration, ACTION, text);
        let settings = own.settings().clone();
        let target = target(&leader, &settings, &runtime).map_err(failed)?;
        // Reading files and the machine's certificates takes long enough to be kept off the runtime's threads.
        let making = tokio::task::spawn_blocking(move || {
            let (string, credentials) = prepare(&settings, &target).map_err(failed)?;
            let settings = string
                .parse()
                .map_err(|error: eventstore::ClientSettingsParseError| failed(error.to_string()))?;
            let client = eventstore::Client::with_runtime_handle(runtime, settings)
                .map_err(|error| Error::from_crate(side, ACTION, &error))?;
            Ok((client, credentials))
        });
        let (client, credentials) = making.await.map_err(|error| failed(error.to_string()))??;
        Ok(Self {
            client,
            credentials,
            node: leader.endpoint().clone(),
        })
    }
}

/// Whom calls must name, with the password as it is now. Reads on the caller's thread.
pub(crate) fn read_credentials(
    settings: &ClusterSettings,
) -> Result<Option<eventstore::Credentials>, String> {
    let Some(credentials) = &settings.credentials else {
        return Ok(None);
    };
    let password = files::password(credentials)?;
    Ok(Some(eventstore::Credentials::new(
        credentials.user.clone(),
        password.reveal().to_owned(),
    )))
}

/// What the crate connects to.
struct Target {
    endpoint: Endpoint,
    tls: Tls,
}

/// The node by its name, if that has one address: the crate tries no other than the first. Otherwise the address at which
/// the node answered, over TLS by way of a bridge, because the name is what the certificate is verified against
/// (protocol §11 T40, T41).
fn target(
    node: &Node,
    settings: &ClusterSettings,
    runtime: &tokio::runtime::Handle,
) -> Result<Target, String> {
    let by_name = Target {
        endpoint: node.endpoint().clone(),
        tls: settings.tls.clone(),
    };
    let Some(proven) = node.proven() else {
        return Ok(by_name);
    };
    let endpoint = match &proven {
        // A link-local address is one of an interface, which a connection string cannot name.
        Proven {
            address: std::net::SocketAddr::V6(address),
            tls: None,
            ..
        } if address.scope_id() != 0 => return Ok(by_name),
        Proven {
            address, tls: None, ..
        } => Endpoint {
            host: address.ip().to_string(),
            port: address.port(),
        },
        // The crate manages the groups of such a server over HTTP/1, which the bridge does not speak.
        _ if !node.features().group_management => return Ok(by_name),
        Proven { tls: Some(tls), .. } => {
            bridge::open(runtime, &proven, tls, settings.gossip_timeout)?
        }
    };
    Ok(Target {
        endpoint,
        tls: Tls::Off,
    })
}

/// What the crate says against the connection string that it would get for these settings, files left out.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn refusal(settings: &ClusterSettings, node: &Endpoint) -> Option<String> {
    let target = Target {
        endpoint: node.clone(),
        tls: settings.tls.clone(),
    };
    let string = connection_string(settings, &target, true);
    let parsed: Result<eventstore::ClientSettings, _> = string.parse();
    parsed.err().map(|error| error.to_string())
}

/// The connection string and the credentials, once every file is known to be good.
fn prepare(
    settings: &ClusterSettings,
    target: &Target,
) -> Result<(String, Option<eventstore::Credentials>), String> {
    let roots_are_good = match &target.tls {
        Tls::Off => tls::native_roots().is_ok(),
        Tls::On(files) => {
            tls::TlsMaterial::load(files, &Arc::default())?;
            if files.ca_file.is_none() {
                tls::native_roots()?;
            }
            true
        }
    };
    let credentials = read_credentials(settings)?;
    Ok((
        connection_string(settings, target, roots_are_good),
        credentials,
    ))
}

fn connection_string(settings: &ClusterSettings, target: &Target, roots_are_good: bool) -> String {
    let mut parameters: Vec<(&str, String)> = vec![
        ("nodePreference", "leader".to_owned()),
        // The crate sleeps this long before its first attempt, and makes one attempt less than it is told
        // (protocol §11 T8).
        ("discoveryInterval", "1".to_owned()),
        (
            "maxDiscoverAttempts",
            settings.max_discover_attempts.saturating_add(1).to_string(),
        ),
        (
            "gossipTimeout",
            settings.gossip_timeout.as_millis().to_string(),
        ),
        ("connectionName", connection_name(settings)),
    ];
    match settings.keep_alive {
        None => parameters.push(("keepAliveInterval", "-1".to_owned())),
        Some(keep_alive) => {
            parameters.push((
                "keepAliveInterval",
                keep_alive.interval.as_millis().to_string(),
            ));
            parameters.push((
                "keepAliveTimeout",
                keep_alive.timeout.as_millis().to_string(),
            ));
        }
    }
    match &target.tls {
        Tls::Off => {
            parameters.push(("tls", "false".to_owned()));
            if !roots_are_good {
                // The crate loads the machine's authorities even without TLS, and panics on a bad one
                // (protocol §11 T19).
                parameters.push(("tlsCaFile", "/dev/null".to_owned()));
            }
        }
        Tls::On(files) => {
            parameters.push(("tls", "true".to_owned()));
            parameters.push(("tlsVerifyCert", files.verify.to_string()));
            if let Some(file) = &files.ca_file {
                parameters.push(("tlsCaFile", file.to_string_lossy().into_owned()));
            }
            if let Some(client) = &files.client {
                parameters.push((
                    "userCertFile",
                    client.cert_file.to_string_lossy().into_owned(),
                ));
                parameters.push((
                    "userKeyFile",
                    client.key_file.to_string_lossy().into_owned(),
                ));
            }
        }
    }
    let query: Vec<String> = parameters
        .into_iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, ENCODED)))
        .collect();
    format!("esdb://{}?{}", target.endpoint, query.join("&"))
}
