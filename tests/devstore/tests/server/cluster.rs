//! Several nodes with one log (protocol §10, §14.2). Never elects by itself what a test decides.

use devstore::{Ending, Options, Server, Startup};
use ditto_protocol::gossip::gossip_client::GossipClient;
use ditto_protocol::gossip::member_info::VNodeState;
use ditto_protocol::shared::Empty;
use tonic::Code;
use tonic::metadata::MetadataMap;

use crate::support::{append, append_as, client, next, read, until, within};

fn options() -> Options {
    Options {
        nodes: 3,
        time_scale: 50.0,
        ..Options::default()
    }
}

fn leader_required(headers: &mut MetadataMap) {
    headers.insert("requires-leader", "true".parse().unwrap());
}

/// State and life of each member as a node tells them.
async fn members(server: &Server, node: usize) -> Vec<(VNodeState, bool)> {
    let endpoint = format!("http://{}", server.addresses()[node]);
    let mut gossip = GossipClient::connect(endpoint).await.unwrap();
    let members = within(gossip.read(Empty {}))
        .await
        .unwrap()
        .into_inner()
        .members;
    let ports: Vec<u32> = members
        .iter()
        .map(|member| member.http_end_point.as_ref().unwrap().port)
        .collect();
    let expected: Vec<u32> = server
        .addresses()
        .iter()
        .map(|address| u32::from(address.port()))
        .collect();
    assert_eq!(ports, expected);
    members
        .iter()
        .map(|member| (member.state(), member.is_alive))
        .collect()
}

#[tokio::test]
async fn every_node_tells_of_all_and_of_one_leader() {
    let server = Server::start(options()).await.unwrap();
    let (leader, follower) = ((VNodeState::Leader, true), (VNodeState::Follower, true));
    for node in 0..3 {
        assert_eq!(members(&server, node).await, [leader, follower, follower]);
    }
    assert!(server.lead(2).await);
    assert_eq!(members(&server, 0).await, [follower, follower, leader]);
    server.end_node(1, Ending::Kill).await;
    assert_eq!(
        members(&server, 0).await,
        [follower, (VNodeState::Follower, false), leader]
    );
    assert!(!server.lead(1).await, "a node that is down does not lead");
}

#[tokio::test]
async fn a_follower_names_the_leader_where_one_is_needed() {
    let server = Server::start(options()).await.unwrap();
    let mut follower = client(&server, 1).await;
    let refused = append_as(&mut follower, "s", 1, leader_required)
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::NotFound, "Leader info available")
    );
    let leader = server.address();
    for (key, value) in [
        ("exception", "not-leader".to_owned()),
        ("leader-endpoint-host", leader.ip().to_string()),
        ("leader-endpoint-port", leader.port().to_string()),
    ] {
        assert_eq!(refused.metadata().get(key).unwrap(), value.as_str());
    }
    append(&mut follower, "s", 1)
        .await
        .expect("it forwards what needs no leader");
    let mut found = within(follower.read(read("s", Some(1))))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next(&mut found).await, "0", "reads are served");
    assert!(server.lead(1).await);
    append_as(&mut follower, "s", 2, leader_required)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_lost_leader_is_replaced_and_comes_back_as_a_follower() {
    let server = Server::start(options()).await.unwrap();
    server.end_node(0, Ending::Kill).await;
    until(|| async { server.leader() == Some(1) }).await;
    let mut leader = client(&server, 1).await;
    append_as(&mut leader, "s", 1, leader_required)
        .await
        .unwrap();
    server.begin_node(0, Startup::default()).await.unwrap();
    let follower = (VNodeState::Follower, true);
    assert_eq!(
        members(&server, 0).await,
        [follower, (VNodeState::Leader, true), follower]
    );
}
