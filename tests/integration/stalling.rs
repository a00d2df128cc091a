//! A pipeline that stands still although there is more, and one that only waits.

use devstore::{Fault, FaultKind};
use ditto_core::port::{PipelineState, Side};

use crate::support::{Copying, Servers, seed, subscription, write};

/// Half a minute has to pass; it is the slowest test of this target.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_group_keeps_back_is_read_without_a_stall() {
    let servers = Servers::start().await;
    servers
        .source
        .faults()
        .add(Fault::new(FaultKind::PushNothing));
    seed(servers.source.store(), "customer-0", 5);
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    for number in 1..10 {
        seed(servers.source.store(), &format!("customer-{number}"), 2);
    }
    servers.until_equal().await;
    servers.until_written(23).await;
    copying.until_running().await;
}

/// Over real sockets no call hangs for ever: each has its limit. Its side is then one that does not answer, which is told and
/// is no standstill.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_reads_hang_is_told_and_all_is_copied_once_they_are_answered() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-0", 5);
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    copying.until_running().await;
    let faults = servers.source.faults();
    let hang = faults.add(Fault::new(FaultKind::Unanswered).in_call("Streams/Read"));
    // Not linked by its category, so it has to be read.
    write(servers.source.store(), "customer-0", "empty", true, "");
    seed(servers.source.store(), "customer-0", 1);
    copying
        .until_state("its source counts as away", |state| {
            *state == PipelineState::Retrying(Side::Source)
        })
        .await;
    servers.until_written(5).await;
    faults.remove(hang);
    servers.until_equal().await;
    copying.until_running().await;
}
