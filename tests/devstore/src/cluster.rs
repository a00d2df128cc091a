//! What all nodes share: the data, who leads, in which phase of its life each node is.
//!
//! Never listens; nodes are started and ended by `lifecycle`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use ditto_protocol::gossip::member_info::VNodeState;
use tokio::sync::watch;
use uuid::Uuid;

use crate::faults::Faults;
use crate::groups::Groups;
use crate::lifecycle::Lifecycle;
use crate::net::Network;
use crate::options::Options;
use crate::pace::Pace;
use crate::store::Store;
use crate::users::Users;

/// The nodes' common ground.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) store: Store,
    pub(crate) groups: Groups,
    pub(crate) options: Options,
    pub(crate) faults: Faults,
    pub(crate) users: Users,
    pub(crate) pace: Pace,
    pub(crate) lifecycle: OnceLock<Weak<Lifecycle>>,
    /// `None`: the machine's.
    pub(crate) network: Option<Arc<dyn Network>>,
    members: Mutex<Members>,
    /// Changes whenever a node has another log than before.
    logs: watch::Sender<u64>,
}

#[derive(Debug)]
struct Members {
    all: Vec<Member>,
    leader: Option<usize>,
    /// There was a leader before.
    led: bool,
    /// Logs of the nodes that have not what the others have.
    own: BTreeMap<usize, Store>,
}

/// A node, as the others and gossip see it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) instance: Uuid,
    /// Host and port that clients are told.
    pub(crate) advertised: (String, u16),
    pub(crate) phase: Phase,
    pub(crate) leads: bool,
    /// What gossip calls it whatever it is.
    pub(crate) called: Option<VNodeState>,
}

/// The phases of a node's life (protocol §14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing listens.
    Down,
    /// The port answers, but nobody leads.
    NoLeader,
    /// There is a leader, the subsystems are not up.
    Starting,
    Ready,
    /// Nothing new is taken, what is open goes on.
    Terminating,
    /// The operator's shutdown has begun: everything is refused as not ready.
    Refusing,
    /// Nothing is said any more.
    Silent,
}

impl Member {
    /// What gossip calls it.
    pub(crate) fn state(&self) -> VNodeState {
        match (self.called, self.phase) {
            (Some(called), _) => called,
            (None, Phase::NoLeader) => VNodeState::Unknown,
            (None, Phase::Refusing | Phase::Silent) => VNodeState::ShuttingDown,
            (None, _) if self.leads => VNodeState::Leader,
            (None, _) => VNodeState::Follower,
        }
    }
}

impl Cluster {
    pub(crate) fn new(
        options: Options,
        advertised: Vec<(String, u16)>,
        network: Option<Arc<dyn Network>>,
    ) -> Self {
        let member = |advertised| Member {
            instance: Uuid::new_v4(),
            advertised,
            phase: Phase::Down,
            leads: false,
            called: None,
        };
        let store = Store::new();
        let faults = Faults::default();
        let groups = Groups::new(store.clone(), &options, faults.clone());
        Self {
            store,
            groups,
            faults,
            users: Users::new(options.users.clone()),
            pace: Pace::new(options.model),
            options,
            lifecycle: OnceLock::new(),
            network,
            members: Mutex::new(Members {
                all: advertised.into_iter().map(member).collect(),
                leader: None,
                led: false,
                own: BTreeMap::new(),
            }),
            logs: watch::channel(0).0,
        }
    }

    /// All nodes, in order.
    pub(crate) fn members(&self) -> Vec<Member> {
        let members = self.lock();
        let all = members.all.iter().enumerate();
        all.map(|(index, member)| Member {
            leads: members.leader == Some(index),
            ..member.clone()
        })
        .collect()
    }

    pub(crate) fn phase(&self, node: usize) -> Phase {
        self.lock()
            .all
            .get(node)
            .map_or(Phase::Down, |member| member.phase)
    }

    pub(crate) fn set_phase(&self, node: usize, phase: Phase) {
        if let Some(member) = self.lock().all.get_mut(node) {
            member.phase = phase;
        }
    }

    /// What gossip calls a node from now on; `None`: what it is. False if there is no such node.
    pub(crate) fn call(&self, node: usize, state: Option<VNodeState>) -> bool {
        let mut members = self.lock();
        let member = members.all.get_mut(node);
        member.map(|member| member.called = state).is_some()
    }

    /// The log as that node has it.
    pub(crate) fn log_of(&self, node: usize) -> Store {
        let own = self.lock().own.get(&node).cloned();
        own.unwrap_or_else(|| self.store.clone())
    }

    /// Changes whenever a node has another log than before. Mark seen *before* asking for the log.
    pub(crate) fn watch_logs(&self) -> watch::Receiver<u64> {
        self.logs.subscribe()
    }

    /// Leaves a node with what its log holds now, in a store of its own; `None` for the leader, and if there is no such
    /// node.
    pub(crate) fn hold_back(&self, node: usize) -> Option<Store> {
        let store = {
            let mut members = self.lock();
            if members.leader == Some(node) || node >= members.all.len() {
                return None;
            }
            let own = members.own.entry(node);
            own.or_insert_with(|| self.store.copy_until(u64::MAX))
                .clone()
        };
        self.logs.send_modify(|changes| *changes += 1);
        Some(store)
    }

    /// Gives a node that was held back the log that the others have.
    pub(crate) fn catch_up(&self, node: usize) {
        self.lock().own.remove(&node);
        self.logs.send_modify(|changes| *changes += 1);
    }

    /// Whether the log of a node holds records that the others do not have.
    pub(crate) fn has_diverged(&self, node: usize) -> bool {
        let own = self.lock().own.get(&node).cloned();
        own.is_some_and(|own| !self.store.continues(&own))
    }

    /// Whether a node may lead: it has what the others have, and is no node that only starts or only follows.
    pub(crate) fn may_lead(&self, node: usize) -> bool {
        let members = self.lock();
        let called = members.all.get(node).and_then(|member| member.called);
        !members.own.contains_key(&node) && matches!(called, None | Some(VNodeState::Follower))
    }

    /// The node that leads.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.lock().leader
    }

    pub(crate) fn set_leader(&self, leader: Option<usize>) {
        let mut members = self.lock();
        if let Some(node) = leader {
            self.groups.led_by(node);
            let instance = members.all.get(node).map(|member| member.instance);
            // The first epoch is in the log from its beginning on.
            if std::mem::replace(&mut members.led, true) {
                self.store.begin_epoch(instance.unwrap_or_default());
            }
        }
        members.leader = leader;
    }

    /// Host and port of the node that leads.
    pub(crate) fn leader_address(&self) -> Option<(String, u16)> {
        let members = self.lock();
        Some(members.all.get(members.leader?)?.advertised.clone())
    }

    /// A time of the server's clocks in the day's time.
    pub(crate) fn real(&self, time: Duration) -> Duration {
        let scale = self.options.time_scale;
        if scale.is_finite() && scale > 0.0 {
            time.div_f64(scale)
        } else {
            time
        }
    }

    /// Ends the session of every consumer of every group; the groups go on from their checkpoints.
    pub(crate) async fn drop_consumers(&self) {
        self.groups.restart().await;
    }

    /// What no process remembers that starts anew (protocol §14.3).
    pub(crate) fn forget(&self) {
        self.store.forget_recent_ids();
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
