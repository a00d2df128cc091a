//! An event is acknowledged once the destination has it, and not before.

use ditto_core::port::PipelineState;

use crate::support::groups::{self, eager};
use crate::support::{Copying, Servers, seed, subscription};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_while_the_destination_is_away() {
    let servers = Servers::start().await;
    let settings = subscription("$ce-customer", "ditto");
    seed(servers.source.store(), "customer-1", 40);
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    servers.destination.stop().await;

    let copying = Copying::start(&servers, settings.clone());
    copying
        .until_state("it retries", |state| {
            matches!(state, PipelineState::Retrying(_))
        })
        .await;
    // Every acknowledgement would move the checkpoint of this group; stopping flushes what there is to flush.
    copying.stop().await;
    assert_eq!(
        groups::seen(&servers.source, &settings).await.checkpoint,
        None
    );

    servers.destination.start_again().await.unwrap();
    let _copying = Copying::start(&servers, settings.clone());
    servers.until_equal().await;
    groups::until_checkpoint(&servers.source, &settings, 39).await;
}
