//! How many events are parked, as the running daemon shows it: what is in the queue, whoever truncated it.

use std::net::SocketAddr;

use serde_json::Value;

use super::parking::{Configured, consume};
use super::support::{Ditto, Servers, get, seed, until_or};

const QUEUE: &str = "$persistentsubscription-$ce-customer::g-parked";

fn status(address: SocketAddr) -> Value {
    let report: Value = serde_json::from_str(&get(address, "/status").body).expect("JSON");
    report["subscriptions"][0]["parked"].clone()
}

fn metric(address: SocketAddr) -> Option<String> {
    let metrics = get(address, "/metrics").body;
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with("ditto_parked_events{"))?;
    Some(line.rsplit(' ').next()?.to_owned())
}

async fn until_shown(address: SocketAddr, count: u64) {
    let shown = || (status(address), metric(address));
    let expected = (Value::from(count), Some(count.to_string()));
    until_or(
        || format!("{count} parked, shown are {:?}", shown()),
        || (shown() == expected).then_some(()),
    )
    .await;
}

/// What the server says of the group.
async fn servers_count(servers: &Servers) -> usize {
    let client = super::support::foreign_client(&servers.source);
    let info = client
        .get_persistent_subscription_info("$ce-customer", "g", &Default::default())
        .await
        .expect("a group");
    info.stats.parked_message_count
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_count_falls_after_replay_and_discard() {
    let servers = Servers::start().await;
    for stream in ["customer-1", "customer-2"] {
        seed(servers.source.store(), stream, 3);
    }
    consume(&servers, 6, "ditto: refused: too large", |_| true).await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    let address = ditto.http().await;
    until_shown(address, 6).await;
    let commands = Configured::new(&servers);
    for (command, left) in [
        (&["parked", "replay", "customer-1"][..], 3),
        (&["parked", "discard", "--all", "--yes"], 0),
    ] {
        let (code, said, wrong) = commands.ask(command);
        assert_eq!(code, Some(0), "{said}{wrong}");
        until_shown(address, left).await;
        // As a real server, which learns of another program's truncation at the next reload only.
        assert_eq!(servers_count(&servers).await, 6);
    }
    let end = servers.source.store().stream_info(QUEUE).last;
    assert_eq!(end, Some(5), "nothing else was parked");
}
