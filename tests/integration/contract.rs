//! Sources and destinations on development servers of every generation keep the contracts of their traits.
//!
//! What is asserted stands in `tests/contract`; this only brings servers into the situations. Never asserts a duration.

#[path = "../contract/destination.rs"]
mod destination;
#[cfg(feature = "kinesis")]
mod kinesis;
#[path = "../contract/source.rs"]
mod source;
mod sources;

use std::sync::{Arc, Mutex};

use devstore::store::Expected;
use devstore::{Fault, FaultKind, Generation, Options, Server};
use ditto::destination::dry_run::DryRun;
use ditto::destination::event_store::EventStore;
use ditto::eventstore::Side;
use ditto_core::event::StreamName;

use self::destination::{Stand, Trouble, judge};
use crate::support::seed;
use crate::support::servers::client;

/// Servers of one generation, up until the stand is gone.
struct Servers {
    generation: Generation,
    sound: Server,
    troubled: Mutex<Vec<Arc<Server>>>,
}

impl Servers {
    async fn start(generation: Generation) -> Self {
        Self {
            generation,
            sound: Server::start(Options::playing(generation)).await.unwrap(),
            troubled: Mutex::default(),
        }
    }

    /// One more server.
    async fn another(&self) -> Arc<Server> {
        let server = Arc::new(
            Server::start(Options::playing(self.generation))
                .await
                .unwrap(),
        );
        self.troubled.lock().unwrap().push(server.clone());
        server
    }

    /// One more server, whose calls fail in this way.
    async fn failing(&self, fault: FaultKind) -> Arc<Server> {
        let server = self.another().await;
        server.faults().add(Fault::new(fault));
        server
    }

    /// One more server, which takes reads, appends and calls about groups, and answers none.
    async fn silent(&self) -> Arc<Server> {
        let server = self.another().await;
        for call in ["Read", "Append", "BatchAppend", "GetInfo"] {
            let fault = Fault::new(FaultKind::Unanswered).in_call(call);
            server.faults().add(fault);
        }
        server
    }

    /// One more server, on which the stream was deleted.
    async fn without(&self, stream: &StreamName, is_tombstone: bool) -> Arc<Server> {
        let server = self.another().await;
        seed(server.store(), stream.as_str(), 2);
        let store = server.store();
        let deleted = if is_tombstone {
            store.tombstone(stream.as_str(), Expected::Any)
        } else {
            store.delete(stream.as_str(), Expected::Any)
        };
        deleted.unwrap();
        server
    }

    /// One more server, which is gone.
    async fn gone(&self) -> Arc<Server> {
        let server = self.another().await;
        server.stop().await;
        server
    }
}

fn event_store(server: &Server) -> EventStore {
    EventStore::new(client(Side::Destination, server))
}

struct EventStores(Servers);

impl Stand for EventStores {
    type Destination = EventStore;

    fn sound(&self) -> EventStore {
        event_store(&self.0.sound)
    }

    async fn troubled(&self, trouble: Trouble, stream: &StreamName) -> Option<EventStore> {
        let server = match trouble {
            Trouble::Denied => self.0.failing(FaultKind::AccessDenied).await,
            Trouble::SoftDeleted => self.0.without(stream, false).await,
            Trouble::Tombstoned => self.0.without(stream, true).await,
            Trouble::Small => self.0.failing(FaultKind::SizeLimit { bytes: 1_000 }).await,
            Trouble::Unanswered => self.0.silent().await,
            Trouble::Away => self.0.gone().await,
        };
        Some(event_store(&server))
    }
}

/// The same that are only looked at.
struct DryRuns(EventStores);

impl Stand for DryRuns {
    type Destination = DryRun<EventStore>;

    fn sound(&self) -> DryRun<EventStore> {
        DryRun::new(Arc::new(self.0.sound()))
    }

    async fn troubled(&self, trouble: Trouble, stream: &StreamName) -> Option<Self::Destination> {
        // Nothing is sent: only a write would meet the limit.
        if trouble == Trouble::Small {
            return None;
        }
        Some(DryRun::new(Arc::new(
            self.0.troubled(trouble, stream).await?,
        )))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn event_store_destinations_keep_the_contract() {
    for generation in Generation::ALL {
        let stand = EventStores(Servers::start(generation).await);
        assert_eq!(judge(&stand).await.len(), 6, "{generation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_runs_of_event_stores_keep_the_contract() {
    for generation in Generation::ALL {
        let stand = DryRuns(EventStores(Servers::start(generation).await));
        assert_eq!(judge(&stand).await.len(), 5, "{generation:?}");
    }
}
