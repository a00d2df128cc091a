//! Faults: what a server does wrong on purpose, switched on by tests or over HTTP (`protocol.md` §13.16).
//!
//! Never strikes unless it was asked to; a fault says where, how often and how long.

mod interrupt;
mod kind;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) use interrupt::{Interruptible, too_slow};
pub use kind::FaultKind;
pub(crate) use kind::Point;

/// A fault, and where it strikes. By default everywhere, until it is removed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub fault: FaultKind,
    /// How often it strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many it spares first.
    #[serde(default)]
    pub spare: u32,
    /// How long it lasts, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts_ms: Option<u64>,
    /// Only calls of this name, such as `BatchAppend` or `PersistentSubscriptions/Read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Only what concerns this stream, where the stream is known when it strikes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Only on this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
}

impl Fault {
    /// That fault everywhere, until it is removed.
    #[must_use]
    pub fn new(fault: FaultKind) -> Self {
        Self {
            fault,
            times: None,
            spare: 0,
            lasts_ms: None,
            call: None,
            stream: None,
            node: None,
        }
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Not the first `spare` times.
    #[must_use]
    pub fn after(mut self, spare: u32) -> Self {
        self.spare = spare;
        self
    }

    /// Only for a time.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.lasts_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Only in calls of this name, with or without its service's name before it.
    #[must_use]
    pub fn in_call(mut self, call: impl Into<String>) -> Self {
        self.call = Some(call.into());
        self
    }

    /// Only for this stream.
    #[must_use]
    pub fn on_stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// Only on this node.
    #[must_use]
    pub fn on_node(mut self, node: usize) -> Self {
        self.node = Some(node);
        self
    }

    fn concerns(&self, place: &Place<'_>) -> bool {
        let same_call = |call: &String| {
            let name = place.call.rsplit('/').next().unwrap_or(place.call);
            call == place.call || call == name
        };
        self.call.as_ref().is_none_or(same_call)
            && self
                .stream
                .as_deref()
                .is_none_or(|stream| place.stream == Some(stream))
            && self.node.is_none_or(|node| node == place.node)
    }
}

/// Where something happens that a fault may strike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Service and method, such as `Streams/Append`; empty for what is no call.
    pub(crate) call: &'a str,
    pub(crate) stream: Option<&'a str>,
    pub(crate) node: usize,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_where_and_as_often_as_asked() {
        let append = |stream| Place {
            call: "Streams/Append",
            stream: Some(stream),
            node: 0,
        };
        let unavailable = || Fault::new(FaultKind::Unavailable);
        for (fault, places, expected) in [
            (
                unavailable(),
                vec![append("a"), append("b")],
                vec![true, true],
            ),
            (
                unavailable().times(1),
                vec![append("a"), append("a")],
                vec![true, false],
            ),
            (
                unavailable().after(1),
                vec![append("a"), append("a")],
                vec![false, true],
            ),
            (
                unavailable().on_stream("b"),
                vec![append("a"), append("b")],
                vec![false, true],
            ),
            (
                unavailable().in_call("Append"),
                vec![append("a")],
                vec![true],
            ),
            (
                unavailable().in_call("Streams/Append"),
                vec![append("a")],
                vec![true],
            ),
            (
                unavailable().in_call("Read"),
                vec![append("a")],
                vec![false],
            ),
            (unavailable().on_node(1), vec![append("a")], vec![false]),
            (
                unavailable().lasting(Duration::ZERO),
                vec![append("a")],
                vec![false],
            ),
        ] {
            let faults = Faults::default();
            let id = faults.add(fault.clone());
            let struck: Vec<bool> = places
                .iter()
                .map(|&place| faults.strike(Point::Call, place).is_some())
                .collect();
            assert_eq!(struck, expected, "{fault:?}");
            let count = expected.iter().filter(|&&struck| struck).count();
            assert_eq!(faults.struck(id), u32::try_from(count).ok());
            assert!(
                faults.strike(Point::Write, places[0]).is_none(),
                "only at its own point"
            );
            assert!(faults.remove(id) && faults.list().is_empty());
        }
    }

    #[test]
    fn faults_read_as_they_are_written() {
        for text in [
            r#"{"fault":"unavailable","spare":0}"#,
            r#"{"fault":{"slow_append":{"ms":50}},"times":2,"spare":1,"lasts_ms":9,"call":"Append","stream":"s","node":1}"#,
            r#"{"fault":{"not_leader":{"host":"h","port":1}},"spare":0}"#,
        ] {
            let fault: Fault = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&fault).unwrap(), text);
        }
        assert!(serde_json::from_str::<Fault>(r#"{"fault":"unavailable","time":1}"#).is_err());
    }
}
