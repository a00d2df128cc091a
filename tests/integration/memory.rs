//! A pipeline whose memory is scarce does not stand still. Never measures memory: `tests/process/memory.rs` does.

use std::time::Duration;

use devstore::store::{Expected, Proposed};
use devstore::{Fault, FaultKind};
use eventstore::PersistentSubscriptionSettings;

use crate::support::groups;
use crate::support::{Copying, Servers, event, seed, subscription, write};

const MIB: usize = 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_large_events_over_a_slow_destination_are_copied_and_not_parked() {
    let servers = Servers::start().await;
    let impatient = PersistentSubscriptionSettings {
        message_timeout: Duration::from_secs(4),
        max_retry_count: 3,
        ..groups::eager()
    };
    groups::create(&servers.source, "$ce-customer", "ditto", impatient).await;
    let settings = subscription("$ce-customer", "ditto");
    // One piece of memory at the source; only the copies are large.
    let data = bytes::Bytes::from(vec![b'x'; MIB]);
    for number in 0..1_000 {
        let stream = format!("customer-{}", number % 40);
        let large = Proposed {
            is_json: false,
            data: data.clone(),
            ..event(&stream, number)
        };
        let written = servers
            .source
            .store()
            .append(&stream, Expected::Any, vec![large]);
        assert!(written.is_ok());
    }
    let slow = Fault::new(FaultKind::SlowAppend { ms: 5 });
    servers.destination.faults().add(slow);
    let _copying = Copying::with_budget(&servers, settings.clone(), 8 * MIB);
    groups::until_checkpoint(&servers.source, &settings, 999).await;
    servers.until_equal().await;
    servers.until_written(1_000).await;
    assert_eq!(groups::seen(&servers.source, &settings).await.parked, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_subscriptions_with_hardly_any_memory_get_on_while_streams_wait_for_repairs() {
    let servers = Servers::start().await;
    let copying: Vec<Copying> = (0..10)
        .map(|category| {
            for number in 0..4 {
                let stream = format!("c{category}-{number}");
                // The first two are not linked: every stream begins with a gap.
                write(servers.source.store(), &stream, "gap", true, "");
                write(servers.source.store(), &stream, "gap", true, "");
                write(
                    servers.source.store(),
                    &stream,
                    "large",
                    false,
                    &"x".repeat(MIB / 2),
                );
                seed(servers.source.store(), &stream, 3);
            }
            let settings = subscription(&format!("$ce-c{category}"), "ditto");
            Copying::with_budget(&servers, settings, MIB / 4)
        })
        .collect();
    servers.until_equal().await;
    for pipeline in &copying {
        pipeline.until_done_without_loss(&servers).await;
        assert_eq!(pipeline.seen.total("ditto_repairs_total"), 4);
        let reading = pipeline.seen.reading();
        assert_eq!(reading.map(|reading| reading.repairs), Some(0));
    }
}
