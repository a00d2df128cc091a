//! What every destination says when something is wrong.
//!
//! Part of the suite in `destination`; never knows which destination it judges.

use bytes::Bytes;
use ditto::destination::Destination;
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{Answer, AppendOutcome, Expected, LookupRange, LookupResult, Rights};

use super::{append, event, send, soon};

/// What a destination may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The stream may neither be written nor read.
    Denied,
    /// The stream is soft-deleted.
    SoftDeleted,
    /// The stream is tombstoned.
    Tombstoned,
    /// [`large`] is too large.
    Small,
    /// Calls are taken and never answered.
    Unanswered,
    /// Nothing listens.
    Away,
}

pub(super) const TROUBLES: [Trouble; 6] = [
    Trouble::Denied,
    Trouble::SoftDeleted,
    Trouble::Tombstoned,
    Trouble::Small,
    Trouble::Unanswered,
    Trouble::Away,
];

/// What lookups, questions and an append say of a stream that is in this trouble.
pub(super) async fn is_told<D: Destination>(destination: &D, trouble: Trouble, stream: StreamName) {
    let is_silent = matches!(trouble, Trouble::Unanswered | Trouble::Away);
    let probed = soon(destination.probe()).await;
    assert_eq!(probed.is_err(), is_silent, "{trouble:?}: {probed:?}");
    if D::NUMBERED {
        is_shown(destination, trouble, stream.clone()).await;
    }
    // The core never appends to a soft-deleted stream as if it were new.
    if trouble != Trouble::SoftDeleted {
        is_refused(destination, trouble, stream).await;
    }
}

async fn is_shown<D: Destination>(destination: &D, trouble: Trouble, stream: StreamName) {
    let expected = match trouble {
        Trouble::Denied => LookupResult::Denied,
        Trouble::SoftDeleted => LookupResult::SoftDeleted(None),
        Trouble::Tombstoned => LookupResult::Tombstoned,
        Trouble::Small => LookupResult::NotFound,
        Trouble::Unanswered | Trouble::Away => LookupResult::Failed,
    };
    let range = LookupRange::Forwards { from: 0, count: 1 };
    let found = soon(destination.lookup(stream.clone(), range, usize::MAX)).await;
    assert_eq!(found, expected, "{trouble:?}");
    let rights = match trouble {
        _ if !D::WRITES => Rights::Unknown,
        Trouble::Denied => Rights::Denied,
        Trouble::Unanswered | Trouble::Away => Rights::Unknown,
        Trouble::SoftDeleted | Trouble::Tombstoned | Trouble::Small => Rights::Allowed,
    };
    assert_eq!(
        soon(destination.rights(stream)).await,
        rights,
        "{trouble:?}"
    );
}

async fn is_refused<D: Destination>(destination: &D, trouble: Trouble, stream: StreamName) {
    use AppendOutcome::{Deleted, Denied, NoAnswer, NotReady, Refused, TooLarge};

    let events = match trouble {
        Trouble::Small => vec![large(&stream)],
        _ => vec![event(&stream, 0, 9)],
    };
    let mut appends = destination.appends();
    let sent = append(0, &stream, Expected::NoStream, events);
    let answer = send(&mut appends, sent).await;
    let is_told = match (&answer, trouble) {
        (Answer::Appended { outcome, .. }, Trouble::Denied) => *outcome == Denied,
        (Answer::Appended { outcome, .. }, Trouble::Tombstoned) => *outcome == Deleted,
        (Answer::Appended { outcome, .. }, Trouble::Small) if D::NUMBERED => {
            matches!(outcome, TooLarge { limit: Some(1..) })
        }
        (Answer::Appended { outcome, .. }, Trouble::Small) => {
            matches!(outcome, Refused(text) if text.contains("bytes"))
        }
        (Answer::Appended { outcome, .. }, Trouble::Unanswered | Trouble::Away) => {
            matches!(outcome, NoAnswer | NotReady)
        }
        // Nobody knows what became of it. A silence blames nothing.
        (Answer::CallEnded { why, .. }, Trouble::Unanswered) => why.silent,
        (Answer::CallEnded { .. }, Trouble::Away) => true,
        _ => false,
    };
    assert!(is_told, "{trouble:?}: {answer:?}");
}

/// What a destination in [`Trouble::Small`] does not take.
fn large(stream: &StreamName) -> Event {
    Event {
        data: Bytes::from(format!("\"{}\"", "x".repeat(1 << 20))),
        ..event(stream, 0, 0)
    }
}
