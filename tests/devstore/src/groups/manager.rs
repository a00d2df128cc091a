//! All groups of a server: made, changed, deleted, restarted, found. Never handles an event.

use super::actor::{Actor, Command, Mailbox, Setup};
use super::clock::Clock;
use super::config;
use super::consumers::ConsumerId;
use super::info::Info;
use super::settings::Settings;
use super::source::Source;
use super::streams::Streams;
use crate::faults::Faults;
use crate::generation::Generation;
use crate::options::Options;
use crate::store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

/// How long a group may take to end before it is cut off.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Why a group could not be made, changed or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupError {
    /// There is one already.
    Exists,
    /// There is none.
    Missing,
    /// The server refuses the request, with this reason.
    Failed(String),
}

/// Which group is meant: the source's name and the group's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// A stream, or `$all`.
    pub(crate) source: String,
    /// The group's name.
    pub(crate) group: String,
}

/// The groups of a server; clones are the same groups.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    server: Generation,
    clock: Clock,
    faults: Faults,
    leader: Arc<AtomicUsize>,
    groups: Mutex<Registry>,
    /// Numbers consumers and groups.
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Registry {
    running: BTreeMap<Key, Running>,
    /// Sources that had a group at any time: asked for the groups of another, the server finds nothing
    /// (protocol §8.11).
    ever: BTreeSet<String>,
}

#[derive(Debug)]
struct Running {
    mailbox: Mailbox,
    source: Source,
    settings: Settings,
    /// Lists tell groups in the order in which they were made.
    number: u64,
    task: Task,
}

/// A task that does not outlive its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Groups {
    /// No groups yet.
    pub(crate) fn new(store: Store, options: &Options, faults: Faults) -> Groups {
        let clock = Clock::new(options.time_scale);
        let (groups, next) = (Mutex::new(Registry::default()), AtomicU64::new(1));
        Groups {
            inner: Arc::new(Inner {
                store,
                server: options.server,
                clock,
                faults,
                leader: Arc::default(),
                groups,
                next,
            }),
        }
    }

    /// An id for a consumer that wants to join.
    pub(crate) fn new_consumer(&self) -> ConsumerId {
        ConsumerId(self.next())
    }

    /// Another node leads: faults that concern one node strike groups there.
    pub(crate) fn led_by(&self, node: usize) {
        self.inner.leader.store(node, Ordering::Relaxed);
    }

    /// The position of the last record, beyond which no group may begin.
    pub(crate) fn last_position(&self) -> u64 {
        self.inner.store.last_position()
    }

    /// Makes a group and starts it.
    pub(crate) async fn create(
        &self,
        key: Key,
        source: Source,
        settings: Settings,
    ) -> Result<(), GroupError> {
        if let Some(reason) = settings.refused() {
            return Err(GroupError::Failed(reason));
        }
        let mut groups = self.inner.groups.lock().await;
        if groups.running.contains_key(&key) {
            return Err(GroupError::Exists);
        }
        groups.ever.insert(key.source.clone());
        let running = self.start(&key, source, settings, self.next());
        groups.running.insert(key, running);
        self.save(&groups);
        Ok(())
    }

    /// Drops the consumers of a group and starts it again with other settings.
    pub(crate) async fn update(&self, key: &Key, settings: Settings) -> Result<(), GroupError> {
        let mut groups = self.inner.groups.lock().await;
        if !groups.running.contains_key(key) {
            return Err(GroupError::Missing);
        }
        if let Some(reason) = settings.refused() {
            return Err(GroupError::Failed(reason));
        }
        if let Some(old) = groups.running.remove(key) {
            let (source, number) = (old.source.clone(), old.number);
            old.stop(key).await;
            groups
                .running
                .insert(key.clone(), self.start(key, source, settings, number));
        }
        self.save(&groups);
        Ok(())
    }

    /// Drops the consumers of a group and forgets it, with its checkpoints and parked events.
    pub(crate) async fn delete(&self, key: &Key) -> Result<(), GroupError> {
        let mut groups = self.inner.groups.lock().await;
        let old = groups.running.remove(key).ok_or(GroupError::Missing)?;
        old.stop(key).await;
        let Inner { store, server, .. } = &*self.inner;
        Streams::new(store.clone(), *server, &key.source, &key.group).delete();
        self.save(&groups);
        Ok(())
    }

    /// Drops all consumers and starts every group again from its checkpoint.
    pub(crate) async fn restart(&self) {
        let mut groups = self.inner.groups.lock().await;
        for (key, old) in std::mem::take(&mut groups.running) {
            let (source, settings, number) = (old.source.clone(), old.settings.clone(), old.number);
            old.stop(&key).await;
            let running = self.start(&key, source, settings, number);
            groups.running.insert(key, running);
        }
    }

    /// How to reach a group.
    pub(crate) async fn find(&self, key: &Key) -> Result<Mailbox, GroupError> {
        let groups = self.inner.groups.lock().await;
        groups
            .running
            .get(key)
            .map(|running| running.mailbox.clone())
            .ok_or(GroupError::Missing)
    }

    /// What a group looks like.
    pub(crate) async fn info(&self, key: &Key) -> Result<Info, GroupError> {
        let mailbox = self.find(key).await?;
        let (reply, answer) = oneshot::channel();
        // A group that ends in between is one that is missing.
        mailbox
            .commands
            .send(Command::Info(reply))
            .await
            .map_err(|_| GroupError::Missing)?;
        answer.await.map_err(|_| GroupError::Missing)
    }

    /// The groups of one source, or all; none ever: missing.
    pub(crate) async fn list(&self, source: Option<&str>) -> Result<Vec<(Key, Info)>, GroupError> {
        let keys: Vec<Key> = {
            let groups = self.inner.groups.lock().await;
            if source.is_some_and(|source| !groups.ever.contains(source)) {
                return Err(GroupError::Missing);
            }
            let wanted = groups
                .running
                .iter()
                .filter(|(key, _)| source.is_none_or(|source| source == key.source));
            let mut numbered: Vec<(u64, Key)> = wanted
                .map(|(key, running)| (running.number, key.clone()))
                .collect();
            numbered.sort_unstable();
            numbered.into_iter().map(|(_, key)| key).collect()
        };
        let mut list = Vec::with_capacity(keys.len());
        for key in keys {
            if let Ok(info) = self.info(&key).await {
                list.push((key, info));
            }
        }
        Ok(list)
    }

    /// Delivers a group's parked events again.
    pub(crate) async fn replay(&self, key: &Key, stop_at: Option<i64>) -> Result<(), GroupError> {
        let mailbox = self.find(key).await?;
        if stop_at.is_some_and(|revision| revision < 0) {
            let reason = "Cannot stop replaying parked message at a negative version.";
            return Err(GroupError::Failed(reason.to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        mailbox
            .commands
            .send(Command::Replay { stop_at, reply })
            .await
            .map_err(|_| GroupError::Missing)?;
        answer.await.map_err(|_| GroupError::Missing)
    }

    fn next(&self) -> u64 {
        self.inner.next.fetch_add(1, Ordering::Relaxed)
    }

    fn start(&self, key: &Key, source: Source, settings: Settings, number: u64) -> Running {
        let (actor, mailbox) = Actor::new(Setup {
            store: self.inner.store.clone(),
            server: self.inner.server,
            clock: self.inner.clock,
            faults: self.inner.faults.clone(),
            leader: Arc::clone(&self.inner.leader),
            source: source.clone(),
            group: key.group.clone(),
            settings: settings.clone(),
        });
        Running {
            mailbox,
            source,
            settings,
            number,
            task: Task(tokio::spawn(actor.run())),
        }
    }

    fn save(&self, groups: &Registry) {
        let entries = groups
            .running
            .iter()
            .map(|(key, running)| (key, &running.settings));
        config::write(&self.inner.store, entries);
    }
}

impl Running {
    async fn stop(mut self, key: &Key) {
        // A task that is gone already needs no telling.
        drop(self.mailbox.commands.send(Command::Stop).await);
        match tokio::time::timeout(STOP_LIMIT, &mut self.task.0).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, ?key, "a group ended with a panic"),
            Err(_) => tracing::error!(?key, "a group did not end in time and was cut off"),
        }
    }
}
