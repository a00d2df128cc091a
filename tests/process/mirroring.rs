//! Mirrors as the real program copies them: two daemons on one mirror, and mirrors that come and go with a reload.

use std::time::Duration;

use super::reloading::{copy_three, handed_over};
use super::support::{Ditto, Servers, seed, until};

const ALL: &str = "\n[[mirror]]\nname = \"all\"\n";

/// A standby elsewhere waits for 45 s without a new checkpoint, and the last one is at most 15 s old when its holder ends.
const SOONER_THAN_ELSEWHERE: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn second_daemon_takes_a_mirror_over_at_once_when_the_first_is_killed() {
    let servers = Servers::start().await;
    let configuration = servers.configuration(&[]) + ALL;
    let mut first = Ditto::start(&configuration);
    first.until_notified("1 mirror running", 1).await;
    let second = Ditto::start(&configuration);
    second.until_notified("1 standby: $all::all", 1).await;
    let line = second
        .until_logged("another process has the mirror; standing by")
        .await;
    assert!(line.contains("group=all"), "{line}");
    for number in 0..50 {
        seed(servers.source.store(), &format!("customer-{number}"), 20);
    }
    until("part of it is copied", || {
        let copied = servers.destination.counters().appended_events;
        (copied >= 100).then_some(())
    })
    .await;
    first.signal("KILL");
    assert_eq!(first.exit().await, None);
    // Nothing is copied any more: this is the second one's.
    seed(servers.source.store(), "order-1", 3);
    let taken_over = async {
        second.until_notified("1 mirror running", 1).await;
        servers.until_equal().await;
    };
    let taken_over = tokio::time::timeout(SOONER_THAN_ELSEWHERE, taken_over).await;
    taken_over.expect("the process that held it is known to be gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn mirror_comes_and_goes_by_reload_while_a_subscription_goes_on() {
    let servers = Servers::start().await;
    let orders = "\n[[mirror]]\nname = \"orders\"\nstreams = [\"order-*\"]\n";
    let alone = servers.configuration(&["kept"]);
    let both = alone.clone() + orders;
    let is_copied = |stream: &'static str| {
        let servers = &servers;
        async move { until(stream, || servers.is_copied(stream).then_some(())).await }
    };
    seed(servers.source.store(), "order-1", 3);
    let ditto = Ditto::start(&alone);
    ditto.until_notified("1 subscription running", 1).await;
    copy_three(&servers).await;

    ditto.configure(&both);
    ditto.signal("HUP");
    ditto
        .until_notified("1 subscription and 1 mirror running", 1)
        .await;
    is_copied("order-1").await;
    copy_three(&servers).await;

    ditto.configure(&alone);
    ditto.signal("HUP");
    ditto.until_logged("the mirror was removed").await;
    seed(servers.source.store(), "order-2", 3);
    copy_three(&servers).await;
    let there = servers.destination.store().stream_info("order-2").last;
    assert_eq!(there, None);

    ditto.configure(&both);
    ditto.signal("HUP");
    is_copied("order-2").await;
    copy_three(&servers).await;
    assert_eq!(handed_over(&servers, "kept").await, [12]);
}
