//! `read_only`: everything is told as if it were done, and nothing is.

use ditto::config::settings::SubscriptionSettings;
use ditto_core::port::HeldReason;

use crate::support::groups::{self, eager};
use crate::support::{Copying, Servers, seed, subscription, until};

fn read_only() -> SubscriptionSettings {
    let mut settings = subscription("$ce-customer", "ditto");
    settings.replication.read_only = true;
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_and_the_group_stays_as_it_is() {
    let servers = Servers::start().await;
    let (source, destination) = (servers.source.store(), servers.destination.store());
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    seed(source, "customer-1", 6);
    groups::foreign_consumer(&servers.source, "$ce-customer", "ditto", 3, false).await;
    groups::foreign_consumer(&servers.source, "$ce-customer", "ditto", 1, true).await;
    seed(source, "customer-2", 4);
    seed(source, "customer-3", 5);
    seed(destination, "customer-3", 1);
    groups::until_checkpoint(&servers.source, &subscription("$ce-customer", "ditto"), 3).await;
    let before = groups::everything(&servers.source, "$ce-customer", "ditto").await;
    let records = destination.record_count();

    let copying = Copying::start(&servers, read_only());
    // customer-1 whole: what lies before the checkpoint is lacking at the destination, and would be repaired.
    until("all is told", || match copying.seen.copied() {
        10 => Ok(()),
        copied => Err(copied),
    })
    .await;
    until("the conflict is shown", || {
        match copying.seen.held().as_slice() {
            [(stream, HeldReason::Conflict)] if stream == "customer-3" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    copying.stop().await;
    assert_eq!(destination.record_count(), records);
    assert_eq!(
        groups::everything(&servers.source, "$ce-customer", "ditto").await,
        before
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_group_is_not_created() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 6);
    let copying = Copying::start(&servers, read_only());
    until("all is told", || match copying.seen.copied() {
        6 => Ok(()),
        copied => Err(copied),
    })
    .await;
    copying.stop().await;
    let group = groups::foreign_client(&servers.source)
        .get_persistent_subscription_info("$ce-customer", "ditto", &Default::default())
        .await;
    assert!(
        matches!(group, Err(eventstore::Error::ResourceNotFound)),
        "{group:?}"
    );
}
