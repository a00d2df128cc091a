//! TLS: real certificates, made for the test. Never leaves a key behind.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use super::super::super::crate_client::CrateClient;
use super::super::super::error::{Class, Side};
use super::super::Client;
use super::fake::Fake;
use super::{client, soon};
use crate::config::cluster::{ClusterKeys, ClusterSettings, ConnectionString, PasswordSource};

/// An authority with a server's certificate and a client's.
pub(super) struct Authority {
    folder: TempDir,
    server: Identity,
}

impl Authority {
    pub(super) fn new() -> Self {
        Self::of("127.0.0.1")
    }

    /// Its server has this name, and no other.
    pub(super) fn of(server: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
            .expect("an authority");
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("written");
        let signed = |name: &str, until: i32| {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
            params.not_after = date_time_ymd(until, 1, 1);
            (
                params
                    .signed_by(&key, &issuer)
                    .expect("a certificate")
                    .pem(),
                key.serialize_pem(),
            )
        };
        let (cert, key) = signed(server, 2040);
        let server = Identity::from_pem(cert, key);
        let (cert, key) = signed("replicator", 2030);
        std::fs::write(folder.path().join("client.pem"), cert).expect("written");
        std::fs::write(folder.path().join("client.key"), key).expect("written");
        Self { folder, server }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) async fn serve(&self, client_certificates: bool) -> Fake {
        provider().await;
        let mut tls = ServerTlsConfig::new().identity(self.server.clone());
        if client_certificates {
            let ca = std::fs::read_to_string(self.file("ca.pem")).expect("readable");
            tls = tls.client_ca_root(Certificate::from_pem(ca));
        }
        Fake::start_with(Some(tls))
    }
}

/// The server of these tests needs the process-wide provider, which the crate installs itself (and panics if it comes
/// second, protocol §11 T18): so a client of the crate comes first.
async fn provider() {
    let settings = "esdb://127.0.0.1:1?tls=false"
        .parse()
        .expect("a good connection string");
    let _client = eventstore::Client::new(settings).expect("a client");
    let installed = async {
        while rustls::crypto::CryptoProvider::get_default().is_none() {
            tokio::task::yield_now().await;
        }
    };
    soon(installed).await;
}

pub(super) fn with_keys(fake: &Fake, parameters: &str, keys: ClusterKeys) -> Client {
    let string =
        ConnectionString::parse(&format!("esdb://{}{parameters}", fake.endpoint)).expect("good");
    Client::connect(
        Side::Source,
        ClusterSettings::new(string, keys).expect("good settings"),
    )
}

#[tokio::test]
async fn a_certificate_is_verified_unless_the_operator_says_otherwise() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let fake = authority.serve(false).await;
    let ca = |authority: &Authority| ClusterKeys {
        tls_ca_file: Some(authority.file("ca.pem")),
        ..Default::default()
    };
    for (parameters, keys, expected) in [
        ("", ca(&authority), Ok(())),
        ("", ca(&stranger), Err("tls")),
        ("?tlsVerifyCert=false", ca(&stranger), Ok(())),
        ("?tlsVerifyCert=false", ClusterKeys::default(), Ok(())),
    ] {
        let outcome = soon(with_keys(&fake, parameters, keys).features()).await;
        assert_eq!(
            outcome.as_ref().map(drop).map_err(|error| error.kind()),
            expected,
            "{parameters} {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_name_that_is_not_in_the_certificate_is_refused() {
    let authority = Authority::new();
    let fake = authority.serve(false).await;
    let keys = ClusterKeys {
        tls_ca_file: Some(authority.file("ca.pem")),
        ..Default::default()
    };
    let string =
        ConnectionString::parse(&format!("esdb://localhost:{}", fake.endpoint.port)).expect("good");
    let client = Client::connect(
        Side::Source,
        ClusterSettings::new(string, keys).expect("good"),
    );
    let error = soon(client.features()).await.expect_err("another name");
    assert_eq!(error.kind(), "tls");
    assert!(
        error.is_transient()
            && error
                .hint()
                .is_some_and(|hint| hint.contains("tls_ca_file"))
    );
}

#[tokio::test]
async fn a_server_that_speaks_what_is_not_configured_is_told_apart() {
    let authority = Authority::new();
    let (clear, tls, strict) = (
        Fake::start(),
        authority.serve(false).await,
        authority.serve(true).await,
    );
    for (fake, parameters, class, hint) in [
        (&tls, "?tls=false", Class::SpeaksTls, "remove tls=false"),
        (&strict, "?tls=false", Class::SpeaksTls, "remove tls=false"),
        (
            &clear,
            "?tlsVerifyCert=false",
            Class::SpeaksNoTls,
            "set tls=false",
        ),
        (&tls, "", Class::Tls, "check tls_ca_file"),
    ] {
        let client = with_keys(fake, parameters, ClusterKeys::default());
        let error = soon(client.features()).await.expect_err("not understood");
        assert_eq!(*error.class(), class, "{error}");
        assert!(
            error.is_transient() && error.kind() == "tls",
            "{parameters}"
        );
        let reported = error.with_hint();
        assert!(reported.contains(hint), "{reported}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let authority = Authority::new();
    let fake = authority.serve(true).await;
    let keys = ClusterKeys {
        tls_ca_file: Some(authority.file("ca.pem")),
        ..Default::default()
    };
    assert!(
        soon(with_keys(&fake, "", keys.clone()).features())
            .await
            .expect_err("none shown")
            .is_transient()
    );
    let keys = ClusterKeys {
        client_cert_file: Some(authority.file("client.pem")),
        client_key_file: Some(authority.file("client.key")),
        ..keys
    };
    soon(with_keys(&fake, "", keys).features())
        .await
        .expect("accepted");
}

#[tokio::test]
async fn bad_files_are_named_before_anybody_is_called() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let fake = authority.serve(false).await;
    std::fs::write(authority.file("empty.pem"), "").expect("written");
    std::fs::write(
        authority.file("bad.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .expect("written");
    let good = ClusterKeys {
        tls_ca_file: Some(authority.file("ca.pem")),
        ..Default::default()
    };
    let ca = |name: &str| ClusterKeys {
        tls_ca_file: Some(authority.file(name)),
        ..Default::default()
    };
    let pair = |cert, key| ClusterKeys {
        client_cert_file: Some(cert),
        client_key_file: Some(key),
        ..good.clone()
    };
    for (keys, expected) in [
        (ca("missing.pem"), "missing.pem: there is no such file"),
        (ca("empty.pem"), "empty.pem: holds no certificate"),
        (ca("bad.pem"), "bad.pem: "),
        (ca("client.key"), "client.key: holds no certificate"),
        (
            pair(authority.file("client.pem"), stranger.file("client.key")),
            "do not fit together",
        ),
        (
            pair(authority.file("client.pem"), authority.file("ca.pem")),
            "holds no private key",
        ),
        (
            pair(authority.file("missing.pem"), authority.file("client.key")),
            "missing.pem: there is no such file",
        ),
        (
            ClusterKeys {
                user: Some("u".into()),
                password: Some(PasswordSource::File(authority.file("empty.pem"))),
                ..good.clone()
            },
            "empty.pem: the first line must hold the secret",
        ),
    ] {
        let client = with_keys(&fake, "", keys);
        let error = soon(client.features()).await.expect_err(expected);
        assert_eq!(*error.class(), Class::Configuration);
        assert!(
            error.to_string().contains(expected),
            "{error} lacks {expected}"
        );
    }
    assert_eq!(fake.asked("features"), 0);
}

#[tokio::test]
async fn the_crates_client_gets_what_ditto_checked() {
    let fake = Fake::start();
    let own = client(&format!(
        "esdb://admin:p%40ss@{}?tls=false&connectionName=copy",
        fake.endpoint
    ));
    let made = soon(CrateClient::new(&own)).await.expect("a client");
    assert_eq!(made.node, fake.endpoint);
    assert!(made.credentials.is_some());
    let settings = made.client.settings();
    assert_eq!(settings.hosts().len(), 1);
    assert!(settings.default_authenticated_user().is_none() && !settings.is_secure_mode_enabled());
    assert!(
        settings.max_discover_attempts() >= 2 && settings.discovery_interval().as_millis() <= 100
    );
    assert_eq!(
        settings.node_preference(),
        eventstore::NodePreference::Leader
    );
    soon(made.client.server_info()).await.expect("it connects");
}

#[tokio::test]
async fn the_crates_client_speaks_tls_with_the_files_of_the_configuration() {
    let authority = Authority::new();
    let fake = authority.serve(true).await;
    let keys = ClusterKeys {
        tls_ca_file: Some(authority.file("ca.pem")),
        client_cert_file: Some(authority.file("client.pem")),
        client_key_file: Some(authority.file("client.key")),
        ..Default::default()
    };
    let made = soon(CrateClient::new(&with_keys(&fake, "", keys)))
        .await
        .expect("a client");
    soon(made.client.server_info()).await.expect("it connects");
}

#[tokio::test]
async fn no_client_of_the_crate_is_made_of_a_bad_file() {
    let authority = Authority::new();
    let fake = authority.serve(false).await;
    let keys = ClusterKeys {
        tls_ca_file: Some(authority.file("missing.pem")),
        ..Default::default()
    };
    let error = soon(CrateClient::new(&with_keys(&fake, "", keys)))
        .await
        .expect_err("missing");
    assert_eq!(*error.class(), Class::Configuration);
}

#[tokio::test]
async fn changed_certificate_files_are_read_again_without_a_new_client() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let fake = authority.serve(true).await;
    let keys = ClusterKeys {
        tls_ca_file: Some(stranger.file("ca.pem")),
        client_cert_file: Some(stranger.file("client.pem")),
        client_key_file: Some(stranger.file("client.key")),
        ..Default::default()
    };
    let client = with_keys(&fake, "", keys);
    assert_eq!(
        soon(client.features())
            .await
            .expect_err("a stranger")
            .kind(),
        "tls"
    );
    for name in ["ca.pem", "client.pem", "client.key"] {
        std::fs::copy(authority.file(name), stranger.file(name)).expect("copied");
    }
    soon(client.features()).await.expect("rotated");
}

#[tokio::test]
async fn the_first_expiry_of_the_certificates_in_use_is_known() {
    let authority = Authority::new();
    let fake = authority.serve(true).await;
    // As signed for the test: the server's in 2040, the client's in 2030.
    let (servers, own) = (
        Duration::from_secs(2_208_988_800),
        Duration::from_secs(1_893_456_000),
    );
    let anonymous = ClusterKeys {
        tls_ca_file: Some(authority.file("ca.pem")),
        ..Default::default()
    };
    let with_own = ClusterKeys {
        client_cert_file: Some(authority.file("client.pem")),
        client_key_file: Some(authority.file("client.key")),
        ..anonymous.clone()
    };
    for (keys, expected) in [(anonymous, servers), (with_own, own)] {
        let client = with_keys(&fake, "", keys);
        assert_eq!(client.certificate_expiry(), None);
        drop(soon(client.features()).await);
        assert_eq!(client.certificate_expiry(), Some(expected));
    }
    assert_eq!(client("esdb://a?tls=false").certificate_expiry(), None);
}
