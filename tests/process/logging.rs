//! Lines of the log that stand for one stream, or for one error: each is there, however many there are.

use super::support::{Ditto, Servers, seed};

/// More than the lines of one kind that are written in a minute.
const MANY: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn each_held_stream_has_its_line() {
    let servers = Servers::start().await;
    let streams: Vec<String> = (0..MANY)
        .map(|number| format!("customer-{number}"))
        .collect();
    for stream in &streams {
        seed(servers.source.store(), stream, 1);
        seed(servers.destination.store(), stream, 1);
    }
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    for stream in &streams {
        let fields = format!("event_stream={stream} revision=0 reason=conflict");
        ditto.until_logged(&fields).await;
    }
}

#[tokio::test]
async fn each_error_of_a_configuration_has_its_line() {
    let servers = Servers::start().await;
    let wrong: String = (0..MANY)
        .map(|number| format!("wrong_{number} = 1\n"))
        .collect();
    let configuration = servers.configuration(&["g"]) + &wrong;
    let mut ditto = Ditto::start(&configuration);
    assert_eq!(ditto.exit().await, Some(78));
    for number in 0..MANY {
        ditto.until_logged(&format!("wrong_{number}:")).await;
    }
}

#[tokio::test]
async fn each_error_of_a_refused_reload_has_its_line() {
    let servers = Servers::start().await;
    let ditto = Ditto::start(&servers.configuration(&["g"]));
    ditto.until_notified("READY=1", 1).await;
    let wrong: String = (0..MANY)
        .map(|number| format!("wrong_{number} = 1\n"))
        .collect();
    ditto.configure(&(servers.configuration(&["g"]) + &wrong));
    ditto.signal("HUP");
    for number in 0..MANY {
        ditto.until_logged(&format!("wrong_{number}:")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_subscription_logs_whether_a_reload_is_needed() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 1);
    seed(servers.destination.store(), "customer-1", 1);
    for (setting, line) in [
        (
            "create = false\n",
            "subscription stopped; checking again within 30 s",
        ),
        (
            "on_conflict = \"stop\"\n",
            "subscription stopped; it needs a reload or restart",
        ),
    ] {
        let ditto = Ditto::start(&(servers.configuration(&["g"]) + setting));
        ditto.until_logged(line).await;
    }
}
