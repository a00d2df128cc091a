//! TLS as ditto's own client uses it, and the check of every file before any client sees it.
//!
//! Never installs a process-wide provider: the crate does that itself and panics if it comes second
//! (protocol §11 T18). Never skips verification unless the operator says so.

mod expiry;
mod verifier;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tonic::transport::{ClientTlsConfig, Identity};

pub(crate) use expiry::Expiry;

use super::files;
use crate::config::cluster::{ClientCertificate, TlsFiles};
use verifier::{Anybody, Watched};

/// Everything that TLS needs, read, parsed and known to fit together.
#[derive(Clone, Debug)]
pub(crate) struct TlsMaterial {
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<(Identity, Arc<CertifiedKey>)>,
}

impl TlsMaterial {
    /// Reads and checks the files, and takes note of when certificates expire. The error names file and reason.
    pub(crate) fn load(files: &TlsFiles, expiry: &Arc<Expiry>) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if files.verify {
            let roots = match &files.ca_file {
                Some(file) => roots_of(file)?,
                None => native_roots()?,
            };
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| format!("no certificate can be verified: {error}"))?
        } else {
            if let Some(file) = &files.ca_file {
                // The crate loads it in any case, and panics on a bad one (protocol §11 T19).
                roots_of(file)?;
            }
            Arc::new(Anybody(provider.clone()))
        };
        let verifier = Arc::new(Watched {
            verifier,
            expiry: expiry.clone(),
        });
        let identity = files
            .client
            .as_ref()
            .map(|client| identity(client, &provider, expiry))
            .transpose()?;
        Ok(Self {
            provider,
            verifier,
            identity,
        })
    }

    /// For one connection: the name to be verified, and the limit of the handshake.
    pub(crate) fn for_host(
        &self,
        host: &str,
        limit: Duration,
    ) -> (ClientTlsConfig, Arc<dyn ServerCertVerifier>) {
        let mut config = ClientTlsConfig::new().domain_name(host).timeout(limit);
        if let Some((identity, _)) = &self.identity {
            config = config.identity(identity.clone());
        }
        (config, self.verifier.clone())
    }

    /// For connections that are made without tonic: HTTP/2, and the same verification.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, String> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier.clone());
        let mut config = match &self.identity {
            Some((_, key)) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone())))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The authorities of a file.
pub(crate) fn roots_of(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, &files::read(file)?)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(roots)
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{}: not PEM: {error}", file.display()))?;
    if certificates.is_empty() {
        return Err(format!(
            "{}: holds no certificate in PEM form",
            file.display()
        ));
    }
    Ok(certificates)
}

/// The machine's own authorities. The crate panics on a single one that does not parse (protocol §11 T19), so neither
/// may ditto tolerate it.
pub(crate) fn native_roots() -> Result<RootCertStore, String> {
    let loaded = rustls_native_certs::load_native_certs();
    if let Some(error) = loaded.errors.first() {
        return Err(format!(
            "the machine's certificate store cannot be read: {error}; set tls_ca_file"
        ));
    }
    let mut roots = RootCertStore::empty();
    for certificate in loaded.certs {
        roots.add(certificate).map_err(|error| {
            format!("the machine's certificate store holds a certificate that does not parse: {error}; set tls_ca_file")
        })?;
    }
    if roots.is_empty() {
        return Err("the machine has no certificate authorities: install ca-certificates or set tls_ca_file".to_owned());
    }
    Ok(roots)
}

fn identity(
    client: &ClientCertificate,
    provider: &Arc<CryptoProvider>,
    expiry: &Expiry,
) -> Result<(Identity, Arc<CertifiedKey>), String> {
    let (cert_file, key_file) = (&client.cert_file, &client.key_file);
    let (cert_pem, key_pem) = (files::read(cert_file)?, files::read(key_file)?);
    let chain = certificates(cert_file, &cert_pem)?;
    if let Some(certificate) = chain.first() {
        expiry.own_is_shown(certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|error| {
        format!(
            "{}: holds no private key in PEM form: {error}",
            key_file.display()
        )
    })?;
    // Also finds a key that does not belong to the certificate.
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        format!(
            "{} and {} do not fit together: {error}",
            cert_file.display(),
            key_file.display()
        )
    })?;
    Ok((Identity::from_pem(cert_pem, key_pem), Arc::new(key)))
}
