//! Users, passwords and TLS (protocol §5.3, §9, §10). Which lists allow what is tested beside them.

use std::sync::Arc;

use devstore::{Certificate, Options, Server, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::Code;

use crate::support::{append, append_as, server, within};

#[tokio::test]
async fn users_must_log_in_and_may_not_do_everything() {
    let options = Options {
        users: Some(vec![
            User::admin(),
            User {
                name: "ann".to_owned(),
                password: "secret".to_owned(),
                groups: Vec::new(),
            },
        ]),
        ..Options::default()
    };
    let (server, mut client) = server(options).await;
    // admin:changeit, ann:secret, ann:wrong
    let (admin, ann, wrong) = (
        "Basic YWRtaW46Y2hhbmdlaXQ=",
        "Basic YW5uOnNlY3JldA==",
        "Basic YW5uOndyb25n",
    );
    for (header, stream, expected) in [
        (Some(admin), "$system", None),
        (Some(ann), "plain", None),
        (Some(ann), "$system", Some(Code::PermissionDenied)),
        (Some(wrong), "plain", Some(Code::Unauthenticated)),
        (None, "plain", Some(Code::PermissionDenied)),
    ] {
        let answer = append_as(&mut client, stream, 1, |headers| {
            if let Some(header) = header {
                headers.insert("authorization", header.parse().unwrap());
            }
        });
        let code = answer.await.err().map(|status| status.code());
        assert_eq!(code, expected, "{header:?} {stream}");
    }
    server.set_users(None);
    append(&mut client, "$system", 2)
        .await
        .expect("nobody has to log in any more");
}

#[tokio::test]
async fn tls_is_served_with_the_certificate_given() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let options = Options {
        tls: Some(Certificate {
            chain_pem: made.cert.pem().into_bytes(),
            key_pem: made.signing_key.serialize_pem().into_bytes(),
        }),
        ..Options::default()
    };
    let server = Server::start(options).await.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    for (offered, agreed) in [(&b"h2"[..], &b"h2"[..]), (b"http/1.1", b"http/1.1")] {
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
        config.alpn_protocols = vec![offered.to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let socket = TcpStream::connect(server.address()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = within(connector.connect(name, socket)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(agreed));
        if agreed == b"http/1.1" {
            stream
                .write_all(b"GET /info HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            within(stream.read_to_string(&mut answer)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
}
