//! Where the pipeline and the reader of one stay meet: deliveries one way, acknowledgements the other.
//!
//! Bounded by count and bytes for deliveries, and by the stay's credit for acknowledgements. Never does I/O.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::source::{Arrival, Delivered, Stay};
use ditto_core::event::Item;

/// The reader stops taking from the server while this many deliveries lie here; the pipeline takes all at once.
const MOST_DELIVERIES: usize = 1_024;

/// The same in bytes. One delivery is always taken, whatever its size.
const MOST_BYTES: usize = 512 * 1024;

/// The meeting place. Locks are held for moments only, and never across a wait.
#[derive(Debug, Default)]
pub(super) struct Desk {
    papers: Mutex<Papers>,
    for_reader: Notify,
    for_pipeline: Notify,
}

#[derive(Debug, Default)]
struct Papers {
    arrived: VecDeque<Delivered>,
    bytes: usize,
    orders: Orders,
    changed: bool,
    paused: bool,
    over: bool,
    why: Option<String>,
}

/// What the pipeline wants of the reader, since the reader last looked.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// To acknowledge.
    pub(super) acks: Vec<Uuid>,
    /// To park, each with its reason.
    pub(super) parks: Vec<(Vec<Uuid>, String)>,
    /// To end the stay when all that is sent. Once given, for good.
    pub(super) leave: bool,
}

/// What the reader learns with everything that it does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// More deliveries may be taken from the server.
    pub(super) room: bool,
    /// There are new orders.
    pub(super) orders: bool,
}

impl Desk {
    /// Puts down a delivery.
    pub(super) fn put(&self, delivered: Delivered) -> View {
        let mut papers = self.lock();
        papers.bytes += size(&delivered);
        papers.arrived.push_back(delivered);
        let view = papers.view();
        drop(papers);
        self.for_pipeline.notify_one();
        view
    }

    /// Takes the orders given since the last time.
    pub(super) fn take_orders(&self) -> (Orders, View) {
        let mut papers = self.lock();
        let leave = papers.orders.leave;
        let orders = std::mem::take(&mut papers.orders);
        papers.orders.leave = leave;
        papers.changed = false;
        (orders, papers.view())
    }

    /// Waits until there may be orders or room. Loses nothing when dropped.
    pub(super) async fn something_for_reader(&self) {
        self.for_reader.notified().await;
    }

    /// The reader has gone; nothing will be put down any more.
    pub(super) fn close(&self, why: Option<String>) {
        let mut papers = self.lock();
        papers.over = true;
        papers.why = papers.why.take().or(why);
        drop(papers);
        self.for_pipeline.notify_one();
    }

    /// Gives orders.
    pub(super) fn order(&self, give: impl FnOnce(&mut Orders)) {
        let mut papers = self.lock();
        give(&mut papers.orders);
        papers.changed = true;
        drop(papers);
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
        let mut papers = self.lock();
        if papers.arrived.is_empty() {
            return papers.over.then(|| Arrival::Over {
                why: papers.why.clone(),
            });
        }
        let was_full = !papers.has_space();
        into.append(&mut papers.arrived);
        papers.bytes = 0;
        drop(papers);
        if was_full {
            self.for_reader.notify_one();
        }
        Some(Arrival::Deliveries)
    }

    /// A panic elsewhere cannot leave the papers in disorder: nothing here can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Papers {
    fn has_space(&self) -> bool {
        self.arrived.len() < MOST_DELIVERIES && self.bytes < MOST_BYTES
    }

    fn view(&self) -> View {
        View {
            room: !self.paused && !self.orders.leave && self.has_space(),
            orders: self.changed,
        }
    }
}

fn size(delivered: &Delivered) -> usize {
    match &delivered.item {
        Item::Event(event) => event.size(),
        Item::Forward(_) | Item::Never(_) => 0,
    }
}

/// A stay whose reader is a task on the other side of a desk. Dropping it cuts the task short.
#[derive(Debug)]
pub struct DeskStay {
    desk: Arc<Desk>,
    reader: JoinHandle<()>,
}

impl DeskStay {
    pub(super) fn new(desk: Arc<Desk>, reader: JoinHandle<()>) -> Self {
        Self { desk, reader }
    }
}

impl Stay for DeskStay {
    fn poll(&self, on: bool) {
        self.desk.poll(on);
    }

    fn ack(&self, ids: Vec<Uuid>) {
        self.desk.order(|orders| orders.acks.extend(ids));
    }

    fn park(&self, ids: Vec<Uuid>, reason: String) {
        self.desk.order(|orders| orders.parks.push((ids, reason)));
    }

    fn leave(&self) {
        self.desk.order(|orders| orders.leave = true);
    }

    async fn arrivals(&mut self, into: &mut VecDeque<Delivered>) -> Arrival {
        self.desk.arrivals(into).await
    }
}

impl Drop for DeskStay {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{Desk, MOST_DELIVERIES, View};
    use crate::source::{Arrival, Delivered};
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
        let desk = Desk::default();
        (0..5).for_each(|number| {
            desk.put(delivered(number));
        });
        desk.close(Some("reset".to_owned()));
        desk.close(None);
        let mut taken = VecDeque::new();
        assert_eq!(desk.arrivals(&mut taken).await, Arrival::Deliveries);
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
        assert_eq!(desk.arrivals(&mut taken).await, over);
        assert_eq!(taken.len(), 5);
    }

    #[tokio::test]
    async fn a_full_desk_has_no_room_until_the_pipeline_takes() {
        let desk = Desk::default();
        let room = (0..MOST_DELIVERIES as u64)
            .take_while(|number| desk.put(delivered(*number)).room)
            .count();
        assert_eq!(room, MOST_DELIVERIES - 1);
        desk.arrivals(&mut VecDeque::new()).await;
        desk.something_for_reader().await;
        assert!(desk.take_orders().1.room);
    }

    #[test]
    fn there_is_no_room_while_paused_or_leaving() {
        let desk = Desk::default();
        desk.poll(false);
        assert_eq!(
            desk.take_orders().1,
            View {
                room: false,
                orders: false
            }
        );
        desk.poll(true);
        assert!(desk.take_orders().1.room);
        desk.order(|orders| orders.leave = true);
        let (orders, view) = desk.take_orders();
        assert!(orders.leave && !view.room);
        assert!(desk.take_orders().0.leave, "leaving is for good");
    }
}
