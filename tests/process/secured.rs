//! Certificates and rights, as an administrator meets them. Never leaves a key behind.

use std::path::{Path, PathBuf};

use devstore::store::{Expected, Store};
use devstore::{Certificate, Options, Server, User};
use eventstore::PersistentSubscriptionOptions;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::support::{Ditto, Servers, ask, command, get, seed, until, until_or};

/// An authority that signs servers' certificates.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        Self { issuer }
    }

    fn file(&self, folder: &Path) -> PathBuf {
        let file = folder.join("ca.pem");
        std::fs::write(&file, self.issuer.pem()).expect("written");
        file
    }

    /// A server whose certificate expires when this year begins.
    async fn server(&self, year: i32) -> Server {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        params.not_after = date_time_ymd(year, 1, 1);
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let options = Options {
            tls: Some(Certificate {
                chain_pem: signed.pem().into_bytes(),
                key_pem: key.serialize_pem().into_bytes(),
            }),
            ..Options::default()
        };
        Server::start(options).await.expect("a server")
    }

    /// Source and destination, whose certificates expire when these years begin.
    async fn servers(&self, source: i32, destination: i32) -> Servers {
        Servers {
            source: self.server(source).await,
            destination: self.server(destination).await,
        }
    }
}

/// A configuration in which both sides are verified with this file.
fn trusting(servers: &Servers, ca_file: &Path) -> String {
    let ca = format!("tls_ca_file = \"{}\"\n\n[", ca_file.display());
    servers
        .configuration(&["g"])
        .replacen("\n[destination]", &format!("{ca}destination]"), 1)
        .replacen("\n[http]", &format!("{ca}http]"), 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_file_that_becomes_wrong_and_right_again_loses_nothing() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let servers = authority.servers(2040, 2040).await;
    let file = authority.file(folder.path());
    let ditto = Ditto::start(&trusting(&servers, &file));
    let is_copied = || servers.is_copied("customer-1").then_some(());
    seed(servers.source.store(), "customer-1", 3);
    until("the copy over TLS", is_copied).await;
    for (wrong, complaint) in [
        ("half a file".to_owned(), "holds no certificate in PEM form"),
        (Authority::new().issuer.pem(), "check tls_ca_file"),
    ] {
        std::fs::write(&file, wrong).expect("written");
        // What is connected stays so; only a new connection reads the file.
        for server in [&servers.source, &servers.destination] {
            server.stop().await;
            server.start_again().await.expect("the server is back");
        }
        seed(servers.source.store(), "customer-1", 3);
        ditto.until_logged(complaint).await;
        authority.file(folder.path());
        until("the rest is copied", is_copied).await;
    }
    assert_eq!(servers.destination.counters().appended_events, 9);
    assert!(!ditto.log().contains("panicked"), "{}", ditto.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_yet_is_waited_for_and_check_fails() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let secured = authority.servers(2040, 2040).await;
    let plain = Servers::start().await;
    let file = folder.path().join("ca.pem");
    let login = format!("user = \"u\"\npassword_file = \"{}\"\n\n", file.display());
    let at_source = plain.configuration(&["g"]).replacen(
        "\n[destination]",
        &format!("{login}[destination]"),
        1,
    );
    let at_destination =
        plain
            .configuration(&["h"])
            .replacen("\n[http]", &format!("{login}[http]"), 1);
    for (servers, text, stream) in [
        (&plain, &at_source, "customer-1"),
        (&plain, &at_destination, "customer-2"),
        (&secured, &trusting(&secured, &file), "customer-3"),
    ] {
        for before in [None, Some("")] {
            std::fs::remove_file(&file).unwrap_or_default();
            if let Some(before) = before {
                std::fs::write(&file, before).expect("written");
            }
            seed(servers.source.store(), stream, 3);
            let mut ditto = Ditto::start(text);
            let address = ditto.http().await;
            ditto.until_logged("cannot be used").await;
            let name = file.display().to_string();
            until_or(
                || get(address, "/status").body + &ditto.log(),
                || {
                    let body = get(address, "/status").body;
                    body.contains(&name).then_some(())
                },
            )
            .await;
            let (code, shown, said) = ask(&["check", "--config", &ditto.file().to_string_lossy()]);
            assert_eq!(code, Some(1), "{shown}{said}");
            assert!(said.contains(&name), "{said}");
            assert!(!servers.is_copied(stream), "{stream}");
            // A password to the one, an authority to the other: servers without users take any.
            authority.file(folder.path());
            let is_copied = || servers.is_copied(stream).then_some(());
            until("the copy", is_copied).await;
            ditto.signal("TERM");
            assert_eq!(ditto.exit().await, Some(0), "{}", ditto.log());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credential_that_is_missing_is_waited_for_and_never_named() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let folder = tempfile::tempdir().expect("a folder");
    let login = "user = \"u\"\npassword_file = \"hunter2\"\n\n[destination]";
    let text = servers
        .configuration(&["g"])
        .replacen("\n[destination]", login, 1);
    let mut service = command();
    service.env("CREDENTIALS_DIRECTORY", folder.path());
    let mut ditto = Ditto::start_with(&text, service);
    let address = ditto.http().await;
    ditto.until_logged("there is no such credential").await;
    let reason = "a credential in $CREDENTIALS_DIRECTORY: there is no such file";
    until_or(
        || get(address, "/status").body + &ditto.log(),
        || {
            let body = get(address, "/status").body;
            body.contains(reason).then_some(())
        },
    )
    .await;
    std::fs::write(folder.path().join("hunter2"), "x").expect("written");
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    ditto.signal("TERM");
    assert_eq!(ditto.exit().await, Some(0), "{}", ditto.log());
    let told = ditto.log() + &ditto.notified().join("\n");
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_file_that_is_not_there_yet_costs_lines_of_the_log_only() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 3);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key").display().to_string();
    let ditto = Ditto::start(&format!(
        "{}\n[log.otlp]\nendpoint = \"http://127.0.0.1:9\"\nheader_files = {{ X-Key = \"{file}\" }}\n",
        servers.configuration(&["g"])
    ));
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    let line = ditto.until_logged("does not take them").await;
    assert!(line.contains(&file), "{line}");
    let (code, shown, said) = ask(&["check", "--config", &ditto.file().to_string_lossy()]);
    assert_eq!(code, Some(1), "{shown}{said}");
    assert!(said.contains(&file), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_each_sides_certificate_is_measured() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let servers = authority.servers(2040, 2041).await;
    seed(servers.source.store(), "customer-1", 3);
    let ditto = Ditto::start(&trusting(&servers, &authority.file(folder.path())));
    let address = ditto.http().await;
    until("the copy over TLS", || {
        servers.is_copied("customer-1").then_some(())
    })
    .await;
    // The first seconds of 2040 and 2041.
    for (side, expiry) in [
        ("source", 2_208_988_800_i64),
        ("destination", 2_240_611_200),
    ] {
        let line = format!(
            "ditto_tls_certificate_expiry_timestamp_seconds{{side=\"{side}\",app=\"ditto\"}} {expiry}"
        );
        until(&line, || {
            let text = get(address, "/metrics").body;
            text.lines().any(|found| found == line).then_some(())
        })
        .await;
    }
}

fn user(name: &str, groups: &[&str]) -> User {
    User {
        name: name.to_owned(),
        password: "changeit".to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
    }
}

/// Servers where users log in; the source has the group `g`.
async fn with_users() -> Servers {
    let start = || async {
        Server::start(Options {
            users: Some(vec![
                User::admin(),
                user("reader", &[]),
                user("operator", &["$ops"]),
            ]),
            ..Options::default()
        })
        .await
        .expect("a server")
    };
    let servers = Servers {
        source: start().await,
        destination: start().await,
    };
    seed(servers.source.store(), "customer-1", 2);
    let login = servers
        .source
        .connection_string()
        .replace("esdb://", "esdb://admin:changeit@")
        .parse()
        .expect("a connection string");
    eventstore::Client::new(login)
        .expect("a client")
        .create_persistent_subscription(
            "$ce-customer",
            "g",
            &PersistentSubscriptionOptions::default().resolve_link_tos(true),
        )
        .await
        .expect("the group");
    servers
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connect_names_the_rights_that_are_missing() {
    let servers = with_users().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    let check = |source: &str, destination: &str, group: &str| {
        let login = |server: &Server, login: &str| {
            let plain = server.connection_string();
            (
                plain.clone(),
                plain.replace("esdb://", &format!("esdb://{login}@")),
            )
        };
        let mut text = servers.configuration(&[group]);
        for (server, user) in [
            (&servers.source, source),
            (&servers.destination, destination),
        ] {
            let (plain, with_login) = login(server, user);
            text = text.replacen(&plain, &with_login, 1);
        }
        std::fs::write(&file, text).expect("written");
        let arguments = ["check", "--connect", "--config"];
        let file = file.to_str().expect("UTF-8");
        ask(&[&arguments[..], &[file]].concat())
    };
    let (admin, reader, operator) = ("admin:changeit", "reader:changeit", "operator:changeit");
    let there = "ok: $ce-customer::g: the group is there";
    let parked = "grant the user read on $persistentsubscription-$ce-customer::g-parked";
    let writes = "permission of user \"reader\" to write was not tested";
    let rows = [
        (admin, admin, "g", Some(0), there),
        ("admin:wrong", admin, "g", Some(1), "problem: source"),
        (admin, "reader:wrong", "g", Some(1), "problem: destination"),
        (reader, admin, "g", Some(0), parked),
        (operator, admin, "g", Some(0), parked),
        (
            reader,
            admin,
            "h",
            Some(1),
            "problem: $ce-customer::h: the group is missing, and the user has no permission to create it: add the user to $ops",
        ),
        (
            operator,
            admin,
            "h",
            Some(0),
            "ok: $ce-customer::h: the group is missing; ditto will create it (create = true)",
        ),
        (admin, reader, "g", Some(0), writes),
    ];
    for row in rows {
        judge(check, row);
    }
    // The projection lets everybody read what it writes; an administrator may see that otherwise.
    let list = Store::json_event("$metadata", r#"{"$acl":{"$r":"$admins"}}"#.to_owned());
    servers
        .source
        .store()
        .append("$$$ce-customer", Expected::Any, vec![list])
        .expect("an append");
    let denied = "problem: $ce-customer::g: source: ";
    judge(check, (reader, admin, "g", Some(1), denied));
    judge(check, (admin, admin, "g", Some(0), there));
}

/// Logins at the source and at the destination, group, exit code, and what has to be said.
type Row<'a> = (&'a str, &'a str, &'a str, Option<i32>, &'a str);

fn judge(check: impl Fn(&str, &str, &str) -> (Option<i32>, String, String), row: Row<'_>) {
    let (source, destination, group, expected, text) = row;
    let (code, said, complaint) = check(source, destination, group);
    let row = format!("{source} {destination} {group}: {said}{complaint}");
    assert_eq!(code, expected, "{row}");
    assert!(said.contains(text), "{text:?} in {row}");
    assert!(!said.contains("changeit"), "{row}");
}
