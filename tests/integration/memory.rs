//! What a pipeline holds is bounded in bytes, without standing still.

use devstore::{Fault, FaultKind};
use ditto::pipeline::core::port::Tell;

use crate::support::groups;
use crate::support::{Copying, Servers, seed, subscription, until, write};

const MIB: usize = 1024 * 1024;

/// Beside the budget there is a reserve for repairs, looks and hole pages, and what lies between reader and core.
const RESERVE: usize = 12 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn large_events_over_a_slow_destination_stay_within_the_budget_and_are_not_parked() {
    let servers = Servers::start().await;
    let settings = subscription("$ce-customer", "ditto");
    for number in 0..60 {
        let stream = format!("customer-{}", number % 20);
        write(
            servers.source.store(),
            &stream,
            "large",
            false,
            &"x".repeat(MIB),
        );
    }
    servers
        .destination
        .faults()
        .add(Fault::new(FaultKind::SlowAppend { ms: 30 }));
    let copying = Copying::with_budget(&servers, settings.clone(), 8 * MIB);
    servers.until_equal().await;
    assert!(
        copying.seen.most_bytes() <= 8 * MIB + RESERVE,
        "{}",
        copying.seen.most_bytes()
    );
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
        until("it is told", || {
            match pipeline
                .seen
                .count(|tell| matches!(tell, Tell::RepairEnded { .. }))
            {
                4 => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }
}
