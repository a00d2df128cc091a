//! What all nodes share: the data, who leads, in which phase of its life each node is.
//!
//! Never listens; nodes are started and ended by `lifecycle`.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use uuid::Uuid;

use crate::faults::Faults;
use crate::groups::Groups;
use crate::lifecycle::Lifecycle;
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
    members: Mutex<Members>,
}

#[derive(Debug)]
struct Members {
    all: Vec<Member>,
    leader: Option<usize>,
    /// There was a leader before.
    led: bool,
}

/// A node, as the others and gossip see it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) instance: Uuid,
    /// Host and port that clients are told.
    pub(crate) advertised: (String, u16),
    pub(crate) phase: Phase,
    pub(crate) leads: bool,
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

impl Cluster {
    pub(crate) fn new(options: Options, advertised: Vec<(String, u16)>) -> Self {
        let member = |advertised| Member {
            instance: Uuid::new_v4(),
            advertised,
            phase: Phase::Down,
            leads: false,
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
            members: Mutex::new(Members {
                all: advertised.into_iter().map(member).collect(),
                leader: None,
                led: false,
            }),
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

    /// Ends the stay of every consumer of every group; the groups go on from their checkpoints.
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
