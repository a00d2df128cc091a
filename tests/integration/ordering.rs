//! Every event at its own revision, whatever stream the delivery before it was of.

use crate::support::servers::seed_interleaved;
use crate::support::{Copying, Servers, seed, subscription, until};
use ditto::pipeline::replicate::Outcome;

#[tokio::test(flavor = "multi_thread")]
async fn order_is_kept_within_each_of_200_interleaved_streams() {
    let servers = Servers::start().await;
    let streams: Vec<String> = (0..200)
        .map(|number| format!("customer-{number}"))
        .collect();
    seed_interleaved(servers.source.store(), &streams, 10);
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    seed_interleaved(servers.source.store(), &streams, 5);
    servers.until_equal().await;
    servers.until_written(3000).await;
    assert_eq!(
        copying.stop().await,
        Outcome::Stopped {
            clean: true,
            left: 0
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_plain_stream_are_copied() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "orders", 30);
    let copying = Copying::start(&servers, subscription("orders", "ditto"));
    servers.until_equal().await;
    until("it is told", || match copying.seen.copied() {
        30 => Ok(()),
        copied => Err(copied),
    })
    .await;
}
