//! Faults: what a server does wrong on purpose, switched on by tests or over HTTP (protocol §13.16).
//!
//! Never strikes unless it was asked to; a fault says where, how often and how long.

mod fault;
mod interrupt;
mod kind;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

pub use fault::Fault;
pub(crate) use fault::Place;
pub(crate) use interrupt::{Interruptible, too_slow};
pub use kind::FaultKind;
pub(crate) use kind::Point;

/// Names a fault that was switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FaultId(u64);

/// A fault that was switched on, and what it has done.
#[derive(Clone, Debug, Serialize)]
pub struct ActiveFault {
    /// Its name.
    pub id: FaultId,
    /// What was asked for.
    #[serde(flatten)]
    pub fault: Fault,
    /// How often it has struck.
    pub struck: u32,
    #[serde(skip)]
    spared: u32,
    #[serde(skip)]
    until: Option<Instant>,
}

impl ActiveFault {
    fn is_on(&self) -> bool {
        self.fault.times.is_none_or(|times| self.struck < times)
            && self.until.is_none_or(|until| Instant::now() < until)
    }
}

/// The faults of a server. Clones are the same faults.
#[derive(Clone, Debug)]
pub struct Faults {
    all: Arc<Mutex<Known>>,
    /// So that a server without faults pays nothing.
    count: Arc<AtomicUsize>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    next: u64,
    faults: Vec<ActiveFault>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            all: Arc::default(),
            count: Arc::default(),
            changes: watch::channel(0).0,
        }
    }
}

impl Faults {
    /// Switches a fault on.
    pub fn add(&self, fault: Fault) -> FaultId {
        let until = fault
            .lasts_ms
            .and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
        let id = {
            let mut known = self.lock();
            known.next += 1;
            let id = FaultId(known.next);
            known.faults.push(ActiveFault {
                id,
                fault,
                struck: 0,
                spared: 0,
                until,
            });
            self.count.store(known.faults.len(), Ordering::Release);
            id
        };
        self.changed();
        id
    }

    /// Switches a fault off; false if there is none of that name.
    pub fn remove(&self, id: FaultId) -> bool {
        self.retain(|fault| fault.id != id)
    }

    /// Switches a fault off by the number that `POST /devstore/faults` told.
    pub(crate) fn remove_numbered(&self, number: u64) -> bool {
        self.remove(FaultId(number))
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.retain(|_| false);
    }

    /// All faults that were switched on and not off again, used up ones too.
    #[must_use]
    pub fn list(&self) -> Vec<ActiveFault> {
        self.lock().faults.clone()
    }

    /// How often a fault has struck; `None` once it was removed.
    #[must_use]
    pub fn struck(&self, id: FaultId) -> Option<u32> {
        self.lock()
            .faults
            .iter()
            .find(|fault| fault.id == id)
            .map(|fault| fault.struck)
    }

    /// Changes with every fault that is added, removed or strikes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Lets the first fault strike that concerns this place.
    pub(crate) fn strike(&self, point: Point, place: Place<'_>) -> Option<FaultKind> {
        let (fault, id) = self.peek(point, place)?;
        self.count(id).then_some(fault)
    }

    /// The first fault that concerns this place, which has not struck yet.
    pub(crate) fn peek(&self, point: Point, place: Place<'_>) -> Option<(FaultKind, FaultId)> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let known = self.lock();
        let concerns = |active: &&ActiveFault| {
            active.fault.fault.point() == point && active.is_on() && active.fault.concerns(&place)
        };
        known
            .faults
            .iter()
            .find(concerns)
            .map(|active| (active.fault.fault.clone(), active.id))
    }

    /// Counts a strike; false if the fault spares this one.
    pub(crate) fn count(&self, id: FaultId) -> bool {
        let strikes = {
            let mut known = self.lock();
            let Some(fault) = known
                .faults
                .iter_mut()
                .find(|active| active.id == id && active.is_on())
            else {
                return false;
            };
            let strikes = fault.spared >= fault.fault.spare;
            let counter = if strikes {
                &mut fault.struck
            } else {
                &mut fault.spared
            };
            *counter += 1;
            strikes
        };
        self.changed();
        strikes
    }

    /// The first such fault that is on for a node, without counting it; and until when, if it ends by itself.
    pub(crate) fn is_on(&self, kind: &FaultKind, node: usize) -> Option<Option<Instant>> {
        let known = self.lock();
        let concerns = |active: &&ActiveFault| {
            active.fault.fault == *kind
                && active.is_on()
                && active.fault.node.is_none_or(|only| only == node)
        };
        known
            .faults
            .iter()
            .find(concerns)
            .map(|active| active.until)
    }

    fn retain(&self, keep: impl Fn(&ActiveFault) -> bool) -> bool {
        let removed = {
            let mut known = self.lock();
            let before = known.faults.len();
            known.faults.retain(keep);
            self.count.store(known.faults.len(), Ordering::Release);
            known.faults.len() < before
        };
        self.changed();
        removed
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
