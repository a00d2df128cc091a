//! Whether a log is the one that was copied: judged by the epochs that its leaders began (protocol §15.1).
//!
//! A copy of a database shares all epochs up to the copy and none after it, and a log that was cut and went on has an epoch
//! below a position that it once had. So a position is proven by the epoch that it lies in. Judged by positions and ids
//! alone: numbers of epochs are not dense. Does no I/O.

use uuid::Uuid;

use crate::port::LogPosition;
use crate::port::log::{Epoch, Proof, epoch_of};

/// What a log says of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Judgement {
    /// The position lies in the log that was copied.
    Same,
    /// The log has never had that epoch: it is another database, or one restored from before it.
    Unknown,
    /// Another epoch begins at the position or before it: the log was cut there and went on.
    Cut,
    /// The log ends before the position.
    Short,
}

/// Every epoch of a log, by position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Epochs(Vec<Epoch>);

impl Epochs {
    /// Takes them in any order.
    #[must_use]
    pub(super) fn new(mut epochs: Vec<Epoch>) -> Self {
        epochs.sort_by_key(|epoch| epoch.position);
        Self(epochs)
    }

    /// Whether it has this epoch.
    pub(super) fn has(&self, id: Uuid) -> bool {
        self.0.iter().any(|epoch| epoch.id == id)
    }

    /// The first one.
    pub(super) fn origin(&self) -> Option<Uuid> {
        Some(self.0.first()?.id)
    }

    /// Returns the proof of a position that was read from this log before its epochs were asked for; `None`: the log names
    /// no epoch before it.
    #[must_use]
    pub(super) fn prove(&self, position: LogPosition) -> Option<Proof> {
        let epoch = epoch_of(&self.0, position)?;
        Some(Proof { position, epoch })
    }

    /// Judges a proof that was taken earlier, of this log or another, by this log's epochs and its last position. Every *no*
    /// must be the leader's: a node that is behind lacks both.
    #[must_use]
    pub(super) fn judge(&self, proof: &Proof, end: LogPosition) -> Judgement {
        let Some(at) = self.0.iter().position(|epoch| epoch.id == proof.epoch) else {
            return Judgement::Unknown;
        };
        let next = self.0.get(at + 1);
        if next.is_some_and(|next| next.position <= proof.position.commit) {
            Judgement::Cut
        } else if self.0[at].position > proof.position.commit {
            // The same id at another place is no epoch of the log that was copied.
            Judgement::Unknown
        } else if end < proof.position {
            Judgement::Short
        } else {
            Judgement::Same
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u64 = 1_000;

    fn epochs(all: &[(u128, u64)]) -> Epochs {
        let epoch = |&(id, position)| Epoch {
            id: Uuid::from_u128(id),
            position,
        };
        Epochs::new(all.iter().map(epoch).collect())
    }

    fn at(commit: u64) -> LogPosition {
        LogPosition {
            commit,
            prepare: commit,
        }
    }

    #[test]
    fn position_is_proven_by_the_newest_epoch_before_it() {
        let epochs = epochs(&[(2, 300), (1, 0), (3, 700)]);
        for (commit, expected) in [(0, 1), (299, 1), (300, 2), (699, 2), (700, 3), (900, 3)] {
            let proof = epochs.prove(at(commit)).unwrap();
            assert_eq!(proof.epoch, Uuid::from_u128(expected), "{commit}");
            assert_eq!(epochs.judge(&proof, at(END)), Judgement::Same, "{commit}");
        }
        assert_eq!(Epochs::default().prove(at(1)), None);
    }

    #[test]
    fn log_is_judged_by_the_epoch_of_a_position_copied_before() {
        let proof = Proof {
            position: at(500),
            epoch: Uuid::from_u128(2),
        };
        for (name, log, end, expected) in [
            ("as it was", &[(1, 0), (2, 300)][..], END, Judgement::Same),
            (
                "restarted since",
                &[(1, 0), (2, 300), (3, 501)],
                END,
                Judgement::Same,
            ),
            (
                "cut before the position, and gone on",
                &[(1, 0), (2, 300), (4, 500)],
                END,
                Judgement::Cut,
            ),
            (
                "cut before the position",
                &[(1, 0), (2, 300)],
                499,
                Judgement::Short,
            ),
            (
                "restored from before the epoch",
                &[(1, 0), (5, 300)],
                END,
                Judgement::Unknown,
            ),
            ("another database", &[(7, 0)], END, Judgement::Unknown),
            ("no epochs", &[], END, Judgement::Unknown),
            (
                "the epoch begins later",
                &[(1, 0), (2, 600)],
                END,
                Judgement::Unknown,
            ),
        ] {
            assert_eq!(epochs(log).judge(&proof, at(end)), expected, "{name}");
        }
    }
}
