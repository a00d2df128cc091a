//! Nodes whose log is not what the others have: behind, or with records that nobody else has. Never elects by itself.

use devstore::store::{Expected, Store};
use devstore::{Generation, Options, Server};
use ditto_protocol::gossip::gossip_client::GossipClient;
use ditto_protocol::gossip::member_info::VNodeState;
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::ReadResp;
use tonic::Streaming;

use crate::support::{
    SILENCE, append, caught_up, client, event, log, next, pages, read, within, write,
};
use crate::web::ask;

async fn cluster(generation: Generation) -> Server {
    let options = Options {
        nodes: 3,
        time_scale: 50.0,
        ..Options::playing(generation)
    };
    Server::start(options).await.unwrap()
}

async fn is_silent(answers: &mut Streaming<ReadResp>) -> bool {
    tokio::time::timeout(SILENCE, answers.message())
        .await
        .is_err()
}

/// Where the log of each member ends, as the first one tells over HTTP.
async fn ends(server: &Server) -> Vec<u64> {
    let (_, gossip) = ask(server, "GET", "/gossip", "", "").await;
    let members = gossip["members"].as_array().unwrap();
    members
        .iter()
        .map(|member| member["writerCheckpoint"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn node_that_is_held_back_shows_later_records_when_it_rejoins() {
    for generation in Generation::ALL {
        let server = cluster(generation).await;
        write(&server, "s", 0..3);
        let mut follower = client(&server, 1).await;
        let mut subscriptions = [
            caught_up(&mut follower, read("s", None)).await,
            caught_up(&mut follower, log(None)).await,
        ];
        let held = server.store().end();
        assert!(server.hold_back(1).is_some());
        assert!(server.hold_back(0).is_none(), "the leader has everything");
        // More than a slow consumer may let wait, were they written now.
        write(&server, "s", 3..60);
        for subscription in &mut subscriptions {
            assert!(is_silent(subscription).await, "{generation:?}");
        }
        let (shown, last) = pages(&mut follower, "s", false).await;
        assert_eq!((shown, last), (Some(vec![0, 1, 2]), Some(2)));
        let end = server.store().end();
        assert_eq!(ends(&server).await, [end, held, end]);
        assert!(!server.lead(1).await, "it lacks what the others have");
        append(&mut follower, "s", 60).await.expect("it forwards");
        assert_eq!(server.store().stream_info("s").last, Some(60));
        server.rejoin(1).await.unwrap();
        for subscription in &mut subscriptions {
            for revision in 3..=60 {
                assert_eq!(next(subscription).await, revision.to_string());
            }
            assert!(is_silent(subscription).await);
        }
        assert!(server.lead(1).await);
    }
}

#[tokio::test]
async fn records_that_one_node_alone_has_are_gone_when_it_rejoins() {
    let server = cluster(Generation::default()).await;
    write(&server, "s", 0..2);
    let own: Store = server.hold_back(2).unwrap();
    own.append("s", Expected::Any, vec![event(9)]).unwrap();
    let mut node = client(&server, 2).await;
    let mut subscription = caught_up(&mut node, log(None)).await;
    assert_eq!(pages(&mut node, "s", true).await.1, Some(2));
    write(&server, "s", 2..3);
    server.rejoin(2).await.unwrap();
    let ended = within(subscription.message()).await;
    assert!(ended.is_err(), "it is restarted for it: {ended:?}");
    let found = server.store().event("s", 2).unwrap();
    assert_eq!(found.id.as_u128(), 2);
    assert_eq!(pages(&mut node, "s", true).await.0, Some(vec![0, 1, 2]));
}

#[tokio::test]
async fn gossip_calls_a_node_what_it_was_told_to() {
    let server = cluster(Generation::default()).await;
    assert!(server.set_state(1, Some(VNodeState::CatchingUp)));
    assert!(!server.set_state(3, None), "there is no such node");
    let states = async || {
        let endpoint = format!("http://{}", server.addresses()[1]);
        let mut gossip = GossipClient::connect(endpoint).await.unwrap();
        let answer = within(gossip.read(Empty {})).await.unwrap().into_inner();
        let states = answer.members.iter().map(|member| member.state());
        states.collect::<Vec<_>>()
    };
    let (leader, follower) = (VNodeState::Leader, VNodeState::Follower);
    assert_eq!(states().await, [leader, VNodeState::CatchingUp, follower]);
    assert!(!server.lead(1).await);
    assert!(server.set_state(1, None));
    assert_eq!(states().await, [leader, follower, follower]);
}

#[tokio::test]
async fn restored_database_shares_the_epochs_of_its_backup_only() {
    let server = cluster(Generation::default()).await;
    let epochs = || server.store().appended("$epoch-information", 0, 100);
    write(&server, "s", 0..2);
    let backup = server.store().copy_until(u64::MAX);
    assert!(server.lead(1).await);
    write(&server, "s", 2..5);
    let before = epochs();
    server.stop().await;
    server.store().become_copy_of(&backup);
    server.start_again().await.unwrap();
    let after = epochs();
    assert_eq!((before.len(), after.len()), (2, 2));
    assert_eq!(before[0].id, after[0].id);
    assert_ne!(before[1].id, after[1].id);
    let mut client = client(&server, 0).await;
    assert_eq!(pages(&mut client, "s", false).await.1, Some(1));
}
