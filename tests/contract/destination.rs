//! What every [`Destination`] does, whatever it is: one table of appends, lookups and troubles.
//!
//! Included by each test binary that has destinations to judge. Tells them apart by what they say of themselves, `NUMBERED`
//! and `WRITES`, and by nothing else.

mod troubles;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ditto::destination::{Appends, Destination};
use ditto_core::event::{Event, StreamName};
use ditto_core::port::{
    Answer, Append, AppendId, AppendOutcome, Expected, LookupRange, LookupResult, MetadataOutcome,
    Rights,
};
use uuid::Uuid;

pub(crate) use self::troubles::Trouble;
use self::troubles::{TROUBLES, is_told};

/// No answer takes longer, whatever goes wrong.
const DEADLINE: Duration = Duration::from_secs(60);

/// Streams that are written at once.
const AT_ONCE: u64 = 50;

/// A destination to judge, and those in trouble.
pub(crate) trait Stand {
    /// What is judged.
    type Destination: Destination;

    /// One in which nothing is wrong, and none of the streams of the suite exist.
    fn sound(&self) -> Self::Destination;

    /// One that is in this trouble with this stream; `None`: it cannot be.
    fn troubled(
        &self,
        trouble: Trouble,
        stream: &StreamName,
    ) -> impl Future<Output = Option<Self::Destination>>;
}

/// Judges it, and returns the troubles that it was in.
pub(crate) async fn judge<T: Stand>(stand: &T) -> Vec<Trouble> {
    let sound = stand.sound();
    assert_eq!(soon(sound.probe()).await, Ok(()), "it answers");
    assert_eq!(sound.trouble(), None, "nothing is wrong");
    appends_are_judged(&sound).await;
    if T::Destination::NUMBERED {
        what_is_there_is_shown(&sound).await;
        questions_write_nothing(&sound).await;
        metadata_is_written_once(&sound).await;
    }
    each_of_many_is_answered_once(&sound).await;
    let mut met = Vec::new();
    for trouble in TROUBLES {
        let stream = name(&format!("{trouble:?}"));
        if let Some(destination) = stand.troubled(trouble, &stream).await {
            met.push(trouble);
            is_told(&destination, trouble, stream).await;
        }
    }
    met
}

/// An event that tells itself apart by stream, revision and version.
fn event(stream: &StreamName, revision: u64, version: u8) -> Event {
    let id = format!("{stream}/{revision}/{version}");
    Event {
        id: Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes()),
        stream: stream.clone(),
        revision,
        event_type: "happened".into(),
        is_json: true,
        data: Bytes::from(format!(r#"{{"revision":{revision},"version":{version}}}"#)),
        metadata: Bytes::new(),
        created: 0,
    }
}

fn name(what: &str) -> StreamName {
    StreamName::new(format!("contract-{what}"))
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what)
        .await
        .expect("there is a limit to every wait")
}

/// Sends one append, and waits for what comes of it: the end of a call that has sent nothing comes before that.
async fn send<A: Appends>(appends: &mut A, append: Append) -> Answer {
    let sent = append.id;
    appends.send(append);
    let mut answers = Vec::new();
    loop {
        soon(appends.answers(&mut answers)).await;
        for answer in answers.drain(..) {
            match &answer {
                Answer::Appended { append, .. } => assert_eq!(*append, sent, "{answer:?}"),
                Answer::CallEnded {
                    unanswered, why, ..
                } => {
                    assert!(!why.why.is_empty() && !why.said.is_empty(), "{why:?}");
                    if unanswered.is_empty() {
                        continue;
                    }
                    assert_eq!(*unanswered, [sent]);
                }
            }
            return answer;
        }
    }
}

fn append(id: u64, stream: &StreamName, expected: Expected, events: Vec<Event>) -> Append {
    Append {
        id: AppendId(id),
        stream: stream.clone(),
        expected,
        events,
        alone: id % 2 == 1,
    }
}

/// An append of these revisions in these versions, and what comes of it. A destination without revisions takes one event at
/// a time, answers its revision, and expects nothing.
type Row = (&'static str, Expected, &'static [(u64, u8)], AppendOutcome);

const ROWS: [Row; 12] = {
    use AppendOutcome::{Written, WrongRevision};
    use Expected::{Exact, NoStream};
    [
        ("the first", NoStream, &[(0, 0)], Written(0)),
        ("the next", Exact(0), &[(1, 0)], Written(1)),
        ("the same again", Exact(0), &[(1, 0)], Written(1)),
        ("the first again", NoStream, &[(0, 0)], Written(0)),
        ("behind a gap", Exact(7), &[(8, 0)], WrongRevision),
        ("another there", Exact(0), &[(1, 1)], WrongRevision),
        ("another first", NoStream, &[(0, 1)], WrongRevision),
        ("the last one", Exact(1), &[(2, 0)], Written(2)),
        ("two", Exact(2), &[(3, 0), (4, 0)], Written(4)),
        ("both again", Exact(2), &[(3, 0), (4, 0)], Written(4)),
        ("half there", Exact(3), &[(4, 0), (5, 0)], WrongRevision),
        ("half other", Exact(2), &[(3, 0), (4, 1)], WrongRevision),
    ]
};

async fn appends_are_judged<D: Destination>(destination: &D) {
    let stream = name("judged");
    let mut appends = destination.appends();
    for (id, (what, expected, events, outcome)) in (0..).zip(ROWS) {
        // A dry run knows where a stream would end, and not what it would hold.
        let is_known = D::WRITES || !what.ends_with("again");
        if !is_known || (!D::NUMBERED && events.len() > 1) {
            continue;
        }
        let events: Vec<Event> = events
            .iter()
            .map(|(revision, version)| event(&stream, *revision, *version))
            .collect();
        let outcome = if D::NUMBERED {
            outcome
        } else {
            AppendOutcome::Written(events[0].revision)
        };
        let answer = send(&mut appends, append(id, &stream, expected, events)).await;
        let append = AppendId(id);
        let answer = match (answer, &outcome) {
            // Proof that it was there before is welcome, and not always to be had.
            (
                Answer::Appended {
                    append,
                    outcome: AppendOutcome::Present(there),
                },
                AppendOutcome::Written(last),
            ) if what.ends_with("again") && there == *last => Answer::Appended {
                append,
                outcome: AppendOutcome::Written(there),
            },
            (answer, _) => answer,
        };
        assert_eq!(answer, Answer::Appended { append, outcome }, "{what}");
    }
}

/// Follows [`appends_are_judged`]: five events are there, of which a dry run shows the number alone.
async fn what_is_there_is_shown<D: Destination>(destination: &D) {
    let (there, absent) = (name("judged"), name("absent"));
    let forwards = |from, count| LookupRange::Forwards { from, count };
    let backwards = |from, count| LookupRange::Backwards { from, count };
    for (range, revisions) in [
        (forwards(0, 10), 0..5),
        (forwards(1, 2), 1..3),
        (forwards(5, 1), 5..5),
        (backwards(None, 1), 4..5),
        (backwards(Some(2), 2), 1..3),
    ] {
        let events = revisions.map(|revision| event(&there, revision, 0));
        let events: Vec<Event> = events.filter(|_| D::WRITES).collect();
        match soon(destination.lookup(there.clone(), range, usize::MAX)).await {
            LookupResult::Tail {
                last, events: seen, ..
            } => {
                let ids =
                    |events: &[Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
                assert_eq!((last, ids(&seen)), (4, ids(&events)), "{range:?}");
                let same = seen
                    .iter()
                    .zip(&events)
                    .all(|(seen, event)| seen.same_content(event));
                assert!(same, "{range:?}: {seen:?}");
            }
            other => panic!("{range:?}: {other:?}"),
        }
        let found = soon(destination.lookup(absent.clone(), range, usize::MAX)).await;
        assert_eq!(found, LookupResult::NotFound, "{range:?}");
    }
    for stream in [there, absent] {
        let found = soon(destination.lookup(stream, LookupRange::Metadata, usize::MAX)).await;
        assert_eq!(found, LookupResult::NotDeleted);
    }
}

/// Follows [`appends_are_judged`].
async fn questions_write_nothing<D: Destination>(destination: &D) {
    let stream = name("judged");
    for (event, expected) in [
        (event(&stream, 4, 0), LookupResult::Recognised),
        (event(&stream, 1, 0), LookupResult::Recognised),
        (event(&stream, 1, 1), LookupResult::Foreign),
    ] {
        let answer = soon(destination.recognise(stream.clone(), event)).await;
        match answer {
            LookupResult::Unproven(_) if !D::WRITES => {}
            answer => assert_eq!(answer, expected),
        }
    }
    let rights = if D::WRITES {
        Rights::Allowed
    } else {
        Rights::Unknown
    };
    assert_eq!(soon(destination.rights(stream)).await, rights);
    assert_eq!(soon(destination.rights(name("absent"))).await, rights);
    what_is_there_is_shown(destination).await;
}

async fn metadata_is_written_once<D: Destination>(destination: &D) {
    let stream = name("described");
    let again = if D::WRITES {
        MetadataOutcome::Exists
    } else {
        MetadataOutcome::Written
    };
    for (truncate_before, outcome) in [
        (3, MetadataOutcome::Written),
        (3, MetadataOutcome::Written),
        (4, again),
    ] {
        let written = destination.write_metadata(stream.clone(), None, Some(truncate_before));
        assert_eq!(soon(written).await, outcome, "{truncate_before}");
    }
}

async fn each_of_many_is_answered_once<D: Destination>(destination: &D) {
    let mut appends = destination.appends();
    for id in 0..AT_ONCE {
        let stream = name(&format!("many-{id}"));
        let events = vec![event(&stream, 0, 0)];
        appends.send(append(id, &stream, Expected::NoStream, events));
    }
    let mut answered = BTreeMap::new();
    let mut answers = Vec::new();
    while (answered.len() as u64) < AT_ONCE {
        soon(appends.answers(&mut answers)).await;
        for answer in answers.drain(..) {
            let Answer::Appended { append, outcome } = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(answered.insert(append, outcome), None, "{append:?} twice");
        }
    }
    let expected = (0..AT_ONCE).map(|id| (AppendId(id), AppendOutcome::Written(0)));
    assert_eq!(answered, expected.collect());
}
