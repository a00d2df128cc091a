//! The pages for people with `curl`: streams, faults, restarts. Never used by ditto.

use devstore::{Options, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{append, server, until, within, write};

/// Status and body of a request.
pub(crate) async fn ask(
    server: &Server,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn events_are_added_and_shown() {
    let (server, _) = server(Options::default()).await;
    let events = "content-type: application/vnd.eventstore.events+json\r\n";
    let id = "6e8e0c5c-5f8a-4d7e-9a2e-3f4c6b7d8e9f";
    let one = json!([{"eventId": id, "eventType": "happened", "data": {"b": 1, "a": "ü"}, "metadata": {"m": 1}}]).to_string();
    for (headers, body, status) in [
        ("", one.as_str(), 415),
        (events, "no json", 400),
        (events, r#"[{"eventId":"no id","eventType":"t"}]"#, 400),
        (
            events,
            r#"[{"eventId":"00000000-0000-0000-0000-000000000000","eventType":"t"}]"#,
            400,
        ),
        (&format!("{events}ES-ExpectedVersion: 7\r\n"), &one, 400),
        (&format!("{events}ES-ExpectedVersion: -1\r\n"), &one, 201),
    ] {
        assert_eq!(
            ask(&server, "POST", "/streams/cat-a%20b", headers, body)
                .await
                .0,
            status,
            "{headers} {body}"
        );
    }
    let (status, shown) = ask(&server, "GET", "/streams/cat-a%20b", "", "").await;
    let expected = json!({
        "eventId": id, "eventType": "happened", "stream": "cat-a b", "eventNumber": 0, "isJson": true,
        "data": {"b": 1, "a": "ü"}, "metadata": {"m": 1},
    });
    assert_eq!((status, &shown), (200, &json!([expected])));
    let (_, linked) = ask(&server, "GET", "/streams/%24ce-cat", "", "").await;
    assert_eq!(
        (&linked[0]["data"]["b"], &linked[0]["link"]["stream"]),
        (&json!(1), &json!("$ce-cat"))
    );
    assert_eq!(ask(&server, "GET", "/streams/none", "", "").await.0, 404);
}

#[tokio::test]
async fn faults_are_switched_over_http() {
    let (server, mut client) = server(Options::default()).await;
    let fault = r#"{"fault":"unavailable","call":"Append","times":1}"#;
    let (status, made) = ask(&server, "POST", "/devstore/faults", "", fault).await;
    assert_eq!(status, 201);
    append(&mut client, "s", 1).await.unwrap_err();
    let (_, list) = ask(&server, "GET", "/devstore/faults", "", "").await;
    assert_eq!(
        (&list[0]["struck"], &list[0]["id"]),
        (&json!(1), &made["id"])
    );
    let path = format!("/devstore/faults/{}", made["id"]);
    assert_eq!(ask(&server, "DELETE", &path, "", "").await.0, 204);
    assert_eq!(ask(&server, "DELETE", &path, "", "").await.0, 404);
    assert_eq!(
        ask(
            &server,
            "POST",
            "/devstore/faults",
            "",
            r#"{"fault":"none such"}"#
        )
        .await
        .0,
        400
    );
}

#[tokio::test]
async fn restarts_and_leaders_are_asked_for_over_http() {
    let options = Options {
        nodes: 2,
        ..Options::default()
    };
    let (server, mut client) = server(options).await;
    append(&mut client, "s", 1).await.unwrap();
    assert_eq!(
        ask(&server, "POST", "/devstore/leader/1", "", "").await.0,
        204
    );
    assert_eq!(
        (
            server.leader(),
            ask(&server, "POST", "/devstore/leader/7", "", "").await.0
        ),
        (Some(1), 404)
    );
    let restart = r#"{"as":"kill","down_ms":200,"node":1}"#;
    assert_eq!(
        ask(&server, "POST", "/devstore/restart", "", restart)
            .await
            .0,
        202
    );
    until(|| async { server.leader() == Some(0) }).await;
    let second = server.addresses()[1];
    until(|| async { TcpStream::connect(second).await.is_ok() }).await;
    assert_eq!(server.store().stream_info("s").last, Some(0));
}

#[tokio::test]
async fn nodes_are_held_back_and_called_over_http() {
    let options = Options {
        nodes: 2,
        ..Options::default()
    };
    let (server, _) = server(options).await;
    let post = async |path, body| ask(&server, "POST", path, "", body).await.0;
    let member = async |key| {
        let (_, gossip) = ask(&server, "GET", "/gossip", "", "").await;
        gossip["members"][1][key].clone()
    };
    for (path, body, status) in [
        ("/devstore/hold/0", "", 404),
        ("/devstore/hold/1", "", 204),
        ("/devstore/state/1", r#""CatchingUp""#, 204),
        ("/devstore/state/1", r#""Nothing""#, 404),
        ("/devstore/state/7", "null", 404),
        ("/devstore/state/1", "CatchingUp", 400),
    ] {
        assert_eq!(post(path, body).await, status, "{path} {body}");
    }
    let held = server.store().end();
    write(&server, "s", 0..3);
    assert_eq!(member("writerCheckpoint").await, json!(held));
    assert_eq!(member("state").await, json!("CatchingUp"));
    assert_eq!(post("/devstore/rejoin/1", "").await, 204);
    assert_eq!(post("/devstore/state/1", "null").await, 204);
    assert_eq!(
        member("writerCheckpoint").await,
        json!(server.store().end())
    );
    assert_eq!(member("state").await, json!("Follower"));
    for path in ["/devstore/leader/1", "/devstore/hold/0"] {
        assert_eq!(post(path, "").await, 204, "{path}");
    }
    write(&server, "s", 3..5);
    let (_, shown) = ask(&server, "GET", "/streams/s", "", "").await;
    assert_eq!(shown.as_array().map(Vec::len), Some(3), "{shown}");
}
