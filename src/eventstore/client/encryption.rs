//! Why a node cannot be spoken to: it speaks TLS and ditto does not, or the other way round.
//!
//! Asks the address itself, after a failure, because what such a server sends is different for each kind of server and
//! names no cause (protocol §10). Never sends a credential.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ditto_protocol::server_features::server_features_client::ServerFeaturesClient;
use ditto_protocol::shared::Empty;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Request;
use tonic::transport::Channel;

use super::super::error::{Class, Error};
use super::addresses::dial;
use crate::config::cluster::{Endpoint, TlsFiles};
use crate::net::tls::TlsMaterial;

/// The same error, or what the server was found to speak instead. `clear`: a connection to the address without TLS, where
/// TLS is configured.
pub(super) async fn explained(
    error: Error,
    node: &Endpoint,
    address: SocketAddr,
    clear: Option<Channel>,
    limit: Duration,
) -> Error {
    match (error.class(), clear) {
        (Class::Transient, None) if speaks_tls(node, address, limit).await => {
            let text = format!("the server speaks TLS ({})", error.detail());
            error.becomes(Class::SpeaksTls, text)
        }
        (Class::Transient | Class::Tls, Some(clear)) if answers(clear.clone(), limit).await => {
            let text = format!("the server answers without TLS ({})", error.detail());
            error.becomes(Class::SpeaksNoTls, text)
        }
        _ => error,
    }
}

/// Whether a handshake is taken up, whatever the certificate; also one that ends with an alert of the server's.
async fn speaks_tls(node: &Endpoint, address: SocketAddr, limit: Duration) -> bool {
    let anybody = TlsFiles {
        ca_file: None,
        verify: false,
        client: None,
    };
    let config =
        TlsMaterial::load(&anybody, &Arc::default()).and_then(|material| material.client_config());
    let (Ok(config), Ok(name)) = (config, ServerName::try_from(node.host.clone())) else {
        return false;
    };
    let asking = async {
        let stream = dial(address).await?;
        TlsConnector::from(config).connect(name, stream).await
    };
    match timeout(limit, asking).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some_and(|error| matches!(error, rustls::Error::AlertReceived(_))),
        Err(_) => false,
    }
}

/// Whether anything of gRPC comes back without TLS.
async fn answers(clear: Channel, limit: Duration) -> bool {
    let mut client = ServerFeaturesClient::new(clear);
    let asking = client.get_supported_methods(Request::new(Empty {}));
    match timeout(limit, asking).await {
        Ok(Ok(_)) => true,
        // What the server itself says has no source (`error::status`).
        Ok(Err(status)) => std::error::Error::source(&status).is_none(),
        Err(_) => false,
    }
}
