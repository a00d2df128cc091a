//! The destination as a process of ditto sees it, watched: which processes have ended, and whether a process without a lease
//! sends appends.
//!
//! All processes of the played machines are one in truth, so that whether one has ended is told here. Changes no other answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ditto::destination::event_store::EventStore;
use ditto::destination::{Abort, Appends, Destination, Keeper};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::log::{Checkpoint, CheckpointPage, EpochsPage, HeldChange, HeldPage};
use ditto_core::port::state::StateFound;
use ditto_core::port::{
    Answer, Append, AppendOutcome, Expected, LookupRange, LookupResult, MetadataOutcome, Rights,
};
use tokio::time::Instant;
use uuid::Uuid;

/// Nothing but checkpoints is sent later than this after the last accepted checkpoint was first sent.
const LEASE: Duration = Duration::from_secs(20);

/// What is known of all processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Those that have ended, and on which machine they were.
    ended: BTreeSet<(usize, Uuid)>,
    /// When each checkpoint was first sent.
    sent: HashMap<Uuid, Instant>,
    /// Until when each process may send.
    leases: HashMap<Uuid, Instant>,
    wrong: Option<String>,
}

impl Processes {
    /// This one of this machine has ended.
    pub(crate) fn ended(&self, machine: usize, instance: Uuid) {
        self.lock().ended.insert((machine, instance));
    }

    /// What a process did that it must not do.
    pub(crate) fn wrong(&self) -> Option<String> {
        self.lock().wrong.clone()
    }

    /// A process sends something other than a checkpoint.
    fn sends(&self, instance: Uuid, stream: &StreamName) {
        let mut known = self.lock();
        let lease = known.leases.get(&instance);
        if lease.is_none_or(|until| Instant::now() > *until) {
            let text = format!("{instance} sends to {stream} without a lease");
            known.wrong.get_or_insert(text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The destination, as this process of this machine sees it.
#[derive(Debug)]
pub(crate) struct Watched<D> {
    pub(crate) destination: D,
    pub(crate) machine: usize,
    pub(crate) instance: Uuid,
    pub(crate) processes: Processes,
}

/// Appends of one process.
#[derive(Debug)]
pub(crate) struct WatchedAppends<A> {
    appends: A,
    instance: Uuid,
    processes: Processes,
}

impl Destination for Watched<EventStore> {
    type Appends = WatchedAppends<<EventStore as Destination>::Appends>;

    fn appends(&self) -> Self::Appends {
        self.watched(self.destination.appends())
    }

    async fn lookup(
        &self,
        stream: StreamName,
        range: LookupRange,
        max_bytes: usize,
    ) -> LookupResult {
        self.destination.lookup(stream, range, max_bytes).await
    }

    async fn recognise(&self, stream: StreamName, event: Event) -> LookupResult {
        self.destination.recognise(stream, event).await
    }

    async fn rights(&self, stream: StreamName) -> Rights {
        self.destination.rights(stream).await
    }

    async fn write_metadata(
        &self,
        stream: StreamName,
        max_age: Option<Duration>,
        truncate_before: Option<u64>,
    ) -> MetadataOutcome {
        let writing = self
            .destination
            .write_metadata(stream, max_age, truncate_before);
        writing.await
    }

    async fn probe(&self) -> Result<(), String> {
        self.destination.probe().await
    }

    fn trouble(&self) -> Option<String> {
        self.destination.trouble()
    }
}

impl Keeper for Watched<EventStore> {
    async fn newest_checkpoint(&self, mirror: &str) -> CheckpointPage {
        let page = self.destination.newest_checkpoint(mirror).await;
        let CheckpointPage::Newest {
            revision,
            checkpoint,
            ..
        } = page
        else {
            return page;
        };
        let holder = (self.machine, checkpoint.holder.instance);
        CheckpointPage::Newest {
            revision,
            is_gone: self.processes.lock().ended.contains(&holder),
            checkpoint,
        }
    }

    async fn write_checkpoint(
        &self,
        mirror: &str,
        id: Uuid,
        expected: Expected,
        checkpoint: &Checkpoint,
    ) -> AppendOutcome {
        let now = Instant::now();
        let sent = *self.processes.lock().sent.entry(id).or_insert(now);
        let writing = self
            .destination
            .write_checkpoint(mirror, id, expected, checkpoint);
        let outcome = writing.await;
        if matches!(outcome, AppendOutcome::Written(_)) {
            let mut known = self.processes.lock();
            known.leases.insert(self.instance, sent + LEASE);
        }
        outcome
    }

    async fn held_streams(&self, mirror: &str) -> HeldPage {
        self.destination.held_streams(mirror).await
    }

    async fn take_up_held(&self, mirror: &str) -> HeldPage {
        self.destination.take_up_held(mirror).await
    }

    async fn write_held(
        &self,
        mirror: &str,
        id: Uuid,
        expected: Expected,
        changes: &[HeldChange],
    ) -> AppendOutcome {
        self.destination
            .write_held(mirror, id, expected, changes)
            .await
    }

    fn state_appends(&self) -> Self::Appends {
        self.watched(self.destination.state_appends())
    }

    async fn state(&self, stream: StreamName) -> StateFound {
        self.destination.state(stream).await
    }

    async fn epochs(&self) -> EpochsPage {
        self.destination.epochs().await
    }

    async fn tombstone(&self, stream: StreamName, expected: Expected) -> AppendOutcome {
        self.processes.sends(self.instance, &stream);
        self.destination.tombstone(stream, expected).await
    }
}

impl<D> Watched<D> {
    fn watched<A>(&self, appends: A) -> WatchedAppends<A> {
        WatchedAppends {
            appends,
            instance: self.instance,
            processes: self.processes.clone(),
        }
    }
}

impl<A: Abort> Abort for WatchedAppends<A> {
    fn abort(&mut self) {
        self.appends.abort();
    }
}

impl<A: Appends> Appends for WatchedAppends<A> {
    fn send(&mut self, append: Append) {
        self.processes.sends(self.instance, &append.stream);
        self.appends.send(append);
    }

    async fn answers(&mut self, into: &mut Vec<Answer>) {
        self.appends.answers(into).await;
    }
}
