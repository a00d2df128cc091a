//! What the server or another program has parked, and a pipeline copies by itself.

use crate::support::groups::{self, eager};
use crate::support::{Copying, Servers, seed, subscription, until, write};
use eventstore::NakAction;

#[tokio::test(flavor = "multi_thread")]
async fn parked_users_link_is_copied_to_the_stream_that_holds_it() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "secret-1", 6);
    write(
        servers.source.store(),
        "customer-9",
        "$>",
        false,
        "5@secret-1",
    );
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    let mut consumer = groups::foreign_client(&servers.source)
        .subscribe_to_persistent_subscription("$ce-customer", "ditto", &Default::default())
        .await
        .unwrap();
    let delivered = consumer.next().await.unwrap();
    consumer
        .nack(delivered, NakAction::Park, "by hand")
        .await
        .unwrap();
    let settings = subscription("$ce-customer", "ditto");
    groups::until_checkpoint(&servers.source, &settings, 0).await;
    drop(consumer);
    let _copying = Copying::start(&servers, settings);
    let destination = servers.destination.store();
    until("the link is copied", || {
        match destination.stream_info("customer-9").last {
            Some(0) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(destination.stream_info("secret-1").last, None);
}
