//! The node that the log is read from: any that has it, so that the leader is spared.
//!
//! A node counts as what its own gossip calls it, never as what another one says of it: a node that starts is a follower to
//! the others already, and serves records that may be cut later (protocol §14.2). Never moves a call that is open.

use std::sync::Arc;

use ditto_core::port::LogPosition;
use ditto_protocol::gossip::MemberInfo;
use ditto_protocol::gossip::member_info::VNodeState;
use ditto_protocol::shared::Empty;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::error::{Class, Error};
use super::connection::Material;
use super::discovery::{MOST_MEMBERS, address};
use super::{Client, Node};
use crate::config::cluster::Endpoint;

const ACTION: &str = "find a node to read the log from";
/// Rank of a node that is taken at once.
const WANTED: u8 = 0;
/// What is added to the rank of a node that is to be avoided.
const AVOIDED: u8 = 10;

/// What a node is that has the log, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeRole {
    /// It takes the writes.
    Leader,
    /// It has what the leader has, and may become one.
    Follower,
    /// It has what the leader has, and never becomes one.
    ReadOnlyReplica,
}

impl NodeRole {
    fn of(state: VNodeState) -> Option<Self> {
        match state {
            VNodeState::Leader => Some(Self::Leader),
            VNodeState::Follower => Some(Self::Follower),
            VNodeState::ReadOnlyReplica => Some(Self::ReadOnlyReplica),
            _ => None,
        }
    }
}

/// A node that was chosen to read the log from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogNode {
    node: Arc<Node>,
    role: NodeRole,
}

impl LogNode {
    /// The node's address.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.node.endpoint()
    }

    /// What it was when it was chosen.
    #[must_use]
    pub fn role(&self) -> NodeRole {
        self.role
    }

    pub(super) fn node(&self) -> &Arc<Node> {
        &self.node
    }
}

/// How a node stands that the log is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStanding {
    /// What it calls itself now; `None`: nothing that may be read from.
    pub role: Option<NodeRole>,
    /// It knows a leader that is alive.
    pub has_leader: bool,
    /// Position of the last record that it has; `None`: it has none.
    pub end: Option<LogPosition>,
    /// The same of the leader, asked before; `None`: not known, or the leader has none.
    pub leader_end: Option<LogPosition>,
}

impl LogStanding {
    /// Bytes of log that the leader had and the node has not; `None`: not known.
    #[must_use]
    pub fn lag(&self) -> Option<u64> {
        let leader = self.leader_end?.commit;
        Some(leader.saturating_sub(self.end.map_or(0, |end| end.commit)))
    }
}

impl Client {
    /// The node that leads, over the connection that everything else is asked over.
    ///
    /// # Errors
    /// No leader answers within the limit of a call.
    pub async fn leading_log_node(&self) -> Result<LogNode, Error> {
        Ok(LogNode {
            node: self.leading().await?,
            role: NodeRole::Leader,
        })
    }

    /// Chooses a node to read the log from. Asked for a role, it takes no other one; asked for none, it takes a follower,
    /// else the leader, else a read-only replica. The only node of a cluster is taken whatever is asked for. Among equals
    /// the first to answer is taken, and one of `avoided` only if there is no other.
    ///
    /// # Errors
    /// No node answers, or none is what is asked for, within the limit of a call.
    pub async fn log_node(
        &self,
        role: Option<NodeRole>,
        avoided: &[Endpoint],
    ) -> Result<LogNode, Error> {
        let limit = self.settings().call_timeout;
        let deadline = Instant::now() + limit;
        let late = || {
            let text = format!("no answer within {limit:?}");
            Error::new(self.side(), Class::Timeout, ACTION, text)
        };
        let material = timeout_at(deadline, self.finder.material())
            .await
            .map_err(|_| late())??;
        let mut known = self.finder.candidates();
        let meet = |endpoint| self.meet(&material, endpoint);
        let mut asked: FuturesUnordered<_> = known.iter().cloned().map(meet).collect();
        let (mut best, mut unusable, mut problem) = (None, Vec::new(), None);
        // Late ones count as silent: the best of those that answered is taken.
        while let Ok(Some(met)) = timeout_at(deadline, asked.next()).await {
            let met = match met {
                Ok(met) => met,
                Err(error) => {
                    problem = Some(error);
                    continue;
                }
            };
            for member in met.members.iter().filter_map(address) {
                if known.len() < MOST_MEMBERS && known.insert(member.clone()) {
                    asked.push(meet(member));
                }
            }
            match met.rank(role, avoided) {
                Some((WANTED, role)) => return Ok(met.chosen(role)),
                Some((rank, role)) if best.as_ref().is_none_or(|(least, _)| rank < *least) => {
                    best = Some((rank, met.chosen(role)));
                }
                Some(_) => {}
                None => unusable.push(met.told()),
            }
        }
        match (best, problem) {
            (Some((_, node)), _) => Ok(node),
            (None, Some(error)) if unusable.is_empty() => Err(error),
            (None, None) if unusable.is_empty() => Err(late()),
            (None, _) => {
                let wanted = role.map_or("may be read from".to_owned(), |role| {
                    format!("calls itself {role:?}")
                });
                let text = format!("no node {wanted}: {}", unusable.join(", "));
                Err(Error::new(self.side(), Class::NotReady, ACTION, text))
            }
        }
    }

    /// Asks how a node stands now that was chosen to read the log from. Records that are written while it is asked count as
    /// no lag.
    ///
    /// # Errors
    /// The node gives no answer. That the leader gives none is no error.
    pub async fn log_standing(&self, chosen: &LogNode) -> Result<LogStanding, Error> {
        let leader_end = self.log_end().await.unwrap_or_default();
        let end = self.log_end_at(chosen).await?;
        let members = self.gossip_at(&chosen.node).await?;
        Ok(LogStanding {
            role: own_role(&members, chosen.endpoint()),
            has_leader: members
                .iter()
                .any(|member| member.is_alive && member.state() == VNodeState::Leader),
            end,
            leader_end,
        })
    }

    async fn meet(&self, material: &Material, endpoint: Endpoint) -> Result<Met, Error> {
        let node = Node::open(self.side(), material, endpoint).await?;
        // Over the connection that was made: the log is read at the same address.
        let members = self.gossip_at(&node).await?;
        let node = Arc::new(node);
        Ok(Met { node, members })
    }

    /// What a node's own gossip says.
    async fn gossip_at(&self, node: &Node) -> Result<Vec<MemberInfo>, Error> {
        let limit = self.settings().gossip_timeout;
        let mut client = node.gossip();
        let answer = timeout(limit, client.read(node.request_of_any(Empty {}))).await;
        let answer = answer
            .map_err(|_| {
                let text = format!("no answer within {limit:?}");
                Error::new(self.side(), Class::Timeout, ACTION, text)
            })?
            .map_err(|status| Error::from_status(self.side(), ACTION, &status))
            .map_err(|error| error.at(node.endpoint()))?;
        let members = answer.into_inner().members;
        Ok(members.into_iter().take(MOST_MEMBERS).collect())
    }
}

/// A node that answered, and what it says of itself and the others.
struct Met {
    node: Arc<Node>,
    members: Vec<MemberInfo>,
}

impl Met {
    /// How little the node is wanted, and what it is; `None`: it may not be read from.
    fn rank(&self, wanted: Option<NodeRole>, avoided: &[Endpoint]) -> Option<(u8, NodeRole)> {
        let role = own_role(&self.members, self.node.endpoint())?;
        if self.members.len() == 1 {
            return Some((WANTED, role));
        }
        let rank = match (wanted, role) {
            (None, NodeRole::Follower) => WANTED,
            (None, NodeRole::Leader) => 1,
            (None, NodeRole::ReadOnlyReplica) => 2,
            (Some(wanted), role) if wanted == role => WANTED,
            (Some(_), _) => return None,
        };
        let is_avoided = avoided.contains(self.node.endpoint());
        Some((rank + if is_avoided { AVOIDED } else { 0 }, role))
    }

    fn chosen(&self, role: NodeRole) -> LogNode {
        LogNode {
            node: self.node.clone(),
            role,
        }
    }

    /// In words, why it is not read from.
    fn told(&self) -> String {
        let endpoint = self.node.endpoint();
        match own(&self.members, endpoint) {
            Some(own) if own.is_alive => {
                format!("{endpoint} calls itself {}", own.state().as_str_name())
            }
            Some(_) => format!("{endpoint} calls itself dead"),
            None => format!("{endpoint} is not among the addresses that it names"),
        }
    }
}

/// What a node calls itself, if that may be read from.
fn own_role(members: &[MemberInfo], node: &Endpoint) -> Option<NodeRole> {
    let own = own(members, node).filter(|own| own.is_alive)?;
    NodeRole::of(own.state())
}

/// The node's own entry in what it says. A cluster of one is called where it was reached: the address that it advertises is
/// often one that only its own network knows (protocol §1.2).
fn own<'a>(members: &'a [MemberInfo], node: &Endpoint) -> Option<&'a MemberInfo> {
    if let [member] = members {
        return Some(member);
    }
    let is_own =
        |named: Endpoint| named.port == node.port && named.host.eq_ignore_ascii_case(&node.host);
    members
        .iter()
        .find(|member| address(member).is_some_and(is_own))
}
