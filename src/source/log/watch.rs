//! The node that is subscribed to, looked at every few seconds: one that stands still ends no subscription by itself.
//!
//! Never moves anything: it says why the node should be left.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::eventstore::client::{Client, LogNode, LogStanding, NodeRole};
use ditto_core::port::LogPosition;

/// The node is looked at this often.
const EVERY: Duration = Duration::from_secs(5);

/// It is left after so many bad looks in a row: an election takes some seconds.
const BAD_LOOKS: u32 = 3;

/// A look at a node that goes on. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Watch {
    reason: oneshot::Receiver<String>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Waits until the node should be left, for ever if it should not. Loses nothing when dropped before.
    pub(super) async fn reason(&mut self) -> String {
        match (&mut self.reason).await {
            Ok(reason) => reason,
            // The task has ended without one: it was cut off with its runtime.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks at a node that was chosen for this role.
pub(super) fn watch(client: Client, node: LogNode, role: Option<NodeRole>) -> Watch {
    let (tell, reason) = oneshot::channel();
    let task = tokio::spawn(async move {
        let mut looks = Looks::new(role);
        let why = loop {
            sleep(EVERY).await;
            let standing = client.log_standing(&node).await;
            if let Some(why) = looks.judge(standing.map_err(|error| error.with_hint())) {
                break why;
            }
        };
        // Nobody waits for it any more: the session has ended.
        drop(tell.send(format!("{}: {why}", node.endpoint())));
    });
    Watch { reason, task }
}

/// What the looks so far said.
#[derive(Debug)]
struct Looks {
    role: Option<NodeRole>,
    bad: u32,
    end: Option<LogPosition>,
}

impl Looks {
    fn new(role: Option<NodeRole>) -> Self {
        Self {
            role,
            bad: 0,
            end: None,
        }
    }

    /// Takes one look; why the node should be left, after enough bad ones in a row.
    fn judge(&mut self, standing: Result<LogStanding, String>) -> Option<String> {
        let why = match standing {
            Err(why) => Some(why),
            Ok(standing) => {
                let before = std::mem::replace(&mut self.end, standing.end);
                self.wrong(&standing, before)
            }
        };
        match why {
            Some(why) => {
                self.bad += 1;
                (self.bad >= BAD_LOOKS).then_some(why)
            }
            None => {
                self.bad = 0;
                None
            }
        }
    }

    fn wrong(&self, standing: &LogStanding, before: Option<LogPosition>) -> Option<String> {
        let stands_still = standing.end.is_some() && standing.end == before;
        match (standing.role, standing.lag()) {
            (None, _) => Some("the node is no longer one to read from".to_owned()),
            (Some(role), _) if self.role.is_some_and(|wanted| wanted != role) => {
                Some(format!("the node is {role:?} now"))
            }
            _ if !standing.has_leader => Some("the node knows no leader".to_owned()),
            (_, Some(lag)) if lag > 0 && stands_still => Some(format!(
                "the node lags behind the leader by {lag} bytes of log, and stands still"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(end: u64, leader: u64) -> LogStanding {
        let at = |commit| {
            Some(LogPosition {
                commit,
                prepare: commit,
            })
        };
        LogStanding {
            role: Some(NodeRole::Follower),
            has_leader: true,
            end: at(end),
            leader_end: at(leader),
        }
    }

    #[test]
    fn node_is_left_after_three_bad_looks_in_a_row() {
        let alone = || LogStanding {
            has_leader: false,
            ..standing(5, 5)
        };
        let nothing = || LogStanding {
            role: None,
            ..standing(5, 5)
        };
        let good = || Ok(standing(5, 5));
        for (name, looks, left) in [
            ("level", vec![good(), good(), good(), good()], false),
            (
                "behind and moving",
                (1..9).map(|end| Ok(standing(end, 100))).collect(),
                false,
            ),
            (
                "behind and still",
                vec![
                    Ok(standing(3, 9)),
                    Ok(standing(3, 9)),
                    Ok(standing(3, 9)),
                    Ok(standing(3, 9)),
                ],
                true,
            ),
            (
                "an election",
                vec![Ok(alone()), Ok(alone()), good(), Ok(alone())],
                false,
            ),
            (
                "no leader",
                vec![Ok(alone()), Ok(alone()), Ok(alone())],
                true,
            ),
            (
                "no role",
                vec![Ok(nothing()), Ok(nothing()), Ok(nothing())],
                true,
            ),
            (
                "silent",
                vec![
                    Err("x".to_owned()),
                    Err("x".to_owned()),
                    Err("x".to_owned()),
                ],
                true,
            ),
        ] {
            let mut judge = Looks::new(None);
            let told = looks
                .into_iter()
                .filter_map(|look| judge.judge(look))
                .count();
            assert_eq!(told > 0, left, "{name}");
        }
        let mut asked = Looks::new(Some(NodeRole::Leader));
        let looks: Vec<_> = (0..3).map(|_| asked.judge(good())).collect();
        assert_eq!(
            looks,
            [None, None, Some("the node is Follower now".to_owned())]
        );
    }
}
