//! Finding the leader of three nodes, and finding it again. Never asserts how long something took.

use ditto_protocol::gossip::member_info::VNodeState::{self, Follower, Leader};
use tonic::Status;

use super::super::super::error::Class;
use super::super::Client;
use super::fake::Fake;
use super::{client, soon};
use crate::config::cluster::Endpoint;

struct Cluster {
    nodes: Vec<Fake>,
}

impl Cluster {
    fn start() -> Self {
        Self {
            nodes: (0..3).map(|_| Fake::start()).collect(),
        }
    }

    fn endpoint(&self, node: usize) -> Endpoint {
        self.nodes[node].endpoint.clone()
    }

    /// What `teller` says from now on about who leads and who is dead.
    fn report(&self, teller: usize, leader: Option<usize>, dead: &[usize]) {
        let endpoints: Vec<Endpoint> = (0..3).map(|node| self.endpoint(node)).collect();
        let members: Vec<(&Endpoint, VNodeState, bool)> = (0..3)
            .map(|node| {
                let state = if leader == Some(node) {
                    Leader
                } else {
                    Follower
                };
                (&endpoints[node], state, !dead.contains(&node))
            })
            .collect();
        self.nodes[teller].set_members(&members);
    }

    fn tell_all(&self, leader: Option<usize>, dead: &[usize]) {
        (0..3).for_each(|teller| self.report(teller, leader, dead));
    }

    fn client(&self, seeds: &[usize]) -> Client {
        let seeds: Vec<String> = seeds
            .iter()
            .map(|seed| self.endpoint(*seed).to_string())
            .collect();
        client(&format!(
            "esdb+discover://{}?tls=false&gossipTimeout=2000",
            seeds.join(",")
        ))
    }
}

#[tokio::test]
async fn the_leader_is_found_from_any_seed() {
    let cluster = Cluster::start();
    cluster.tell_all(Some(1), &[]);
    for seeds in [vec![0], vec![1], vec![2], vec![0, 1, 2]] {
        assert_eq!(
            soon(cluster.client(&seeds).leader()).await,
            Ok(cluster.endpoint(1)),
            "{seeds:?}"
        );
    }
}

#[tokio::test]
async fn a_dead_seed_does_not_matter() {
    let mut cluster = Cluster::start();
    cluster.tell_all(Some(2), &[0]);
    cluster.nodes[0].kill();
    assert_eq!(
        soon(cluster.client(&[0, 1]).leader()).await,
        Ok(cluster.endpoint(2))
    );
    let error = soon(cluster.client(&[0]).leader())
        .await
        .expect_err("nobody answers");
    assert_eq!(*error.class(), Class::Transient);
    assert!(
        error.to_string().contains(&cluster.endpoint(0).to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_dead_leader_is_left_also_when_only_its_address_was_a_seed() {
    let mut cluster = Cluster::start();
    cluster.tell_all(Some(0), &[]);
    let client = cluster.client(&[0]);
    assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(0)));
    cluster.nodes[0].kill();
    cluster.report(1, Some(2), &[0]);
    // Node 2 has not noticed yet.
    cluster.report(2, Some(0), &[]);
    let error = soon(client.probe())
        .await
        .expect_err("the connection is broken");
    assert!(error.is_transient(), "{error}");
    assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(2)));
}

#[tokio::test]
async fn without_a_leader_nobody_is_called() {
    let cluster = Cluster::start();
    cluster.tell_all(None, &[]);
    let client = cluster.client(&[0, 1, 2]);
    let error = soon(client.leader()).await.expect_err("no leader");
    assert_eq!(*error.class(), Class::NotReady);
    cluster.tell_all(Some(1), &[1]);
    assert_eq!(
        *soon(client.leader()).await.expect_err("dead").class(),
        Class::NotReady
    );
    cluster.tell_all(Some(1), &[]);
    assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(1)));
}

#[tokio::test]
async fn a_lone_node_is_called_where_it_was_reached() {
    let fake = Fake::start();
    let elsewhere = Endpoint {
        host: "192.0.2.1".to_owned(),
        port: 2113,
    };
    fake.set_members(&[(&elsewhere, Leader, true)]);
    let client = client(&format!("esdb+discover://{}?tls=false", fake.endpoint));
    assert_eq!(soon(client.leader()).await, Ok(fake.endpoint.clone()));
}

#[tokio::test]
async fn a_single_node_that_gives_no_answer_is_asked_who_leads() {
    let mut cluster = Cluster::start();
    cluster.tell_all(Some(1), &[]);
    let client = client(&format!(
        "esdb://{}?tls=false&defaultDeadline=300",
        cluster.endpoint(0)
    ));
    assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(0)));
    assert_eq!(
        cluster.nodes[0].asked("gossip"),
        0,
        "a single node is not asked without need"
    );
    let error = soon(client.probe()).await.expect_err("silence");
    assert_eq!(*error.class(), Class::Timeout);
    drop(soon(cluster.nodes[0].reads.recv()).await);
    assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(1)));
}

#[tokio::test]
async fn callers_that_wait_for_one_search_share_its_outcome() {
    let cluster = Cluster::start();
    cluster.tell_all(Some(0), &[]);
    cluster.nodes[0].refuse(Some(Status::unavailable("Server Is Not Ready")));
    let client = client(&format!("esdb://{}?tls=false", cluster.endpoint(0)));
    let calls = (0..50).map(|_| client.leader());
    let answers = soon(futures_util::future::join_all(calls)).await;
    assert!(answers.iter().all(|answer| {
        answer
            .as_ref()
            .is_err_and(|error| *error.class() == Class::NotReady)
    }));
    assert_eq!(cluster.nodes[0].asked("features"), 1);
    cluster.nodes[0].refuse(None);
    assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(0)));
}

#[tokio::test]
async fn a_server_from_before_the_question_is_still_read() {
    let fake = Fake::start();
    fake.refuse(Some(Status::unimplemented("")));
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    assert!(
        !soon(client.features())
            .await
            .expect("an answer")
            .batch_append
    );
}

#[tokio::test]
async fn a_leader_that_gives_no_answer_is_left_as_soon_as_one_node_names_another() {
    let cluster = Cluster::start();
    for _ in 0..6 {
        cluster.tell_all(Some(0), &[]);
        let seeds = cluster.endpoint(0);
        let client = client(&format!(
            "esdb+discover://{seeds}?tls=false&defaultDeadline=200"
        ));
        assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(0)));
        assert_eq!(
            *soon(client.probe()).await.expect_err("silence").class(),
            Class::Timeout
        );
        // The others have not noticed yet.
        cluster.report(2, Some(2), &[0]);
        assert_eq!(soon(client.leader()).await, Ok(cluster.endpoint(2)));
    }
}

#[tokio::test]
async fn clocks_of_members_are_compared_with_this_machines() {
    let fake = Fake::start();
    let client = client(&format!("esdb://{}?tls=false", fake.endpoint));
    assert_eq!(soon(client.clocks()).await, Ok(Vec::new()), "none is told");
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    let hour_ago = i64::try_from(now.as_secs()).expect("small") - 3600;
    fake.set_clocks(hour_ago * 10_000_000);
    let clocks = soon(client.clocks()).await.expect("answers");
    let [clock] = &clocks[..] else {
        panic!("{clocks:?}")
    };
    assert_eq!(clock.node, fake.endpoint);
    // Whatever the test itself took is further behind.
    assert!((-7200..=-3600).contains(&clock.ahead), "{clock:?}");
}
