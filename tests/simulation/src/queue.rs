//! What will happen, ordered by simulated time; what happens at one moment keeps the order in which it was planned.
//!
//! Never looks at what it holds.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Happenings to come.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Planned<T>>,
    planned: u64,
}

#[derive(Debug)]
struct Planned<T> {
    at: Duration,
    order: u64,
    what: T,
}

impl<T> Agenda<T> {
    /// Nothing will happen.
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::with_capacity(64),
            planned: 0,
        }
    }

    /// `what` will happen at `at`.
    pub(crate) fn plan(&mut self, at: Duration, what: T) {
        self.planned += 1;
        self.heap.push(Planned {
            at,
            order: self.planned,
            what,
        });
    }

    /// What happens next, and when.
    pub(crate) fn next(&mut self) -> Option<(Duration, T)> {
        self.heap.pop().map(|planned| (planned.at, planned.what))
    }
}

impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first: earlier is greater.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<T> Eq for Planned<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_comes_first_and_equal_times_keep_their_order() {
        let mut agenda = Agenda::new();
        for (at, what) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            agenda.plan(Duration::from_millis(at), what);
        }
        let order: String = std::iter::from_fn(|| agenda.next())
            .map(|(_, what)| what)
            .collect();
        assert_eq!(order, "abcd");
    }
}
