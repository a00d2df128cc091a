//! The buffers of a group: what was read ahead, the newest live events, and what has to be delivered again
//! (protocol §8.5). Never decides who gets an event.

use super::item::{Before, Item, Message};
use super::position::Position;
use std::collections::VecDeque;

/// Events waiting for a consumer, in the order in which they go out: retries, replayed parked entries, new ones.
#[derive(Debug)]
pub(crate) struct Buffer<E> {
    /// Sorted by position.
    retries: VecDeque<Message<E>>,
    replayed: VecDeque<Message<E>>,
    fresh: VecDeque<Message<E>>,
    /// A ring of the newest live events; it goes on holding those that are long delivered.
    ring: VecDeque<Item<E>>,
    capacity: usize,
    ring_capacity: usize,
    live: bool,
}

/// Which of the queues a message waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Delivered before.
    Retries,
    /// Parked entries of a replay.
    Replayed,
    /// Never delivered.
    Fresh,
}

impl<E: Clone> Buffer<E> {
    /// Empty buffers; `live` if there is no history to read first.
    pub(crate) fn new(history: i32, live_events: i32, live: bool) -> Buffer<E> {
        let size = |count: i32| usize::try_from(count).unwrap_or(0);
        Buffer {
            retries: VecDeque::new(),
            replayed: VecDeque::new(),
            fresh: VecDeque::new(),
            ring: VecDeque::new(),
            capacity: size(history),
            ring_capacity: size(live_events),
            live,
        }
    }

    /// Whether live events go straight to the consumers.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Whether a page of `count` events may be read: there must be room for more than that.
    pub(crate) fn has_room_for(&self, count: usize) -> bool {
        let waiting = self.retries.len() + self.replayed.len() + self.fresh.len();
        self.capacity.saturating_sub(waiting) > count
    }

    /// Events never delivered that wait.
    pub(crate) fn fresh_count(&self) -> usize {
        self.fresh.len()
    }

    /// Events that wait to be delivered again.
    pub(crate) fn retry_count(&self) -> usize {
        self.retries.len() + self.replayed.len()
    }

    /// Events in the ring of live ones.
    pub(crate) fn live_count(&self) -> usize {
        self.ring.len()
    }

    /// Takes back an event that was delivered, to its place among those; a replayed entry goes last.
    pub(crate) fn add_retry(&mut self, message: Message<E>) {
        if message.item.position.is_none() {
            self.replayed.push_back(message);
            return;
        }
        let place = self
            .retries
            .partition_point(|waiting| waiting.item.position <= message.item.position);
        self.retries.insert(place, message);
    }

    /// Takes an entry of the parked stream that is to be delivered once more.
    pub(crate) fn add_replayed(&mut self, item: Item<E>) {
        self.replayed.push_back(Message::new(item));
    }

    /// Takes an event that was just written. False: the buffer is full and the group falls behind with this event.
    pub(crate) fn add_live(&mut self, item: Item<E>) -> bool {
        let fits = self.live && self.fresh.len() < self.capacity;
        if fits {
            self.fresh.push_back(Message::new(item.clone()));
        }
        let fell_behind = self.live && !fits;
        self.live = fits;
        if self.ring_capacity > 0 {
            if self.ring.len() == self.ring_capacity {
                self.ring.pop_front();
            }
            self.ring.push_back(item);
        }
        !fell_behind
    }

    /// Takes an event of a page of history; where history meets the live events, the group is live.
    pub(crate) fn add_read(&mut self, item: Item<E>) {
        if self.live {
            return;
        }
        let oldest: Option<Position> = self.ring.front().and_then(|live| live.position);
        if oldest.is_none() || item.position < oldest {
            self.fresh.push_back(Message::new(item));
            return;
        }
        while self
            .ring
            .front()
            .is_some_and(|live| live.position < item.position)
        {
            self.ring.pop_front();
        }
        self.fresh.extend(self.ring.drain(..).map(Message::new));
        self.live = true;
    }

    /// At the end of history: live, unless there are live events that history has not shown yet.
    pub(crate) fn move_to_live(&mut self) -> bool {
        self.live = self.live || self.ring.is_empty();
        self.live
    }

    /// The message at `index` of a queue.
    pub(crate) fn peek(&self, queue: Queue, index: usize) -> Option<&Message<E>> {
        self.queue(queue).get(index)
    }

    /// Takes the message at `index` out of a queue.
    pub(crate) fn take(&mut self, queue: Queue, index: usize) -> Option<Message<E>> {
        match queue {
            Queue::Retries => self.retries.remove(index),
            Queue::Replayed => self.replayed.remove(index),
            Queue::Fresh => self.fresh.remove(index),
        }
    }

    /// Later events go out before this new one. What comes before it is kept with it: the one that waits before it, or
    /// the last one delivered until now.
    pub(crate) fn pass_over(&mut self, index: usize, delivered: Option<Position>) {
        let waiting = index
            .checked_sub(1)
            .and_then(|index| self.fresh.get(index)?.item.position);
        if let Some(message) = self.fresh.get_mut(index)
            && message.before == Before::Delivered
        {
            let earlier = delivered.filter(|at| Some(*at) < message.item.position);
            message.before = Before::Place(earlier.max(waiting));
        }
    }

    fn queue(&self, queue: Queue) -> &VecDeque<Message<E>> {
        match queue {
            Queue::Retries => &self.retries,
            Queue::Replayed => &self.replayed,
            Queue::Fresh => &self.fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn item(revision: i64) -> Item<()> {
        Item {
            id: Uuid::from_u128(u128::try_from(revision).unwrap()),
            position: Some(Position::Stream(revision)),
            bucket: 0,
            payload: (),
        }
    }

    fn waiting(buffer: &Buffer<()>, queue: Queue) -> Vec<i64> {
        let at = |index| match buffer.peek(queue, index)?.item.position? {
            Position::Stream(revision) => Some(revision),
            Position::All { .. } => None,
        };
        (0..).map_while(at).collect()
    }

    #[test]
    fn history_meets_live_events_without_gap_or_double() {
        // (live events while behind, ring size, history read, what waits then, live)
        type Case = (&'static [i64], i32, &'static [i64], &'static [i64], bool);
        let cases: [Case; 5] = [
            (&[], 3, &[0, 1], &[0, 1], false),
            (&[2, 3], 3, &[0, 1, 2, 3], &[0, 1, 2, 3], true),
            (
                &[2, 3, 4, 5],
                2,
                &[0, 1, 2, 3, 4, 5],
                &[0, 1, 2, 3, 4, 5],
                true,
            ),
            (&[2, 3, 4], 3, &[3, 4], &[3, 4], true),
            (&[7], 3, &[0, 9], &[0], true),
        ];
        for (live, ring, history, expected, is_live) in cases {
            let mut buffer = Buffer::new(10, ring, false);
            for revision in live {
                assert!(buffer.add_live(item(*revision)));
            }
            for revision in history {
                buffer.add_read(item(*revision));
            }
            assert_eq!(
                (waiting(&buffer, Queue::Fresh), buffer.is_live()),
                (expected.to_vec(), is_live),
                "{live:?} {history:?}"
            );
        }
    }

    #[test]
    fn a_full_buffer_falls_behind_with_the_event_that_did_not_fit() {
        let mut buffer = Buffer::new(2, 2, true);
        assert_eq!(
            (0..3)
                .map(|revision| buffer.add_live(item(revision)))
                .collect::<Vec<_>>(),
            [true, true, false]
        );
        assert_eq!(
            (
                waiting(&buffer, Queue::Fresh),
                buffer.is_live(),
                buffer.live_count()
            ),
            (vec![0, 1], false, 2)
        );
        buffer.take(Queue::Fresh, 0);
        buffer.add_read(item(2));
        assert_eq!(
            (waiting(&buffer, Queue::Fresh), buffer.is_live()),
            (vec![1, 2], true)
        );
    }

    #[test]
    fn retries_are_ordered_by_position() {
        let mut buffer = Buffer::new(10, 2, true);
        for revision in [4, 1, 3, 0] {
            buffer.add_retry(Message::new(item(revision)));
        }
        assert_eq!(waiting(&buffer, Queue::Retries), [0, 1, 3, 4]);
    }
}
