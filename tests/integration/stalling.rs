//! A pipeline that stands still although there is more, and one that only waits.

use devstore::{Fault, FaultKind};
use ditto::pipeline::replicate::Outcome;

use crate::support::{Copying, Servers, seed, subscription};

/// The detector's minute has to pass; it is the slowest test of this target.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_pushes_nothing_although_there_is_more_is_noticed_and_a_new_run_gets_on() {
    let servers = Servers::start().await;
    servers
        .source
        .faults()
        .add(Fault::new(FaultKind::PushNothing));
    seed(servers.source.store(), "customer-0", 5);
    // What a group keeps back from the beginning is read from its stream.
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    for number in 1..10 {
        seed(servers.source.store(), &format!("customer-{number}"), 2);
    }
    assert_eq!(copying.end().await, Outcome::Stalled);
    let _again = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    servers.until_written(23).await;
}
