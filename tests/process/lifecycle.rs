//! Start, end and exit codes of the real program, and what systemd is told meanwhile.

use std::net::TcpListener;

use devstore::{Fault, FaultKind};

use super::support::{Ditto, Servers, command, seed, until};

#[tokio::test]
async fn a_daemon_gets_ready_copies_and_stops_cleanly() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 5);
    let mut ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("READY=1", 1).await;
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    ditto
        .until_notified("STATUS=1 subscription running", 1)
        .await;
    ditto.signal("TERM");
    assert_eq!(ditto.exit().await, Some(0), "{}", ditto.log());
    let told = ditto.notified();
    let position = |text: &str| told.iter().position(|one| one.contains(text));
    assert!(position("READY=1") < position("STOPPING=1"), "{told:?}");
    assert_eq!(
        told.iter().filter(|one| one.contains("READY=1")).count(),
        1,
        "{told:?}"
    );
    assert!(
        ditto.log().contains("everything in flight was finished"),
        "{}",
        ditto.log()
    );
}

#[tokio::test]
async fn the_shipped_configuration_is_ready_and_idle() {
    let shipped = std::fs::read_to_string("etc/ditto/ditto.toml").expect("the shipped file");
    let mut command = command();
    command.env("DITTO__HTTP__LISTEN", "127.0.0.1:0");
    let mut ditto = Ditto::start_with(&shipped, command);
    ditto
        .until_notified("STATUS=no subscriptions or mirrors configured", 1)
        .await;
    ditto.until_notified("READY=1", 1).await;
    ditto.signal("INT");
    assert_eq!(ditto.exit().await, Some(0));
}

#[tokio::test]
async fn with_a_source_that_is_away_it_gets_ready_and_says_what_it_waits_for() {
    let servers = Servers::start().await;
    // Nobody listens there, and no other test can: it is a privileged port.
    let gone = "127.0.0.1:1";
    let configuration = servers.configuration(&["g"]).replacen(
        &servers.source.connection_string(),
        &format!("esdb://{gone}?tls=false"),
        1,
    );
    let mut ditto = Ditto::start(&configuration);
    ditto.until_notified("READY=1", 1).await;
    ditto
        .until_notified("0 subscriptions running, 1 retrying: $ce-customer::g (", 1)
        .await;
    ditto.signal("TERM");
    assert_eq!(ditto.exit().await, Some(0), "{}", ditto.log());
}

#[tokio::test]
async fn a_second_signal_ends_a_stop_that_takes_long() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 5);
    let configuration = servers.configuration(&["g"]) + "\n[daemon]\nshutdown_timeout = \"1h\"\n";
    // A destination that takes connections and never answers: what is in flight stays so.
    servers.destination.stop().await;
    let silent = TcpListener::bind(servers.destination.address()).expect("the same port");
    let mut ditto = Ditto::start(&configuration);
    ditto.until_logged("joined the subscription").await;
    ditto.signal("TERM");
    ditto.until_notified("STOPPING=1", 1).await;
    ditto.signal("TERM");
    assert_eq!(ditto.exit().await, Some(0), "{}", ditto.log());
    drop(silent);
}

#[tokio::test]
async fn killed_in_the_middle_it_goes_on_and_nothing_is_missing_or_twice() {
    is_completed_by_a_second_run("KILL", None).await;
}

#[tokio::test]
async fn stopped_in_the_middle_it_goes_on_and_nothing_is_missing_or_twice() {
    is_completed_by_a_second_run("TERM", Some(0)).await;
}

/// The first run gets the signal when the first events have arrived, and ends with this exit code.
async fn is_completed_by_a_second_run(signal: &str, exit: Option<i32>) {
    let servers = Servers::start().await;
    // One event an append, and few events at a time: 50 appends of each stream, one after the other.
    let configuration = servers.configuration(&["g"])
        + "\n[replication]\nbuffer_size = 20\nmax_append_events = 1\n";
    let streams: Vec<String> = (0..20).map(|number| format!("customer-{number}")).collect();
    for stream in &streams {
        seed(servers.source.store(), stream, 50);
    }
    let slow = Fault::new(FaultKind::SlowAppend { ms: 20 });
    servers.destination.faults().add(slow);
    let copied = || servers.destination.counters().appended_events;
    let mut first = Ditto::start(&configuration);
    until("the first events", || (copied() > 0).then_some(())).await;
    first.signal(signal);
    assert_eq!(first.exit().await, exit, "{}", first.log());
    servers.destination.faults().clear();
    let middle = copied();
    assert!((1..1_000).contains(&middle), "{middle} events of 1,000");
    let mut second = Ditto::start(&configuration);
    second.until_notified("READY=1", 1).await;
    servers.until_copied(&streams).await;
    second.signal("TERM");
    assert_eq!(second.exit().await, Some(0));
    // As long as the source's streams, and nothing came later either.
    assert!(streams.iter().all(|stream| servers.is_copied(stream)));
}

#[tokio::test]
async fn each_kind_of_failure_has_its_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = folder.path().join("bad.toml");
    std::fs::write(&bad, "[source]\nuser = 1\n[http]\nlisten = 2\n").expect("written");
    let bad = bad.to_str().expect("UTF-8");
    let rows: [(&[&str], i32, &[&str]); 8] = [
        (
            &["run", "--config", bad],
            78,
            &[
                "source.user",
                "source.connection_string",
                "destination.connection_string",
                "http.listen",
            ],
        ),
        (
            &["run", "--config", "/nonexistent"],
            78,
            &["cannot be read: there is no such file"],
        ),
        (
            &["check", "--config", bad],
            78,
            &["source.user", "http.listen"],
        ),
        (
            &["status", "--url", "http://127.0.0.1:1"],
            1,
            &["check that it runs"],
        ),
        (&["status", "--url", "ftp://x"], 64, &["http://HOST:PORT"]),
        (&["frobnicate"], 64, &["unrecognized subcommand"]),
        (&["run", "--frobnicate"], 64, &["unexpected argument"]),
        (&["--version"], 0, &[]),
    ];
    for (arguments, code, texts) in rows {
        let output = command().args(arguments).output().expect("the program");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        for text in texts {
            assert!(said.contains(text), "{arguments:?}: {text:?} in {said}");
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_a_failure_with_a_clear_message() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    let servers = Servers::start().await;
    let configuration = servers
        .configuration(&[])
        .replace("127.0.0.1:0", &address.to_string());
    let mut ditto = Ditto::start(&configuration);
    assert_eq!(ditto.exit().await, Some(1));
    ditto
        .until_logged(&format!(
            "failed to listen on {address} (change [http] listen"
        ))
        .await;
    assert!(!ditto.notified().iter().any(|one| one.contains("READY")));
}

#[tokio::test]
async fn the_watchdog_is_fed_again_and_again_and_only_if_there_is_one() {
    let servers = Servers::start().await;
    let mut with = command();
    with.env("WATCHDOG_USEC", "300000");
    let with = Ditto::start_with(&servers.configuration(&[]), with);
    let without = Ditto::start(&servers.configuration(&[]));
    with.until_notified("WATCHDOG=1", 5).await;
    without.until_notified("READY=1", 1).await;
    assert!(
        !without
            .notified()
            .iter()
            .any(|one| one.contains("WATCHDOG"))
    );
}

#[tokio::test]
async fn without_a_service_manager_nothing_is_told_and_all_works() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 1);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ditto.toml");
    std::fs::write(&file, servers.configuration(&["g"])).expect("written");
    let mut child = command()
        .args(["run", "--config"])
        .arg(&file)
        .spawn()
        .expect("the program");
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    child.kill().expect("a kill");
    child.wait().expect("an end");
}
