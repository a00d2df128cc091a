//! Records that were refused alone: whether each was the reason, or everything is refused.
//!
//! The same code, such as `ValidationException`, says that a record is not acceptable and that the request of a wrongly
//! configured destination is not. Only a record that is accepted after the refusal tells them apart. Pure: no I/O and no
//! clock. Never gives a record up without an answer.

use super::waiting::Waiting;

/// A record, and what the service said of the call in which it was alone.
#[derive(Debug)]
pub(super) struct Accused {
    pub(super) waiting: Waiting,
    pub(super) text: String,
    /// Calls that had begun when it was refused: what those store proves nothing.
    begun: u64,
}

/// All of them, in the order of their refusals.
#[derive(Debug, Default)]
pub(super) struct Dock {
    accused: Vec<Accused>,
}

impl Dock {
    /// Takes a record that was refused alone after `begun` calls had begun.
    pub(super) fn take(&mut self, waiting: Waiting, text: String, begun: u64) {
        self.accused.push(Accused {
            waiting,
            text,
            begun,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.accused.is_empty()
    }

    /// Call number `call`, counted from 1, stored a record: those refused before it began are to blame.
    pub(super) fn convict(&mut self, call: u64) -> Vec<Accused> {
        let (guilty, open) = std::mem::take(&mut self.accused)
            .into_iter()
            .partition(|accused| accused.begun < call);
        self.accused = open;
        guilty
    }

    /// Nothing was accepted since: it is about the call. All of them, to be sent again.
    pub(super) fn release(&mut self) -> Vec<Accused> {
        std::mem::take(&mut self.accused)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::*;
    use ditto_core::port::AppendId;

    fn waiting(append: u64) -> Waiting {
        Waiting {
            append: AppendId(append),
            revision: 0,
            record: Record {
                key: "s-1".to_owned(),
                data: Vec::new(),
            },
            is_suspect: true,
        }
    }

    fn ids(accused: Vec<Accused>) -> Vec<u64> {
        let ids = accused.into_iter().map(|accused| accused.waiting.append.0);
        ids.collect()
    }

    #[test]
    fn only_a_call_that_began_later_convicts() {
        let mut dock = Dock::default();
        dock.take(waiting(1), "no".to_owned(), 3);
        dock.take(waiting(2), "no".to_owned(), 5);
        for (call, expected) in [(3, vec![]), (4, vec![1]), (5, vec![]), (6, vec![2])] {
            assert_eq!(ids(dock.convict(call)), expected, "call {call}");
        }
        assert!(dock.is_empty());
    }

    #[test]
    fn without_an_accepted_record_all_are_released() {
        let mut dock = Dock::default();
        dock.take(waiting(1), "no".to_owned(), 1);
        dock.take(waiting(2), "no".to_owned(), 2);
        assert_eq!(ids(dock.release()), [1, 2]);
        assert!(dock.is_empty());
    }
}
