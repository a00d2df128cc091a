//! TLS with a given certificate (protocol §10).
//!
//! Asks no client for a certificate, and verifies none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::socket::Wire;
use crate::options::Certificate;

/// How long a client may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Reads a certificate.
///
/// # Errors
/// It is none, or the key does not fit.
pub(crate) fn acceptor(certificate: &Certificate) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(&certificate.chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(invalid)?;
    let key = PrivateKeyDer::from_pem_slice(&certificate.key_pem).map_err(invalid)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(invalid)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(invalid)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Agrees on TLS with a client.
pub(super) async fn accept<W: Wire>(acceptor: &TlsAcceptor, wire: W) -> io::Result<TlsStream<W>> {
    tokio::time::timeout(HANDSHAKE, acceptor.accept(wire))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
