//! Settings put together from a connection string and keys. Never touches a file or a socket.

use super::*;

fn build(string: &str, keys: ClusterKeys) -> Result<ClusterSettings, Vec<&'static str>> {
    let string = ConnectionString::parse(string).expect("a good connection string");
    ClusterSettings::new(string, keys).map_err(|problems| problems.iter().map(|p| p.key).collect())
}

#[test]
fn settings_from_the_string_and_from_keys_are_put_together() {
    let keys = ClusterKeys {
        user: Some("replicator".into()),
        password: Some(PasswordSource::File("/run/secret".into())),
        tls_ca_file: Some("/etc/ca.pem".into()),
        client_cert_file: Some("/etc/c.pem".into()),
        client_key_file: Some("/etc/k.pem".into()),
    };
    let settings = build("esdb://a:1?tlsVerifyCert=false", keys).expect("valid");
    assert_eq!(
        settings.nodes,
        Nodes::Single(Endpoint {
            host: "a".into(),
            port: 1
        })
    );
    let credentials = settings.credentials.expect("credentials");
    assert_eq!(
        (credentials.user.as_str(), credentials.password),
        ("replicator", PasswordSource::File("/run/secret".into()))
    );
    let Tls::On(files) = settings.tls else {
        panic!("TLS is the default")
    };
    assert_eq!(files.ca_file, Some("/etc/ca.pem".into()));
    assert!(!files.verify && files.client.is_some());
}

#[test]
fn an_address_that_a_server_names_can_be_called_or_is_none() {
    for (host, port, expected) in [
        ("node2", 2113, Some("node2:2113")),
        ("10.1.2.3", 1, Some("10.1.2.3:1")),
        ("::1", 2113, Some("[::1]:2113")),
        ("[fe80::1]", 2113, Some("[fe80::1]:2113")),
        ("", 2113, None),
        ("node2", 0, None),
        ("node2", 65_536, None),
        ("user@elsewhere", 2113, None),
        ("elsewhere/path", 2113, None),
        ("two words", 2113, None),
        ("1:2", 2113, None),
    ] {
        let named = Endpoint::named(host, port).map(|endpoint| endpoint.to_string());
        assert_eq!(named.as_deref(), expected, "{host}");
    }
}

#[test]
fn contradictions_are_all_named() {
    // Which keys are set beside the string: u(ser), p(assword), a (CA), c(ertificate), k(ey).
    let cases = [
        ("esdb://a", "u", vec!["user"]),
        ("esdb://a", "p", vec!["password"]),
        ("esdb://u:p@a", "up", vec!["user", "password"]),
        ("esdb://a:1?tls=false", "a", vec!["tls_ca_file"]),
        ("esdb://a?tlsCaFile=/x", "a", vec!["tls_ca_file"]),
        ("esdb://a", "c", vec!["client_cert_file"]),
        ("esdb://a", "k", vec!["client_key_file"]),
        ("esdb://u@a?tls=false", "k", vec!["user", "client_key_file"]),
        ("esdb://a%3Ab:p@a", "", vec!["user"]),
        ("esdb://:p@a", "", vec!["user"]),
    ];
    for (string, set, expected) in cases {
        let file = |letter: char| set.contains(letter).then(|| PathBuf::from("f"));
        let keys = ClusterKeys {
            user: set.contains('u').then(|| "u".into()),
            password: set
                .contains('p')
                .then(|| PasswordSource::Text(Secret::new("x"))),
            tls_ca_file: file('a'),
            client_cert_file: file('c'),
            client_key_file: file('k'),
        };
        assert_eq!(build(string, keys), Err(expected), "{string} {set}");
    }
}

#[test]
fn a_user_in_the_string_is_completed_by_a_password_file() {
    let keys = ClusterKeys {
        password: Some(PasswordSource::File("f".into())),
        ..Default::default()
    };
    let settings = build("esdb://u@a?tls=false", keys).expect("valid");
    assert_eq!(settings.credentials.map(|c| c.user), Some("u".into()));
}

#[test]
fn addresses_are_shown_as_they_are_dialled() {
    for (host, port, shown) in [
        ("a", 1, "a:1"),
        ("::1", 2113, "[::1]:2113"),
        ("10.0.0.1", 9, "10.0.0.1:9"),
    ] {
        assert_eq!(
            Endpoint {
                host: host.into(),
                port
            }
            .to_string(),
            shown
        );
    }
}
