//! Three nodes with one log: the leader moves, and the leader dies.

use devstore::{Ending, Options, Startup};

use crate::support::{Copying, Servers, seed, subscription};

fn three() -> Options {
    Options {
        nodes: 3,
        ..Options::default()
    }
}

/// Both sides are clusters; `disturb` gets the number of a round.
async fn survives(disturb: impl AsyncFn(&Servers, usize)) {
    let servers = Servers::with(three(), three()).await;
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    for round in 0..4 {
        for number in 0..20 {
            seed(servers.source.store(), &format!("customer-{number}"), 5);
        }
        copying.until_running().await;
        disturb(&servers, round).await;
    }
    servers.until_equal().await;
    servers.until_written(400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_moves_is_followed() {
    survives(async |servers, round| {
        let server = if round % 2 == 0 {
            &servers.destination
        } else {
            &servers.source
        };
        let next = (server.leader().unwrap() + 1) % 3;
        assert!(server.lead(next).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_dies_is_replaced() {
    survives(async |servers, round| {
        let server = if round % 2 == 0 {
            &servers.destination
        } else {
            &servers.source
        };
        let leader = server.leader().unwrap();
        server.end_node(leader, Ending::Kill).await;
        server.lead((leader + 1) % 3).await;
        server.begin_node(leader, Startup::default()).await.unwrap();
    })
    .await;
}
