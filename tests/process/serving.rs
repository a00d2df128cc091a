//! HTTP as the real program serves it, also to those who mean no good.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use super::support::{Ditto, PATIENCE, Servers, command, get, raw, request, seed, until, until_or};

#[tokio::test]
async fn each_path_and_method_has_its_answer() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("1 subscription running", 1).await;
    let address = ditto.http().await;
    for (method, path, status, text) in [
        ("GET", "/healthz", 200, "ok"),
        ("GET", "/readyz", 200, "ok"),
        ("GET", "/metrics", 200, "ditto_build_info"),
        ("GET", "/status", 200, "\"state\": \"running\""),
        (
            "GET",
            "/status/history",
            200,
            "[{\"stream\":\"$ce-customer\",\"group\":\"g\",\"samples\":[[",
        ),
        ("GET", "/", 200, "<title>ditto</title>"),
        ("HEAD", "/metrics", 200, ""),
        ("GET", "/metrics?x=1", 200, "ditto_build_info"),
        ("GET", "/nothing", 404, "not found"),
        ("GET", "/metrics/", 404, "not found"),
        ("POST", "/nothing", 404, "not found"),
        ("POST", "/metrics", 405, "only GET"),
        ("DELETE", "/", 405, "only GET"),
    ] {
        let answer = request(address, method, path);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(
            answer.body.contains(text),
            "{method} {path}: {}",
            answer.body
        );
        assert_eq!(
            answer.head.contains("allow: get, head"),
            status == 405,
            "{method} {path}"
        );
    }
    let long = "x".repeat(100_000);
    for (name, text, expected) in [
        ("not HTTP", "hello\r\n\r\n".to_owned(), 400),
        ("a long path", format!("GET /{long} HTTP/1.1\r\n\r\n"), 431),
        (
            "a long header",
            format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n"),
            431,
        ),
        (
            "many headers",
            format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1000)),
            431,
        ),
    ] {
        let status = raw(address, &text).map(|answer| answer.status);
        assert_eq!(status, Some(expected), "{name}");
    }
    assert_eq!(get(address, "/healthz").status, 200);
}

#[tokio::test]
async fn status_and_page_are_refused_under_unknown_host_names() {
    let servers = Servers::start().await;
    let known = "[http]\nallowed_hosts = [\"ditto.example.net\"]";
    let ditto = Ditto::start(&servers.configuration(&[]).replace("[http]", known));
    ditto.until_notified("READY=1", 1).await;
    let address = ditto.http().await;
    let everywhere = ["/metrics", "/healthz", "/readyz"];
    for (host, known) in [
        (address.to_string(), true),
        ("localhost:5000".to_owned(), true),
        ("Ditto.Example.net".to_owned(), true),
        ("rebound.example:5000".to_owned(), false),
    ] {
        for path in ["/status", "/status/history", "/"]
            .into_iter()
            .chain(everywhere)
        {
            let text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = raw(address, &text).expect("an answer");
            let answered = known || everywhere.contains(&path);
            assert_eq!(
                answer.status,
                if answered { 200 } else { 421 },
                "{host} {path}"
            );
            let refusal = "for the host \"rebound.example:5000\": use an IP address or localhost, or add the name to \
                           allowed_hosts in [http]";
            assert_eq!(
                answer.body.contains(refusal),
                !answered,
                "{host} {path}: {}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn readiness_and_status_say_which_side_is_away() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("1 subscription running", 1).await;
    let address = ditto.http().await;
    servers.source.stop().await;
    let unready = || {
        let answer = get(address, "/readyz");
        (answer.status == 503 && answer.body.contains("$ce-customer::g: retrying"))
            .then_some(answer)
    };
    until("not ready", unready).await;
    assert_eq!(
        get(address, "/healthz").status,
        200,
        "waiting is not standing still"
    );
    until_status(address, "retrying", ["false", "true"]).await;
    until("the metric", || {
        let text = get(address, "/metrics").body;
        let down = "ditto_up{side=\"source\",app=\"ditto\"} 0";
        text.lines().any(|line| line == down).then_some(())
    })
    .await;
    servers.source.start_again().await.expect("the same port");
    until("ready", || {
        (get(address, "/readyz").status == 200).then_some(())
    })
    .await;
    servers.destination.stop().await;
    // There is nothing to copy, and it is noticed all the same.
    until_status(address, "retrying", ["true", "false"]).await;
    servers
        .destination
        .start_again()
        .await
        .expect("the same port");
    until_status(address, "running", ["true", "true"]).await;
}

#[tokio::test]
async fn a_destination_that_was_never_reached_is_told_with_the_reason() {
    let servers = Servers::start().await;
    servers.destination.stop().await;
    seed(servers.source.store(), "customer-1", 1);
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    let line = ditto
        .until_logged("the destination is unreachable or failing requests; retrying")
        .await;
    let words = ["side=destination", "check that the server runs"];
    assert!(words.iter().all(|word| line.contains(word)), "{line}");
    until("the reason in the status", || {
        let body = get(address, "/status").body;
        body.contains("check that the server runs").then_some(())
    })
    .await;
}

/// Waits until `/status` has this state, and these answers of source and destination.
async fn until_status(address: SocketAddr, state: &str, [source, destination]: [&str; 2]) {
    let status = || get(address, "/status").body;
    let words = [
        format!("\"state\": \"{state}\""),
        format!("\"source_answers\": {source},"),
        format!("\"destination_answers\": {destination},"),
    ];
    until_or(status, || {
        let status = status();
        let told = words.iter().all(|word| status.contains(word.as_str()));
        told.then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_thousand_idle_connections_disturb_neither_copying_nor_scrapes() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    let mut idle: Vec<TcpStream> = Vec::new();
    for number in 0..1_000 {
        let mut stream = TcpStream::connect(address).expect("a connection");
        if number % 2 == 0 {
            // Closed by then, perhaps.
            let _sent = stream.write_all(b"GET /metrics HTTP/1.1\r\nx: ");
        }
        idle.push(stream);
    }
    seed(servers.source.store(), "customer-1", 200);
    assert_eq!(get(address, "/metrics").status, 200);
    until("the copy", || servers.is_copied("customer-1").then_some(())).await;
    let mut oldest = idle.swap_remove(0);
    oldest
        .set_read_timeout(Some(PATIENCE))
        .expect("a time limit");
    let mut rest = Vec::new();
    // An answer or a reset, but an end.
    let end = oldest.read_to_end(&mut rest);
    let timed_out = matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!timed_out, "the oldest connection is closed");
    assert_eq!(get(address, "/status").status, 200);
}

/// Starts ditto as systemd does for a socket unit with this address and one more that is chosen then.
fn start_with_sockets(configuration: &str, socket: TcpListener) -> Ditto {
    const HAND_OVER: &str = "import os, socket, sys\n\
        second = socket.create_server(('127.0.0.1', 0))\n\
        for descriptor, place in (0, 3), (second.fileno(), 4):\n    os.dup2(descriptor, place)\n\
        os.environ.update(LISTEN_FDS='2', LISTEN_PID=str(os.getpid()))\nos.execv(sys.argv[1], sys.argv[1:])";
    let mut python = Command::new("python3");
    // The child inherits the socket as its standard input, a descriptor that safe code can hand over.
    let program = command().get_program().to_owned();
    python.args(["-c", HAND_OVER]).arg(program);
    Ditto::start_with_input(configuration, python, socket)
}

#[tokio::test]
async fn every_socket_that_systemd_hands_over_is_served() {
    let servers = Servers::start().await;
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let ditto = start_with_sockets(&servers.configuration(&[]), socket);
    ditto.until_notified("READY=1", 1).await;
    let line = ditto.until_logged(" http=").await;
    let addresses: Vec<SocketAddr> = line
        .split(" http=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("addresses")
        .split(',')
        .map(|address| address.parse().expect("an address"))
        .collect();
    assert_eq!(addresses.first(), Some(&address));
    assert_eq!(addresses.len(), 2, "{line}");
    for address in addresses {
        assert_eq!(get(address, "/healthz").status, 200, "{address}");
    }
}

#[tokio::test]
async fn waiting_requests_are_turned_away_when_ditto_cannot_start() {
    let servers = Servers::start().await;
    let good = servers.configuration(&[]);
    let cases = [
        ("[source\n".to_owned(), 78),
        (good.replace("[http]", "[htpp]"), 78),
    ];
    for (configuration, code) in cases {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        // What waits keeps systemd starting the service; the test has an end of the socket, so it stays open.
        let held = socket.try_clone().expect("the same socket");
        let waiting = std::thread::spawn(move || get(address, "/metrics"));
        let mut ditto = start_with_sockets(&configuration, socket);
        assert_eq!(ditto.exit().await, Some(code), "{}", ditto.log());
        held.set_nonblocking(true).expect("non-blocking");
        let left = held.accept().map(|_| ());
        assert_eq!(
            left.map_err(|error| error.kind()),
            Err(std::io::ErrorKind::WouldBlock),
            "nothing is left waiting"
        );
        let answer = waiting.join().expect("an answer");
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains("ditto check"), "{}", answer.body);
    }
}
