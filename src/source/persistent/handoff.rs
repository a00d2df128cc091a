//! Where the pipeline and the reader of one session meet: deliveries one way, acknowledgements the other.
//!
//! Bounded by count and bytes for deliveries, and by the session's buffer size for acknowledgements. Never does I/O.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{Delivered, GroupSession};
use crate::source::{Arrival, Session};
use ditto_core::event::Item;

/// The reader stops taking from the server while this many deliveries lie here; the pipeline takes all at once.
const MOST_DELIVERIES: usize = 1_024;

/// The same in bytes. One delivery is always taken, whatever its size.
const MOST_BYTES: usize = 512 * 1024;

/// The meeting place. Locks are held for moments only, and never across a wait.
#[derive(Debug, Default)]
pub(super) struct Handoff {
    inner: Mutex<Inner>,
    for_reader: Notify,
    for_pipeline: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    arrived: VecDeque<Delivered>,
    bytes: usize,
    requests: Requests,
    changed: bool,
    paused: bool,
    over: bool,
    why: Option<String>,
}

/// What the pipeline wants of the reader, since the reader last looked.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Ids of deliveries to acknowledge, in order.
    pub(super) acks: Vec<Uuid>,
    /// To park, each with its reason.
    pub(super) parks: Vec<(Vec<Uuid>, String)>,
    /// To end the session when all that is sent. Once given, for good.
    pub(super) leave: bool,
}

/// What the reader learns with everything that it does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// More deliveries may be taken from the server.
    pub(super) room: bool,
    /// There are new orders.
    pub(super) requests: bool,
}

impl Handoff {
    /// Puts down a delivery.
    pub(super) fn put(&self, delivered: Delivered) -> View {
        let mut inner = self.lock();
        inner.bytes += size(&delivered);
        inner.arrived.push_back(delivered);
        let view = inner.view();
        drop(inner);
        self.for_pipeline.notify_one();
        view
    }

    /// Takes the orders given since the last time.
    pub(super) fn take_orders(&self) -> (Requests, View) {
        let mut inner = self.lock();
        let leave = inner.requests.leave;
        let requests = std::mem::take(&mut inner.requests);
        inner.requests.leave = leave;
        inner.changed = false;
        (requests, inner.view())
    }

    /// Waits until there may be orders or room. Loses nothing when dropped.
    pub(super) async fn something_for_reader(&self) {
        self.for_reader.notified().await;
    }

    /// The reader has gone; nothing will be put down any more. What it says first counts.
    pub(super) fn close(&self, why: Option<String>) {
        let mut inner = self.lock();
        if !std::mem::replace(&mut inner.over, true) {
            inner.why = why;
        }
        drop(inner);
        self.for_pipeline.notify_one();
    }

    /// Adds requests for the reader, and wakes it.
    pub(super) fn order(&self, give: impl FnOnce(&mut Requests)) {
        let mut inner = self.lock();
        give(&mut inner.requests);
        inner.changed = true;
        drop(inner);
        self.for_reader.notify_one();
    }

    /// Takes deliveries, or does not.
    pub(super) fn poll(&self, on: bool) {
        self.lock().paused = !on;
        self.for_reader.notify_one();
    }

    /// Waits for deliveries and takes all; or for the end. What was put down before the end comes first.
    pub(super) async fn arrivals(&self, into: &mut VecDeque<Delivered>) -> Arrival {
        loop {
            if let Some(arrival) = self.take_arrived(into) {
                return arrival;
            }
            self.for_pipeline.notified().await;
        }
    }

    fn take_arrived(&self, into: &mut VecDeque<Delivered>) -> Option<Arrival> {
        let mut inner = self.lock();
        if inner.arrived.is_empty() {
            return inner.over.then(|| Arrival::Over {
                why: inner.why.clone(),
            });
        }
        let was_full = !inner.has_space();
        into.append(&mut inner.arrived);
        inner.bytes = 0;
        drop(inner);
        if was_full {
            self.for_reader.notify_one();
        }
        Some(Arrival::Deliveries)
    }

    /// A panic elsewhere cannot leave the papers in disorder: nothing here can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn has_space(&self) -> bool {
        self.arrived.len() < MOST_DELIVERIES && self.bytes < MOST_BYTES
    }

    fn view(&self) -> View {
        View {
            room: !self.paused && !self.requests.leave && self.has_space(),
            requests: self.changed,
        }
    }
}

fn size(delivered: &Delivered) -> usize {
    match &delivered.item {
        Item::Event(event) => event.size(),
        Item::Forward(_) | Item::Never(_) => 0,
    }
}

/// A session whose reader is a task on the other side of a handoff. Dropping it cuts the task short.
#[derive(Debug)]
pub struct HandoffSession {
    handoff: Arc<Handoff>,
    reader: JoinHandle<()>,
}

impl HandoffSession {
    pub(super) fn new(handoff: Arc<Handoff>, reader: JoinHandle<()>) -> Self {
        Self { handoff, reader }
    }
}

impl Session for HandoffSession {
    type Delivered = Delivered;

    fn poll(&self, on: bool) {
        self.handoff.poll(on);
    }

    fn leave(&self) {
        self.handoff.order(|requests| requests.leave = true);
    }

    async fn next(&mut self, into: &mut VecDeque<Delivered>) -> Arrival {
        self.handoff.arrivals(into).await
    }
}

impl GroupSession for HandoffSession {
    fn done(&self, ids: Vec<Uuid>) {
        self.handoff.order(|requests| requests.acks.extend(ids));
    }

    fn park(&self, ids: Vec<Uuid>, reason: String) {
        self.handoff
            .order(|requests| requests.parks.push((ids, reason)));
    }
}

impl Drop for HandoffSession {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Delivered;
    use super::{Handoff, MOST_DELIVERIES, View};
    use crate::source::Arrival;
    use ditto_core::event::{Item, SkipReason};
    use std::collections::VecDeque;
    use uuid::Uuid;

    fn delivered(number: u64) -> Delivered {
        Delivered {
            ack: Uuid::from_u128(u128::from(number)),
            number: Some(number),
            item: Item::Never(SkipReason::Unresolved),
        }
    }

    #[tokio::test]
    async fn deliveries_come_in_order_and_before_the_end() {
        let handoff = Handoff::default();
        (0..5).for_each(|number| {
            handoff.put(delivered(number));
        });
        handoff.close(Some("reset".to_owned()));
        handoff.close(None);
        let mut taken = VecDeque::new();
        assert_eq!(handoff.arrivals(&mut taken).await, Arrival::Deliveries);
        assert_eq!(
            taken
                .iter()
                .filter_map(|one| one.number)
                .collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        let over = Arrival::Over {
            why: Some("reset".to_owned()),
        };
        assert_eq!(handoff.arrivals(&mut taken).await, over);
        assert_eq!(taken.len(), 5);
    }

    #[tokio::test]
    async fn full_handoff_has_no_room_until_the_pipeline_takes() {
        let handoff = Handoff::default();
        let room = (0..MOST_DELIVERIES as u64)
            .take_while(|number| handoff.put(delivered(*number)).room)
            .count();
        assert_eq!(room, MOST_DELIVERIES - 1);
        handoff.arrivals(&mut VecDeque::new()).await;
        handoff.something_for_reader().await;
        assert!(handoff.take_orders().1.room);
    }

    #[test]
    fn there_is_no_room_while_paused_or_leaving() {
        let handoff = Handoff::default();
        handoff.poll(false);
        assert_eq!(
            handoff.take_orders().1,
            View {
                room: false,
                requests: false
            }
        );
        handoff.poll(true);
        assert!(handoff.take_orders().1.room);
        handoff.order(|requests| requests.leave = true);
        let (requests, view) = handoff.take_orders();
        assert!(requests.leave && !view.room);
        assert!(handoff.take_orders().0.leave, "leaving is for good");
    }
}
