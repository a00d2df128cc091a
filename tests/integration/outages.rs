//! Servers that are not there, or go away in the middle: nothing is lost, nothing comes twice.

use ditto::pipeline::replicate::Outcome;
use ditto_core::port::PipelineState;

use crate::support::{Copying, Servers, seed, subscription, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_starts_later_is_waited_for() {
    let servers = Servers::start().await;
    seed(servers.source.store(), "customer-1", 20);
    servers.source.stop().await;
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    copying
        .until_state("it retries", |state| {
            matches!(state, PipelineState::Retrying(_))
        })
        .await;
    servers.source.start_again().await.unwrap();
    servers.until_equal().await;
    copying.until_running().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_restarts_in_the_middle_gets_everything_once() {
    let servers = Servers::start().await;
    for number in 0..50 {
        seed(servers.source.store(), &format!("customer-{number}"), 40);
    }
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    for copied in [200, 900] {
        until("part of it is copied", || {
            match servers.destination.counters().appended_events {
                events if events >= copied => Ok(()),
                events => Err(events),
            }
        })
        .await;
        servers.destination.stop().await;
        servers.destination.start_again().await.unwrap();
    }
    servers.until_equal().await;
    servers.until_written(2000).await;
    assert_eq!(
        copying.stop().await,
        Outcome::Stopped {
            clean: true,
            left: 0
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_cut_short_is_completed_by_the_next() {
    let servers = Servers::start().await;
    for number in 0..50 {
        seed(servers.source.store(), &format!("customer-{number}"), 40);
    }
    for copied in [100, 700] {
        let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
        until("part of it is copied", || {
            match servers.destination.counters().appended_events {
                events if events >= copied => Ok(()),
                events => Err(events),
            }
        })
        .await;
        drop(copying);
    }
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    servers.until_written(2000).await;
    // Some may be recognised as copied and not acknowledged yet.
    let outcome = copying.stop().await;
    assert!(
        matches!(outcome, Outcome::Stopped { clean: true, .. }),
        "{outcome:?}"
    );
}
