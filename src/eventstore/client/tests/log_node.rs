//! Which node the log is read from, by what three nodes say of themselves and of each other. Never asserts how long something
//! took.

use ditto_protocol::gossip::member_info::VNodeState::{
    self, CatchingUp, Clone, Follower, Leader, PreReplica, ReadOnlyLeaderless, ReadOnlyReplica,
    ResigningLeader,
};

use super::super::super::error::Class;
use super::super::{Client, NodeRole};
use super::fake::Fake;
use super::{client, soon};
use crate::config::cluster::Endpoint;

/// Nodes that tell of all; each calls itself what the second of its states says, and the others call it the first.
struct Told {
    nodes: Vec<Fake>,
}

impl Told {
    fn start(states: &[(VNodeState, VNodeState)]) -> Self {
        let nodes: Vec<Fake> = states.iter().map(|_| Fake::start()).collect();
        for (teller, node) in nodes.iter().enumerate() {
            let members: Vec<(&Endpoint, VNodeState, bool)> = nodes
                .iter()
                .zip(states)
                .enumerate()
                .map(|(of, (node, (by_others, by_itself)))| {
                    let state = if of == teller { by_itself } else { by_others };
                    (&node.endpoint, *state, true)
                })
                .collect();
            node.set_members(&members);
        }
        Self { nodes }
    }

    /// A client that knows the first node alone.
    fn client(&self) -> Client {
        let seed = &self.nodes[0].endpoint;
        client(&format!(
            "esdb+discover://{seed}?tls=false&gossipTimeout=2000"
        ))
    }

    /// The node that is chosen, by its number; or why none is.
    async fn chosen(&self, role: Option<NodeRole>, avoided: &[usize]) -> Result<usize, Class> {
        let avoided: Vec<Endpoint> = avoided
            .iter()
            .map(|node| self.nodes[*node].endpoint.clone())
            .collect();
        let chosen = soon(self.client().log_node(role, &avoided)).await;
        let chosen = chosen.map_err(|error| error.class().clone())?;
        let at = |node: &Fake| node.endpoint == *chosen.endpoint();
        Ok(self.nodes.iter().position(at).expect("one of them"))
    }
}

#[tokio::test]
async fn node_is_chosen_by_what_it_calls_itself() {
    let same = |state| (state, state);
    let [leader, follower, replica] = [Leader, Follower, ReadOnlyReplica].map(same);
    let none = Err(Class::NotReady);
    for (states, role, expected) in [
        ([leader, follower, replica], None, Ok(1)),
        ([leader, follower, replica], Some(NodeRole::Leader), Ok(0)),
        ([leader, follower, replica], Some(NodeRole::Follower), Ok(1)),
        (
            [leader, follower, replica],
            Some(NodeRole::ReadOnlyReplica),
            Ok(2),
        ),
        // To the others it is a follower, but it starts.
        (
            [leader, (Follower, CatchingUp), (Follower, Clone)],
            None,
            Ok(0),
        ),
        (
            [leader, (Follower, PreReplica), (Follower, CatchingUp)],
            Some(NodeRole::Follower),
            none.clone(),
        ),
        ([leader, (CatchingUp, Follower), replica], None, Ok(1)),
        (
            [
                (Leader, ResigningLeader),
                (ReadOnlyReplica, ReadOnlyLeaderless),
                replica,
            ],
            None,
            Ok(2),
        ),
        (
            [leader, follower, (ReadOnlyReplica, ReadOnlyLeaderless)],
            Some(NodeRole::ReadOnlyReplica),
            none,
        ),
    ] {
        let told = Told::start(&states);
        assert_eq!(
            told.chosen(role, &[]).await,
            expected,
            "{states:?} {role:?}"
        );
    }
}

#[tokio::test]
async fn only_node_of_a_cluster_is_taken_whatever_is_asked_for() {
    for (state, expected) in [(Leader, Ok(0)), (CatchingUp, Err(Class::NotReady))] {
        let told = Told::start(&[(state, state)]);
        // It is called where it was reached, whatever it calls itself.
        let elsewhere = Endpoint {
            host: "unknown.invalid".to_owned(),
            port: 2113,
        };
        told.nodes[0].set_members(&[(&elsewhere, state, true)]);
        for role in [None, Some(NodeRole::ReadOnlyReplica)] {
            assert_eq!(told.chosen(role, &[0]).await, expected, "{role:?}");
        }
    }
}

#[tokio::test]
async fn avoided_node_is_taken_only_if_there_is_no_other() {
    let [leader, follower] = [Leader, Follower].map(|state| (state, state));
    let told = Told::start(&[leader, follower, follower]);
    for (role, avoided, expected) in [
        (None, vec![1], 2),
        (None, vec![2], 1),
        (None, vec![1, 2], 0),
        (Some(NodeRole::Leader), vec![0], 0),
    ] {
        let chosen = told.chosen(role, &avoided).await;
        assert_eq!(chosen, Ok(expected), "{role:?} {avoided:?}");
    }
}

#[tokio::test]
async fn nodes_that_are_gone_are_passed_over() {
    let [leader, follower] = [Leader, Follower].map(|state| (state, state));
    let mut told = Told::start(&[leader, follower, follower]);
    told.nodes[1].kill();
    assert_eq!(told.chosen(None, &[]).await, Ok(2));
    told.nodes[2].kill();
    assert_eq!(told.chosen(None, &[]).await, Ok(0));
    told.nodes[0].kill();
    let lost = told.chosen(None, &[]).await.unwrap_err();
    assert_eq!(lost, Class::Transient);
}
