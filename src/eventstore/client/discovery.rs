//! Which node to call: the configured one, the one that gossip calls the leader, or the one that a *not leader* names.
//!
//! A node that failed is forgotten, so that the next call looks again (the crate never does: protocol §11 T6).
//! One search at a time; whoever waits for it shares its outcome. Never waits without a limit.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ditto_protocol::gossip::gossip_client::GossipClient;
use ditto_protocol::gossip::member_info::VNodeState;
use ditto_protocol::gossip::{ClusterInfo, MemberInfo};
use ditto_protocol::ids::from_wire;
use ditto_protocol::shared::Empty;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use uuid::Uuid;

use super::super::error::{Class, Error, Side};
use super::addresses::{Openings, Resolver};
use super::connection::{Material, Node};
use crate::config::cluster::{ClusterSettings, Endpoint, Nodes};
use crate::net::loading::Loading;
use crate::net::tls::Expiry;

const ACTION: &str = "find the leader";
/// More members than any cluster has; what else an answer names is not remembered.
pub(super) const MOST_MEMBERS: usize = 32;

/// Ticks of 100 ns in a second.
const TICKS: i64 = 10_000_000;

/// The clock of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The address that the member advertises.
    pub node: Endpoint,
    /// Seconds by which its clock is ahead of this machine's; negative: behind.
    pub ahead: i64,
}

/// Finds the node for the next call and remembers it.
pub(super) struct Finder {
    side: Side,
    settings: Arc<ClusterSettings>,
    state: Mutex<State>,
    searching: tokio::sync::Mutex<()>,
    loading: Loading<Result<Material, String>>,
    expiry: Arc<Expiry>,
    openings: Openings,
    resolver: Resolver,
}

#[derive(Default)]
struct State {
    node: Option<Arc<Node>>,
    /// Named by a *not leader*; tried once.
    hint: Option<Endpoint>,
    /// The last node that failed: gossip that still calls it the leader is believed last.
    failed: Option<Endpoint>,
    /// What the last gossip named.
    members: BTreeSet<Endpoint>,
    /// A lone node gave no answer: it may be a follower, which leaves batch appends unanswered (protocol §14.2).
    suspect: bool,
    /// Searches that failed, and how the last one did.
    failures: u64,
    failure: Option<Error>,
}

impl fmt::Debug for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self
            .state()
            .node
            .as_ref()
            .map(|node| node.endpoint().to_string());
        f.debug_struct("Finder")
            .field("side", &self.side)
            .field("node", &node)
            .finish_non_exhaustive()
    }
}

impl Finder {
    pub(super) fn new(side: Side, settings: ClusterSettings, resolver: Resolver) -> Self {
        Self {
            side,
            settings: Arc::new(settings),
            state: Mutex::default(),
            searching: tokio::sync::Mutex::default(),
            loading: Loading::default(),
            expiry: Arc::default(),
            openings: Openings::default(),
            resolver,
        }
    }

    pub(super) async fn material(&self) -> Result<Material, Error> {
        let failed = |text: String| {
            let action = "prepare a connection";
            Error::new(self.side, Class::Configuration, action, text)
        };
        let (settings, expiry) = (self.settings.clone(), self.expiry.clone());
        let (resolver, openings) = (self.resolver.clone(), self.openings.clone());
        let is_played = self.resolver.is_played();
        let read = move || Material::read(settings, &expiry, resolver, openings);
        if is_played {
            // A thread of its own would be in no order with everything else.
            return read().map_err(failed);
        }
        match self.loading.get(self.settings.call_timeout, read).await {
            Ok(material) => material.map_err(failed),
            Err(unread) => Err(failed(unread.to_string())),
        }
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    pub(super) fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    /// How often connections were begun, but for those of subscriptions to the log.
    pub(super) fn openings(&self) -> u64 {
        self.openings.count()
    }

    pub(super) fn certificate_expiry(&self) -> Option<Duration> {
        self.expiry.first()
    }

    /// The node to call now. The caller limits the time.
    pub(super) async fn node(&self) -> Result<Arc<Node>, Error> {
        let failures = {
            let state = self.state();
            if let Some(node) = &state.node {
                return Ok(node.clone());
            }
            state.failures
        };
        let _searching = self.searching.lock().await;
        {
            let state = self.state();
            if let Some(node) = &state.node {
                return Ok(node.clone());
            }
            if let Some(failure) = state
                .failure
                .as_ref()
                .filter(|_| state.failures != failures)
            {
                return Err(failure.clone());
            }
        }
        match self.search().await {
            Ok(node) => {
                let node = Arc::new(node);
                let mut state = self.state();
                state.node = Some(node.clone());
                state.suspect = false;
                state.failed = None;
                state.failure = None;
                Ok(node)
            }
            Err(error) => {
                let mut state = self.state();
                state.failures += 1;
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Takes note of an error that `node` caused: after most of them the next call looks for a node again.
    pub(super) fn report(&self, node: &Arc<Node>, error: &Error) {
        let mut state = self.state();
        if !state
            .node
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, node))
        {
            return;
        }
        match error.class() {
            Class::NotLeader(leader) => state.hint.clone_from(leader),
            Class::Transient
            | Class::NoStatus
            | Class::Tls
            | Class::SpeaksTls
            | Class::SpeaksNoTls
            | Class::NotReady
            | Class::RebuildClient => state.failed = Some(node.endpoint().clone()),
            Class::Timeout => {
                state.failed = Some(node.endpoint().clone());
                state.suspect = true;
            }
            // The password file may hold another one by now, the server may be a newer one.
            Class::Unauthenticated | Class::Unsupported => {}
            _ => return,
        }
        state.node = None;
    }

    /// Whether the password file holds something else now than what calls to this node send. The caller limits the time.
    pub(super) async fn has_new_password(&self, node: &Node) -> bool {
        let now = self.material().await;
        now.is_ok_and(|now| node.sends_other_credentials(&now))
    }

    /// The same for an error that somebody else's client met at that address.
    pub(super) fn report_at(&self, endpoint: &Endpoint, error: &Error) {
        let node = self.state().node.clone();
        if let Some(node) = node.filter(|node| node.endpoint() == endpoint) {
            self.report(&node, error);
        }
    }

    /// What the last gossip named.
    #[cfg(feature = "fuzzing")]
    pub(super) fn members_known(&self) -> BTreeSet<Endpoint> {
        self.state().members.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn search(&self) -> Result<Node, Error> {
        let material = self.material().await?;
        let (hint, suspect) = {
            let mut state = self.state();
            (state.hint.take(), state.suspect)
        };
        if let Some(hint) = hint
            && let Ok(node) = Node::open(self.side, &material, hint).await
        {
            return Ok(node);
        }
        if let Nodes::Single(endpoint) = &self.settings.nodes {
            let leader = if suspect {
                self.ask_all(&material).await.ok()
            } else {
                None
            };
            return Node::open(
                self.side,
                &material,
                leader.unwrap_or_else(|| endpoint.clone()),
            )
            .await;
        }
        let mut attempt = 1;
        loop {
            let found = match self.ask_all(&material).await {
                Ok(leader) => Node::open(self.side, &material, leader).await,
                Err(error) => Err(error),
            };
            match found {
                Err(error)
                    if error.is_transient() && attempt < self.settings.max_discover_attempts =>
                {
                    attempt += 1;
                    tokio::time::sleep(self.settings.discovery_interval).await;
                }
                found => return found,
            }
        }
    }

    /// Asks every known node at once, and believes the first that names a living leader.
    async fn ask_all(&self, material: &Material) -> Result<Endpoint, Error> {
        let failed = self.state().failed.clone();
        let mut answers: FuturesUnordered<_> = self
            .candidates()
            .into_iter()
            .map(|candidate| self.ask(material, candidate))
            .collect();
        let (mut doubted, mut problem) = (None, None);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok((asked, info)) => match self.leader_of(&asked, &info) {
                    Some(leader) if Some(&leader) == failed.as_ref() => doubted = Some(leader),
                    Some(leader) => return Ok(leader),
                    None => {
                        let text = format!("{asked} knows no leader that is alive");
                        problem = Some(Error::new(self.side, Class::NotReady, ACTION, text));
                    }
                },
                Err(error) => {
                    problem.get_or_insert(error);
                }
            }
        }
        let nobody = || Error::new(self.side, Class::Transient, ACTION, "no node is known");
        doubted.ok_or_else(|| problem.unwrap_or_else(nobody))
    }

    /// The configured nodes, and those that the last gossip named.
    pub(super) fn candidates(&self) -> BTreeSet<Endpoint> {
        let mut candidates = self.state().members.clone();
        candidates.extend(self.settings.nodes.seeds().iter().cloned());
        candidates
    }

    async fn ask(
        &self,
        material: &Material,
        asked: Endpoint,
    ) -> Result<(Endpoint, ClusterInfo), Error> {
        let answered = material.ask(self.side, ACTION, &asked, |channel| async {
            let mut client = GossipClient::new(channel);
            Ok(client.read(material.request(Empty {})).await?.into_inner())
        });
        let info = answered.await?.answer;
        Ok((asked, info))
    }

    /// The members' own ids, as the first seed that answers says: equal ids are equal servers, whatever the addresses.
    pub(super) async fn instances(&self) -> Result<BTreeSet<Uuid>, Error> {
        let members = self.members().await?;
        let ids = members.iter();
        Ok(ids
            .filter_map(|member| from_wire(member.instance_id.as_ref()).ok())
            .collect())
    }

    /// The clocks of the living members, as the first seed that answers shows them: each has noted its own time in the
    /// last round of gossip, seconds ago (protocol §1.2).
    pub(super) async fn clocks(&self) -> Result<Vec<Clock>, Error> {
        let members = self.members().await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        Ok(clocks(&members, now))
    }

    async fn members(&self) -> Result<Vec<MemberInfo>, Error> {
        let material = self.material().await?;
        let seeds = self.settings.nodes.seeds().iter().cloned();
        let mut answers: FuturesUnordered<_> =
            seeds.map(|seed| self.ask(&material, seed)).collect();
        let mut problem = Error::new(self.side, Class::Transient, ACTION, "no node is known");
        while let Some(answer) = answers.next().await {
            match answer {
                Ok((_, info)) => {
                    return Ok(info.members.into_iter().take(MOST_MEMBERS).collect());
                }
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    /// Whom an answer calls the leader. A cluster of one is called where it was reached: the address that it advertises
    /// is often one that only its own network knows.
    pub(super) fn leader_of(&self, asked: &Endpoint, info: &ClusterInfo) -> Option<Endpoint> {
        let leads = |member: &&MemberInfo| member.is_alive && member.state() == VNodeState::Leader;
        if let [member] = &info.members[..] {
            return leads(&member).then(|| asked.clone());
        }
        let members = info
            .members
            .iter()
            .filter_map(address)
            .take(MOST_MEMBERS)
            .collect();
        self.state().members = members;
        info.members.iter().find(leads).and_then(address)
    }
}

/// The clocks of the living among these, at the second `now` since 1970.
pub(super) fn clocks(members: &[MemberInfo], now: i64) -> Vec<Clock> {
    let living = members
        .iter()
        .filter(|member| member.is_alive && member.time_stamp > 0);
    living
        .filter_map(|member| {
            Some(Clock {
                node: address(member)?,
                ahead: member.time_stamp / TICKS - now,
            })
        })
        .collect()
}

pub(super) fn address(member: &MemberInfo) -> Option<Endpoint> {
    let endpoint = member.http_end_point.as_ref()?;
    Endpoint::named(&endpoint.address, endpoint.port)
}
