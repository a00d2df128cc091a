//! What has to become of a stream's metadata at the destination, given the source's.
//!
//! Pure. Never lets a state go back to one that the source has left, and never takes somebody else's metadata for ditto's.

use std::sync::Arc;

use crate::port::state::{ChangeId, Deletions, End, Metadata, SOFT_DELETED, There};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It says what the source says.
    Agrees,
    /// It says what the source said, or what only the server made of it: the source's is written, with this `$tb`.
    Differs(Option<u64>),
    /// It is the source's as it was after the change that is copied.
    Newer,
    /// Somebody else wrote it; over it the source's would be written with this `$tb`.
    Foreign(Option<u64>),
}

/// Where a change was made that the destination has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// In the log that is copied.
    Ours,
    /// There, and it was cut off with its leader: the log went on without it.
    CutOff,
    /// In another log.
    Another,
}

/// The source's side.
#[derive(Clone, Debug)]
pub(super) struct Here<'a> {
    pub(super) metadata: &'a Metadata,
    /// What the log showed of it since it was last agreed about.
    pub(super) seen: &'a [Arc<str>],
    /// There are placeholders below this revision that the destination must not show.
    pub(super) filled_below: Option<u64>,
    pub(super) deletions: Deletions,
}

/// Compares both sides' metadata. A soft deletion over another one would revive the stream (protocol §15.4). `whose` tells in which log a change was made.
pub(super) fn judge(
    here: &Here<'_>,
    there: &There,
    whose: impl Fn(&ChangeId) -> Whose,
) -> Judgement {
    if here.metadata.is_deletion() && matches!(there.end, End::SoftDeleted(_)) {
        return Judgement::Agrees;
    }
    let wanted = wanted(here, there);
    let Some(metadata) = &there.metadata else {
        return Judgement::Differs(wanted);
    };
    let is_equal = metadata.rest == here.metadata.rest && metadata.truncate_before == wanted;
    let note = metadata.note.as_ref();
    let copied = note.and_then(|note| note.of.as_ref());
    match (note, copied) {
        (Some(_), None) if !is_equal => Judgement::Differs(wanted),
        (Some(_), Some(of)) if whose(of) == Whose::Ours => match of.revision {
            _ if is_equal => Judgement::Agrees,
            revision if revision > here.metadata.event.revision => Judgement::Newer,
            _ => Judgement::Differs(wanted),
        },
        (Some(_), Some(of)) if whose(of) == Whose::CutOff => Judgement::Differs(wanted),
        // Written once more: what has no note of this copy may be anybody's the next time.
        _ if is_equal => Judgement::Differs(wanted),
        (None, _) if there.is_revived || is_the_servers(here, metadata, there.end) => {
            Judgement::Differs(wanted)
        }
        _ => Judgement::Foreign(wanted),
    }
}

/// The `$tb` that the destination is to have.
fn wanted(here: &Here<'_>, there: &There) -> Option<u64> {
    if here.deletions == Deletions::None {
        return there.metadata.as_ref()?.truncate_before;
    }
    if here.metadata.is_deletion() {
        return Some(SOFT_DELETED);
    }
    let noted = there.note().and_then(|note| note.filled_below);
    here.metadata
        .truncate_before
        .max(here.filled_below)
        .max(noted)
}

/// The server wrote it when an append or a change revived the stream: what the source had, with a `$tb` of its own
/// (protocol §5.1.7, §5.1.8).
fn is_the_servers(here: &Here<'_>, there: &Metadata, end: End) -> bool {
    let said = |rest: &Arc<str>| *rest == there.rest;
    let was_ours = said(&here.metadata.rest) || here.seen.iter().any(said);
    let last = match end {
        End::At(last) => Some(last),
        End::Empty | End::SoftDeleted(_) | End::Tombstoned => None,
    };
    let next = last.map_or(0, |last| last + 1);
    let (there, here) = (there.truncate_before, here.metadata.truncate_before);
    was_ours && there.is_some_and(|at| at != SOFT_DELETED && (at == next || Some(at) <= here))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::event::Event;
    use crate::port::LogPosition;
    use crate::port::state::Note;

    fn metadata(revision: u64, rest: &str, tb: Option<u64>, note: Option<Note>) -> Metadata {
        Metadata {
            event: Event {
                id: Uuid::from_u128(revision.into()),
                stream: "$$s".into(),
                revision,
                event_type: "$metadata".into(),
                is_json: true,
                data: bytes::Bytes::new(),
                metadata: bytes::Bytes::new(),
                created: 0,
            },
            truncate_before: tb,
            rest: rest.into(),
            note,
        }
    }

    fn of(revision: u64, ours: bool) -> Option<Note> {
        Some(Note {
            of: Some(ChangeId {
                epoch: Some(Uuid::from_u128(ours.into())),
                log: None,
                position: LogPosition {
                    commit: 7,
                    prepare: 7,
                },
                revision,
            }),
            ..Note::default()
        })
    }

    fn judged(here: &Metadata, there: Option<Metadata>, end: End) -> Judgement {
        let here = Here {
            metadata: here,
            seen: &["old".into()],
            filled_below: None,
            deletions: Deletions::Soft,
        };
        let there = There {
            end,
            metadata: there,
            is_revived: false,
            last_id: None,
        };
        judge(&here, &there, |change| match change.epoch {
            Some(epoch) if epoch == Uuid::from_u128(1) => Whose::Ours,
            _ => Whose::Another,
        })
    }

    #[test]
    fn metadata_of_both_sides_is_judged_by_what_it_says_and_who_wrote_it() {
        let here = metadata(5, "new", Some(3), None);
        let differs = Judgement::Differs(Some(3));
        for (name, there, expected) in [
            ("none", None, differs.clone()),
            (
                "copied",
                Some(metadata(9, "new", Some(3), of(5, true))),
                Judgement::Agrees,
            ),
            (
                "copied before",
                Some(metadata(9, "old", None, of(4, true))),
                differs.clone(),
            ),
            (
                "copied since",
                Some(metadata(9, "other", None, of(6, true))),
                Judgement::Newer,
            ),
            (
                "equal by chance",
                Some(metadata(0, "new", Some(3), None)),
                differs.clone(),
            ),
            (
                "somebody else's",
                Some(metadata(0, "other", Some(3), None)),
                Judgement::Foreign(Some(3)),
            ),
            (
                "of another log",
                Some(metadata(9, "old", Some(3), of(6, false))),
                Judgement::Foreign(Some(3)),
            ),
            (
                "the server's, of what was",
                Some(metadata(0, "old", Some(11), None)),
                differs.clone(),
            ),
            (
                "an operator's truncation",
                Some(metadata(0, "new", Some(12), None)),
                Judgement::Foreign(Some(3)),
            ),
            (
                "an operator's deletion",
                Some(metadata(0, "new", Some(SOFT_DELETED), None)),
                Judgement::Foreign(Some(3)),
            ),
            (
                "placeholders are hidden alone",
                Some(metadata(
                    0,
                    "{}",
                    Some(8),
                    Some(Note {
                        filled_below: Some(8),
                        ..Note::default()
                    }),
                )),
                Judgement::Differs(Some(8)),
            ),
        ] {
            assert_eq!(judged(&here, there, End::At(10)), expected, "{name}");
        }
    }

    #[test]
    fn deletions_on_both_sides_agree_whoever_made_them() {
        let here = metadata(5, "new", Some(SOFT_DELETED), None);
        let there = metadata(0, "new", Some(SOFT_DELETED), None);
        let end = End::SoftDeleted(Some(3));
        assert_eq!(judged(&here, Some(there), end), Judgement::Agrees);
    }

    #[test]
    fn a_truncation_is_left_as_it_is_where_deletions_are_not_copied() {
        let here = metadata(5, "new", Some(3), None);
        let here = Here {
            metadata: &here,
            seen: &[],
            filled_below: None,
            deletions: Deletions::None,
        };
        let there = There {
            end: End::At(10),
            metadata: Some(metadata(9, "old", Some(7), of(4, true))),
            is_revived: false,
            last_id: None,
        };
        assert_eq!(
            judge(&here, &there, |_| Whose::Ours),
            Judgement::Differs(Some(7))
        );
    }
}
