//! A destination that is another Event Store.
//!
//! Names no type of a client library: it talks through ditto's own client. Never expects "any" revision.

mod appends;
mod checkpoint;
mod held;
mod lookup;
mod metadata;
mod own;
mod recognise;
mod states;

use std::time::Duration;

pub use appends::EventStoreAppends;
pub(crate) use checkpoint::stream as checkpoint_stream;
pub(crate) use held::stream as held_stream;

use crate::destination::{Destination, Keeper};
use crate::eventstore::client::{Client, outcome_of};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::log::{Checkpoint, CheckpointPage, EpochsPage, HeldChange, HeldPage};
use ditto_core::port::state::StateFound;
use ditto_core::port::{
    AppendOutcome, Expected, LookupRange, LookupResult, MetadataOutcome, Rights,
};
use uuid::Uuid;

/// An Event Store to write to. Its reads share one connection; each pipeline's appends have their own.
#[derive(Clone, Debug)]
pub struct EventStore {
    client: Client,
}

impl EventStore {
    /// The Event Store that `client` talks to.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Destination for EventStore {
    type Appends = EventStoreAppends;

    fn appends(&self) -> EventStoreAppends {
        EventStoreAppends::new(&self.client)
    }

    async fn lookup(
        &self,
        stream: StreamName,
        range: LookupRange,
        max_bytes: usize,
    ) -> LookupResult {
        lookup::lookup(&self.client, stream, range, max_bytes).await
    }

    async fn recognise(&self, stream: StreamName, event: Event) -> LookupResult {
        recognise::recognise(&self.client, &stream, event).await
    }

    async fn rights(&self, stream: StreamName) -> Rights {
        recognise::rights(&self.client, &stream).await
    }

    async fn write_metadata(
        &self,
        stream: StreamName,
        max_age: Option<Duration>,
        truncate_before: Option<u64>,
    ) -> MetadataOutcome {
        metadata::write(&self.client, &stream, max_age, truncate_before).await
    }

    async fn probe(&self) -> Result<(), String> {
        let probed = self.client.probe().await;
        probed.map_err(|error| error.with_hint())
    }

    fn trouble(&self) -> Option<String> {
        self.client.trouble()
    }
}

impl Keeper for EventStore {
    async fn newest_checkpoint(&self, mirror: &str) -> CheckpointPage {
        checkpoint::newest(&self.client, mirror).await
    }

    async fn write_checkpoint(
        &self,
        mirror: &str,
        id: Uuid,
        expected: Expected,
        checkpoint: &Checkpoint,
    ) -> AppendOutcome {
        // A destination that was set back has lost what this checkpoint would say is there: whoever writes holds the mirror no
        // longer, and goes on from the newest checkpoint that it has.
        match self.client.is_as_it_was().await {
            Ok(true) => checkpoint::write(&self.client, mirror, id, expected, checkpoint).await,
            Ok(false) => AppendOutcome::WrongRevision,
            Err(error) => outcome_of(&error),
        }
    }

    async fn held_streams(&self, mirror: &str) -> HeldPage {
        held::read(&self.client, mirror).await
    }

    async fn take_up_held(&self, mirror: &str) -> HeldPage {
        held::take_up(&self.client, mirror).await
    }

    async fn write_held(
        &self,
        mirror: &str,
        id: Uuid,
        expected: Expected,
        changes: &[HeldChange],
    ) -> AppendOutcome {
        held::write(&self.client, mirror, id, expected, changes).await
    }

    fn state_appends(&self) -> EventStoreAppends {
        EventStoreAppends::of_states(&self.client)
    }

    async fn state(&self, stream: StreamName) -> StateFound {
        states::look_up(&self.client, &stream).await
    }

    async fn epochs(&self) -> EpochsPage {
        states::epochs(&self.client).await
    }

    async fn tombstone(&self, stream: StreamName, expected: Expected) -> AppendOutcome {
        states::tombstone(&self.client, &stream, expected).await
    }
}
