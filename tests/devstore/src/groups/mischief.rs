//! What a group does wrong on purpose (protocol §13.16): which faults concern it, and deliveries held back to come
//! out of order. Never strikes unless a fault was switched on.

use super::actor::Delivery;
use super::consumers::ConsumerId;
use crate::faults::{FaultKind, Faults, Place, Point};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;

/// The faults of one group.
#[derive(Debug)]
pub(crate) struct Mischief {
    faults: Faults,
    source: String,
    leader: Arc<AtomicUsize>,
    late: HashMap<ConsumerId, Delivery>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes out.
    Once,
    /// It goes out twice.
    Twice,
    /// It goes out after the next one.
    Late,
    /// The server parks it instead.
    Parked,
}

impl Mischief {
    /// The faults of a group of this source; groups live on the node that leads.
    pub(crate) fn new(faults: Faults, leader: Arc<AtomicUsize>, source: &str) -> Mischief {
        Mischief {
            faults,
            source: source.to_owned(),
            leader,
            late: HashMap::new(),
        }
    }

    /// Signals when faults are switched on or off.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.faults.watch()
    }

    /// Whether nothing may be pushed now.
    pub(crate) fn withholds(&self) -> bool {
        self.faults.peek(Point::Pushing, self.place()).is_some()
    }

    /// Whether the consumers are to be dropped now.
    pub(crate) fn drops_consumers(&self) -> bool {
        self.faults.strike(Point::Joined, self.place()).is_some()
    }

    /// What becomes of the next delivery.
    pub(crate) fn fate(&self) -> Fate {
        match self.faults.strike(Point::Delivery, self.place()) {
            Some(FaultKind::DeliverTwice) => Fate::Twice,
            Some(FaultKind::DeliverOutOfOrder) => Fate::Late,
            Some(FaultKind::ParkInstead) => Fate::Parked,
            _ => Fate::Once,
        }
    }

    /// By how many events the next checkpoint lies ahead.
    pub(crate) fn checkpoint_ahead(&self) -> Option<u64> {
        match self.faults.strike(Point::Checkpoint, self.place())? {
            FaultKind::CheckpointAhead { by } => Some(by),
            _ => None,
        }
    }

    /// Holds a delivery back until the next one is out; gives back one that was held already.
    pub(crate) fn hold(&mut self, consumer: ConsumerId, delivery: Delivery) -> Option<Delivery> {
        self.late.insert(consumer, delivery)
    }

    /// The delivery that was held back for a consumer.
    pub(crate) fn release(&mut self, consumer: ConsumerId) -> Option<Delivery> {
        self.late.remove(&consumer)
    }

    /// All that was held back: nothing may come after it for long.
    pub(crate) fn release_all(&mut self) -> Vec<(ConsumerId, Delivery)> {
        self.late.drain().collect()
    }

    fn place(&self) -> Place<'_> {
        Place {
            call: "",
            stream: Some(&self.source),
            node: self.leader.load(Ordering::Relaxed),
        }
    }
}
