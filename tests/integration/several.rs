//! Several subscriptions at once: none suffers from another.

use ditto::pipeline::replicate::Outcome;
use ditto_core::port::PipelineState;

use crate::support::{Copying, Servers, seed, subscription};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_group_stops_its_own_subscription_only() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 10);
    let mut missing = subscription("$ce-order", "ditto");
    missing.create = false;
    let stopped = Copying::start(&servers, missing);
    let running = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    stopped
        .until_state("it is stopped", |state| {
            matches!(state, PipelineState::Stopped(_))
        })
        .await;
    seed(servers.source.store(), "customer-2", 10);
    servers.until_equal().await;
    running.until_running().await;
    assert_eq!(
        stopped.stop().await,
        Outcome::Stopped {
            clean: true,
            left: 0
        }
    );
    assert_eq!(
        running.stop().await,
        Outcome::Stopped {
            clean: true,
            left: 0
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn categories_are_copied_side_by_side() {
    let servers = Servers::start().await;
    let categories = ["customer", "order", "invoice"];
    let copying: Vec<Copying> = categories
        .iter()
        .map(|category| Copying::start(&servers, subscription(&format!("$ce-{category}"), "ditto")))
        .collect();
    for category in categories {
        for number in 0..20 {
            seed(servers.source.store(), &format!("{category}-{number}"), 10);
        }
    }
    servers.until_equal().await;
    drop(copying);
}
