//! The log of one Event Store, as a source.
//!
//! Which node is read, and which connections are believed. A connection is believed if the leader's epochs were read and
//! judged while it was open; the subscription's own, if its node names the same epochs. Never follows a link.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::search::{self, Search};
use super::session::LogSession;
use super::state;
use super::watch::watch;
use super::{Log, Refusal};
use crate::config::cluster::Endpoint;
use crate::eventstore::client::{Client, LogNode, NodeRole, SubscribeLog};
use crate::eventstore::{Class, Error};
use crate::source::{Opened, Source, history};
use ditto_core::event::StreamName;
use ditto_core::filter::StreamFilter;
use ditto_core::port::log::{Epoch, EpochsPage, LogRefusal, RecordPage, SearchPage};
use ditto_core::port::state::StatePage;
use ditto_core::port::{LogPosition, ReadFrom, SourcePage};

/// While epochs are read connections may be opened, by the first read above all: then they are read again, so often.
const READINGS: u32 = 3;

/// The log of one Event Store.
#[derive(Debug)]
pub struct Database {
    client: Client,
    /// A .NET regular expression for the streams' names.
    streams: String,
    role: Option<NodeRole>,
    state: Mutex<State>,
}

/// What the source was seen to be, and over which connections.
#[derive(Clone, Debug)]
pub struct Seen {
    openings: u64,
    /// `None`: they may not be read.
    epochs: Option<Vec<Epoch>>,
}

#[derive(Debug, Default)]
struct State {
    /// The node that is read; `None`: the next one is to be chosen.
    node: Option<LogNode>,
    /// The last one, if it did not do.
    avoided: Option<Endpoint>,
    believed: Option<Seen>,
    trouble: Option<String>,
}

impl Database {
    /// The log behind this client, of which the streams that `filter` wants are read, from a node of this role.
    #[must_use]
    pub fn new(client: Client, filter: &StreamFilter, role: Option<NodeRole>) -> Self {
        Self {
            client,
            streams: filter.regex(),
            role,
            state: Mutex::default(),
        }
    }

    /// The node that is read.
    async fn node(&self) -> Result<LogNode, Error> {
        let avoided: Vec<Endpoint> = {
            let state = self.state();
            if let Some(node) = &state.node {
                return Ok(node.clone());
            }
            state.avoided.iter().cloned().collect()
        };
        let node = self.client.log_node(self.role, &avoided).await?;
        self.state().node = Some(node.clone());
        Ok(node)
    }

    /// Another node is to be read, if there is one.
    fn leave(&self, node: &LogNode) {
        let mut state = self.state();
        state.node = None;
        state.avoided = Some(node.endpoint().clone());
    }

    async fn read_epochs(&self) -> Result<(EpochsPage, Seen), Error> {
        self.node().await?;
        for _ in 0..READINGS {
            let openings = self.client.openings();
            let epochs = match self.client.epochs().await {
                Ok(epochs) => Some(epochs),
                Err(error) if *error.class() == Class::Denied => None,
                Err(error) => return Err(error),
            };
            let end = match self.client.log_end().await {
                Err(error) if *error.class() == Class::Denied => None,
                end => end?,
            };
            if self.client.openings() == openings {
                let page = match (&epochs, end) {
                    (Some(epochs), Some(end)) => EpochsPage::Epochs {
                        epochs: epochs.clone(),
                        end,
                    },
                    _ => EpochsPage::Denied,
                };
                return Ok((page, Seen { openings, epochs }));
            }
        }
        let text = "connections are opened again and again";
        Err(Error::new(
            self.client.side(),
            Class::Transient,
            "read the epochs",
            text,
        ))
    }

    /// What was judged still holds: no connection was opened since.
    fn is_believed(&self) -> bool {
        let openings = self.client.openings();
        let state = self.state();
        let believed = state.believed.as_ref();
        believed.is_some_and(|seen| seen.openings == openings)
    }

    fn fail(&self, error: Error) -> Refusal {
        let refusal = Refusal::from(error);
        self.state().trouble = Some(refusal.text.clone());
        refusal
    }

    async fn subscribe(&self, after: Option<LogPosition>) -> Result<LogSession, Refusal> {
        let unknown = || Refusal {
            why: LogRefusal::Unavailable,
            text: "the source is not known to be the one that was copied".to_owned(),
        };
        if !self.is_believed() {
            return Err(unknown());
        }
        let seen = self.state().believed.clone().ok_or_else(unknown)?;
        let node = self.node().await.map_err(|error| self.fail(error))?;
        let subscribe = SubscribeLog {
            after,
            streams: self.streams.clone(),
        };
        let opening = async {
            let opened = self.client.subscribe_log(&node, &subscribe).await?;
            let same = match &seen.epochs {
                Some(known) => is_same_log(known, &opened.epochs().await?),
                None => true,
            };
            Ok((opened, same))
        };
        let (opened, same) = opening.await.map_err(|error: Error| {
            if error.is_transient() {
                self.leave(&node);
            }
            self.fail(error)
        })?;
        if !same {
            self.leave(&node);
            return Err(unknown());
        }
        self.state().trouble = None;
        // The only node of a cluster is read whatever was asked for.
        let role = self.role.filter(|role| *role == node.role());
        let watched = watch(self.client.clone(), node, role);
        Ok(LogSession::new(opened, watched))
    }

    /// A panic elsewhere cannot leave it in disorder: nothing here can panic half-way.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Database {
    type Session = LogSession;
    type Opening = Option<LogPosition>;
    type Seen = ();
    type Refusal = Refusal;

    async fn open(&self, after: Option<LogPosition>) -> Result<Opened<LogSession, ()>, Refusal> {
        Ok(Opened {
            session: self.subscribe(after).await?,
            seen: (),
            warnings: Vec::new(),
        })
    }

    async fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> SourcePage {
        if !self.is_believed() {
            return SourcePage::Failed;
        }
        let page = history::stream(&self.client, stream, from, count, max_bytes).await;
        if self.is_believed() {
            page
        } else {
            SourcePage::Failed
        }
    }

    async fn probe(&self) -> Result<(), String> {
        self.client.probe().await.map_err(|error| error.with_hint())
    }

    fn trouble(&self) -> Option<String> {
        let trouble = self.state().trouble.clone();
        trouble.or_else(|| self.client.trouble())
    }
}

impl Log for Database {
    type Judged = Seen;

    async fn epochs(&self) -> (EpochsPage, Option<Seen>) {
        match self.read_epochs().await {
            Ok((page, seen)) => (page, Some(seen)),
            Err(error) => {
                self.fail(error);
                (EpochsPage::Failed, None)
            }
        }
    }

    fn trust(&self, judged: Seen) {
        self.state().believed = Some(judged);
    }

    fn has_reconnected(&self) -> bool {
        let openings = self.client.openings();
        let believed = &mut self.state().believed;
        believed.take_if(|seen| seen.openings != openings).is_some()
    }

    async fn end(&self) -> Option<LogPosition> {
        if !self.is_believed() {
            return None;
        }
        self.client.log_end().await.ok().flatten()
    }

    async fn record_at(&self, position: LogPosition) -> RecordPage {
        let unavailable = RecordPage::Refused(LogRefusal::Unavailable);
        if !self.is_believed() {
            return unavailable;
        }
        let page = match self.node().await {
            Ok(node) => match self.client.record_at_node(&node, position).await {
                Ok(Some(record)) => RecordPage::Found(Box::new((record.position, record.event))),
                Ok(None) => RecordPage::End,
                Err(error) => {
                    if error.is_transient() {
                        self.leave(&node);
                    }
                    RecordPage::Refused(self.fail(error).why)
                }
            },
            Err(error) => RecordPage::Refused(self.fail(error).why),
        };
        if self.is_believed() {
            page
        } else {
            unavailable
        }
    }

    async fn search(&self, search: Search) -> SearchPage {
        let believed = self.state().believed.clone();
        let Some(seen) = believed.filter(|_| self.is_believed()) else {
            return SearchPage::Failed;
        };
        let part = search::part(&self.client, &search, seen.epochs.as_deref()).await;
        let page = part.unwrap_or_else(|error| {
            self.fail(error);
            SearchPage::Failed
        });
        if self.is_believed() {
            page
        } else {
            SearchPage::Failed
        }
    }

    async fn state(&self, stream: StreamName) -> StatePage {
        if !self.is_believed() {
            return StatePage::Failed;
        }
        let page = state::of_stream(&self.client, &stream).await;
        if self.is_believed() {
            page
        } else {
            StatePage::Failed
        }
    }

    async fn last_before(
        &self,
        stream: StreamName,
        position: Option<LogPosition>,
        revision: Option<u64>,
    ) -> RecordPage {
        let unavailable = RecordPage::Refused(LogRefusal::Unavailable);
        if !self.is_believed() {
            return unavailable;
        }
        let last = self.client.last_event(&stream, position, revision).await;
        let page = match last {
            Ok(Some(record)) => RecordPage::Found(Box::new((record.position, record.event))),
            Ok(None) => RecordPage::End,
            Err(error) => RecordPage::Refused(self.fail(error).why),
        };
        if self.is_believed() {
            page
        } else {
            unavailable
        }
    }
}

/// Whether a node, by its newest epochs, has the log whose epochs the leader named: it may lack the newest, and may have one
/// more by now. A copy of a database shares all epochs up to the copy and none after it (protocol §15.1).
pub(super) fn is_same_log(leaders: &[Epoch], nodes: &[Epoch]) -> bool {
    let newest_of_node = nodes.iter().max_by_key(|epoch| epoch.position);
    let newest_of_leader = leaders.iter().max_by_key(|epoch| epoch.position);
    match (newest_of_node, newest_of_leader) {
        (Some(node), Some(leader)) => leaders.contains(node) || nodes.contains(leader),
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn node_has_the_leaders_log_if_one_knows_the_newest_epoch_of_the_other() {
        let epochs = |all: &[(u128, u64)]| -> Vec<Epoch> {
            let epoch = |&(id, position)| Epoch {
                id: Uuid::from_u128(id),
                position,
            };
            all.iter().map(epoch).collect()
        };
        let leader = epochs(&[(1, 0), (2, 300)]);
        for (name, node, expected) in [
            ("the same", &[(2, 300), (1, 0)][..], true),
            ("behind", &[(1, 0)], true),
            ("an election since", &[(3, 700), (2, 300), (1, 0)], true),
            ("restored, and gone on", &[(9, 300), (1, 0)], false),
            ("another database", &[(8, 0)], false),
            ("none", &[], false),
        ] {
            assert_eq!(is_same_log(&leader, &epochs(node)), expected, "{name}");
        }
        assert!(is_same_log(&[], &[]));
    }
}
