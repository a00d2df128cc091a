//! When the certificates in use expire: the server's, as last shown, and ditto's own.
//!
//! Never decides anything: it only lets a metric warn in time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use x509_parser::parse_x509_certificate;

const UNKNOWN: i64 = i64::MAX;

/// Seconds since 1970 at which certificates expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    servers: AtomicI64,
    own: AtomicI64,
}

impl Default for Expiry {
    fn default() -> Self {
        Self {
            servers: AtomicI64::new(UNKNOWN),
            own: AtomicI64::new(UNKNOWN),
        }
    }
}

impl Expiry {
    pub(super) fn servers_is_seen(&self, certificate: &CertificateDer<'_>) {
        self.servers
            .store(not_after(certificate), Ordering::Relaxed);
    }

    pub(super) fn own_is_shown(&self, certificate: &CertificateDer<'_>) {
        self.own.store(not_after(certificate), Ordering::Relaxed);
    }

    /// The first of them, as time since 1970; `None` while no certificate is known.
    pub(crate) fn first(&self) -> Option<Duration> {
        let first = self
            .servers
            .load(Ordering::Relaxed)
            .min(self.own.load(Ordering::Relaxed));
        (first != UNKNOWN).then(|| Duration::from_secs(u64::try_from(first).unwrap_or_default()))
    }
}

fn not_after(certificate: &CertificateDer<'_>) -> i64 {
    match parse_x509_certificate(certificate) {
        Ok((_, parsed)) => parsed.validity().not_after.timestamp(),
        Err(_) => UNKNOWN,
    }
}
