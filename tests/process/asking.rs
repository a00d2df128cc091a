//! `ditto status` and `ditto check` against a running daemon and real servers.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use devstore::{Options, Server};

use super::support::{Ditto, Servers, ask, seed, until};

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_a_table_json_and_what_is_wrong() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 7);
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let url = format!("http://{}", ditto.http().await);
    let (code, table, said) = ask(&[
        "status",
        "--url",
        &url,
        "--wait",
        "caught-up",
        "--timeout",
        "30s",
    ]);
    assert_eq!(code, Some(0), "{table}{said}");
    let row = table.lines().last().expect("a row");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        cells,
        ["$ce-customer", "g", "running", "7", "0", "0", "0", "0"],
        "{table}"
    );

    let (code, json, _) = ask(&["status", "--url", &url, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(code, Some(0));
    assert_eq!(report["subscriptions"][0]["copied"], 7);
    assert_eq!(report["subscriptions"][0]["lag_events"], 0);

    servers.destination.stop().await;
    seed(servers.source.store(), "customer-1", 1);
    until("a complaint", || {
        let (code, _, said) = ask(&["status", "--url", &url]);
        (code == Some(1) && said.contains("$ce-customer::g: retrying")).then_some(())
    })
    .await;
    let (code, shown, said) = ask(&["status", "--url", &url, "--health"]);
    assert_eq!((code, &*shown), (Some(0), "ok\n"), "{said}");
    let (code, _, said) = ask(&[
        "status",
        "--url",
        &url,
        "--wait",
        "caught-up",
        "--timeout",
        "1s",
    ]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("$ce-customer::g: "), "{said}");
}

#[test]
fn health_fails_with_the_reasons_of_the_daemon() {
    for (answer, told) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\n\r\n$ce-a::g: stood still\n",
            "$ce-a::g: stood still",
        ),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "answered 404"),
        ("", "check that it runs"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a question");
            let mut question = [0; 1024];
            let length = stream.read(&mut question).expect("readable");
            stream.write_all(answer.as_bytes()).expect("written");
            String::from_utf8_lossy(&question[..length]).into_owned()
        });
        let (code, _, said) = ask(&["status", "--url", &url, "--health"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(told), "{said}");
        let question = answering.join().expect("no panic");
        assert!(question.starts_with("GET /healthz "), "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_finds_the_daemon_by_its_configuration() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&[]));
    let address = ditto.http().await.to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(
        &file,
        servers.configuration(&[]).replace("127.0.0.1:0", &address),
    )
    .expect("written");
    let (code, table, said) = ask(&["status", "--config", file.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        table.contains("no subscriptions or mirrors configured"),
        "{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_connect_looks_at_both_sides_and_changes_nothing() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 2);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("written");
        ask(&[
            "check",
            "--connect",
            "--config",
            file.to_str().expect("UTF-8"),
        ])
    };
    let groups = servers.configuration(&["g"]);
    let (code, said, _) = check(&groups);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "is valid: 1 subscription, from 127.0.0.1:",
        "ok: source: 127.0.0.1:",
        "version 23.10.4, anonymous",
        "ok: destination: 127.0.0.1:",
        "ok: $ce-customer::g: the group is missing; ditto will create it (create = true)",
    ] {
        assert!(said.contains(line), "{line:?} in {said}");
    }
    let (code, said, _) = check(&(groups.clone() + "create = false\n"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("problem: $ce-customer::g: "), "{said}");
    assert!(
        said.contains("create the group, or set create = true"),
        "{said}"
    );

    // One server under two addresses of this machine.
    let everywhere = Server::start(Options {
        listen: "0.0.0.0:0".parse().expect("an address"),
        ..Options::default()
    });
    let everywhere = everywhere.await.expect("a server");
    let at = |host: &str| format!("esdb://{host}:{}?tls=false", everywhere.address().port());
    let same = groups
        .replace(&servers.source.connection_string(), &at("127.0.0.1"))
        .replace(&servers.destination.connection_string(), &at("127.0.0.2"));
    let (code, said, _) = check(&same);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("source and destination are the same cluster"),
        "{said}"
    );

    servers.destination.stop().await;
    let (code, said, _) = check(&groups);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("problem: destination"), "{said}");
    assert!(said.contains("check that the server runs"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_stream_is_reported_with_its_projections_state() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 1);
    let faulted = Servers::start().await;
    // A client's append into a category stream faults the projection for good once that category gets an event.
    seed(faulted.source.store(), "$ce-customer", 1);
    seed(faulted.source.store(), "customer-1", 1);
    for (servers, stream, expected) in [
        (
            &servers,
            "$ce-custmoer",
            "$ce-custmoer holds no event: check the name; the source's $by_category is Running",
        ),
        (
            &faulted,
            "$ce-order",
            "$ce-order holds no event: start the source's projection $by_category, which is Faulted",
        ),
        (
            &servers,
            "$bc-1",
            "$bc-1 holds no event: check the name, and whether the source's projection $by_correlation_id is running",
        ),
        (
            &servers,
            "order-1",
            "order-1 holds no event: check the name",
        ),
    ] {
        // Links of a part of each stream have no revisions to keep.
        let parts = stream.starts_with("$bc-");
        let configuration = servers
            .configuration(&["g"])
            .replace("$ce-customer", stream)
            + &format!("skip_version_check = {parts}\n");
        let ditto = Ditto::start(&configuration);
        ditto.until_logged(expected).await;
        let file = ditto.file();
        let (code, said, _) = ask(&[
            "check",
            "--connect",
            "--config",
            file.to_str().expect("UTF-8"),
        ]);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.contains(&format!("warning: {stream}::g: {expected}")),
            "{said}"
        );
        ditto.until_notified("1 subscription running", 1).await;
        assert_eq!(ditto.log().matches(expected).count(), 1, "{}", ditto.log());
    }
}

#[test]
fn a_credential_that_check_cannot_see_is_a_note_and_for_the_service_a_mistake() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    let text = "[source]\nconnection_string = \"esdb://a:1\"\nuser = \"u\"\npassword_file = \"source.password\"\n\
                [destination]\nconnection_string = \"esdb://b:1\"\n";
    std::fs::write(&file, text).expect("written");
    let file = file.to_str().expect("UTF-8");
    let (code, said, _) = ask(&["check", "--config", file]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("note: ") && said.contains("cannot be seen from here"),
        "{said}"
    );
    let (code, _, said) = ask(&["run", "--config", file]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("$CREDENTIALS_DIRECTORY is not set"), "{said}");
}

#[test]
fn completions_are_printed_for_each_shell() {
    for (shell, text) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef ditto"),
        ("fish", "complete -c ditto"),
    ] {
        let (code, script, _) = ask(&["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        assert!(script.contains(text), "{shell}");
    }
}
