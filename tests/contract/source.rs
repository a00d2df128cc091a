//! What every source does, whatever it is: sessions that begin, deliver and end, and plain reads of streams.
//!
//! Included by each test binary that has sources to judge. Tells nothing apart by their kind.

use std::collections::VecDeque;
use std::time::Duration;

use ditto::source::persistent::{Delivered, GroupSession, Persistent, Refusal};
use ditto::source::{Arrival, Session, Source};
use ditto_core::event::{Item, StreamName};
use ditto_core::port::{JoinRefusal, ReadFrom, SourcePage};

/// No answer takes longer, whatever goes wrong.
const DEADLINE: Duration = Duration::from_secs(60);

/// Events of [`Stand::STREAM`], from revision 0 on, and deliveries of a first session.
pub(crate) const EVENTS: u64 = 5;

/// A session takes all of them at once.
const BUFFER: u32 = 10;

/// What a source may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another consumer has the group.
    Taken,
    /// There is no group.
    Missing,
    /// The stream may not be read, nor the group entered.
    Denied,
    /// The stream is soft-deleted.
    SoftDeleted,
    /// The stream is tombstoned.
    Tombstoned,
    /// Calls are taken and never answered.
    Unanswered,
    /// Nothing listens.
    Away,
}

const TROUBLES: [Trouble; 7] = [
    Trouble::Taken,
    Trouble::Missing,
    Trouble::Denied,
    Trouble::SoftDeleted,
    Trouble::Tombstoned,
    Trouble::Unanswered,
    Trouble::Away,
];

/// A source to judge, and those in trouble.
pub(crate) trait Stand {
    /// What is judged.
    type Source: Persistent;

    /// The stream that is delivered.
    const STREAM: &'static str;

    /// One in which nothing is wrong.
    fn sound(&self) -> Self::Source;

    /// One that is in this trouble, with this stream if it is about one; `None`: it cannot be.
    fn troubled(
        &self,
        trouble: Trouble,
        stream: &StreamName,
    ) -> impl Future<Output = Option<Self::Source>>;

    /// Makes the source of [`Stand::sound`] end its sessions; false: it never does.
    fn end_sessions(&self) -> impl Future<Output = bool>;
}

/// Judges it, and returns the troubles that it was in.
pub(crate) async fn judge<T: Stand>(stand: &T) -> Vec<Trouble> {
    let sound = stand.sound();
    assert_eq!(soon(sound.probe()).await, Ok(()), "it answers");
    assert_eq!(sound.trouble(), None, "nothing is wrong");
    streams_are_read(&sound, T::STREAM).await;
    what_is_done_comes_no_more(&sound, T::STREAM).await;
    an_end_is_told(stand, &sound).await;
    let mut met = Vec::new();
    for trouble in TROUBLES {
        let stream = StreamName::new(format!("contract-{trouble:?}"));
        if let Some(source) = stand.troubled(trouble, &stream).await {
            met.push(trouble);
            is_told(&source, trouble, stream).await;
        }
    }
    met
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what)
        .await
        .expect("there is a limit to every wait")
}

async fn streams_are_read<S: Source>(source: &S, stream: &str) {
    for (from, count, revisions) in [
        (ReadFrom::Revision(0), 10, vec![0, 1, 2, 3, 4]),
        (ReadFrom::Revision(2), 2, vec![2, 3]),
        (ReadFrom::Revision(EVENTS), 1, vec![]),
        (ReadFrom::Tail, 1, vec![4]),
    ] {
        let page = soon(source.read_stream(stream.into(), from, count, usize::MAX)).await;
        let SourcePage::Events { events, last } = page else {
            panic!("{from:?}: {page:?}")
        };
        let read: Vec<u64> = events.iter().map(|event| event.revision).collect();
        assert_eq!((read, last), (revisions, EVENTS - 1), "{from:?}");
        assert!(events.iter().all(|event| event.stream.as_str() == stream));
    }
    let absent = source.read_stream("contract-absent".into(), ReadFrom::Tail, 1, usize::MAX);
    assert_eq!(soon(absent).await, SourcePage::NotFound);
}

/// Opens a session, and takes so many deliveries of it. A server may need a moment to see the end of the one before.
async fn take<S: Persistent>(source: &S, count: usize) -> (Vec<Delivered>, S::Session) {
    let opening = async {
        loop {
            match source.open(BUFFER).await {
                Err(refusal) if refusal.why == JoinRefusal::Taken => tokio::task::yield_now().await,
                opened => return opened,
            }
        }
    };
    let opened = soon(opening).await;
    let mut session = opened
        .unwrap_or_else(|refusal| panic!("{refusal:?}"))
        .session;
    let mut arrived = VecDeque::new();
    while arrived.len() < count {
        let arrival = soon(session.next(&mut arrived)).await;
        assert_eq!(arrival, Arrival::Deliveries);
    }
    assert_eq!(arrived.len(), count, "no more than there are");
    (arrived.into(), session)
}

fn revisions(delivered: &[Delivered], stream: &str) -> Vec<u64> {
    let revision = |delivered: &Delivered| match &delivered.item {
        Item::Event(event) if event.stream.as_str() == stream => event.revision,
        item => panic!("{item:?}"),
    };
    delivered.iter().map(revision).collect()
}

/// As asked: everything that was said before was sent.
async fn leave<S: Session>(mut session: S) {
    session.leave();
    let mut arrived = VecDeque::new();
    loop {
        match soon(session.next(&mut arrived)).await {
            Arrival::Deliveries => {}
            end => return assert_eq!(end, Arrival::Over { why: None }, "it ends as asked"),
        }
    }
}

async fn what_is_done_comes_no_more<S: Persistent>(source: &S, stream: &str) {
    let (first, session) = take(source, 5).await;
    assert_eq!(revisions(&first, stream), [0, 1, 2, 3, 4], "in order");
    let ids: Vec<_> = first.iter().map(|delivered| delivered.ack).collect();
    session.done(ids[..2].to_vec());
    session.park(vec![ids[2]], "ditto: contract".to_owned());
    leave(session).await;
    let (second, session) = take(source, 2).await;
    assert_eq!(
        revisions(&second, stream),
        [3, 4],
        "what was neither done nor parked"
    );
    // Cut short, what is not done comes again.
    drop(session);
    let (third, session) = take(source, 2).await;
    assert_eq!(
        revisions(&third, stream),
        [3, 4],
        "what a lost session delivered"
    );
    leave(session).await;
}

async fn an_end_is_told<T: Stand>(stand: &T, sound: &T::Source) {
    let (_, mut session) = take(sound, 2).await;
    if !stand.end_sessions().await {
        return;
    }
    let mut arrived = VecDeque::new();
    match soon(session.next(&mut arrived)).await {
        Arrival::Over { why: Some(why) } => assert!(!why.is_empty()),
        other => panic!("{other:?}"),
    }
}

/// What opening and reading say of this trouble.
async fn is_told<S: Persistent>(source: &S, trouble: Trouble, stream: StreamName) {
    let is_silent = matches!(trouble, Trouble::Unanswered | Trouble::Away);
    let probed = soon(source.probe()).await;
    assert_eq!(probed.is_err(), is_silent, "{trouble:?}: {probed:?}");
    assert_eq!(source.trouble().is_some(), is_silent, "{trouble:?}");
    let page = soon(source.read_stream(stream, ReadFrom::Revision(0), 1, usize::MAX)).await;
    let expected = match trouble {
        Trouble::Denied => Some(SourcePage::Denied),
        Trouble::SoftDeleted => Some(SourcePage::SoftDeleted),
        Trouble::Tombstoned => Some(SourcePage::Tombstoned),
        Trouble::Unanswered | Trouble::Away => Some(SourcePage::Failed),
        Trouble::Taken | Trouble::Missing => None,
    };
    assert_eq!(
        page,
        expected.unwrap_or(SourcePage::NotFound),
        "{trouble:?}"
    );
    let refused = match trouble {
        Trouble::Taken => JoinRefusal::Taken,
        Trouble::Missing => JoinRefusal::Missing,
        Trouble::Denied => JoinRefusal::Denied,
        Trouble::Unanswered | Trouble::Away => JoinRefusal::Unavailable,
        Trouble::SoftDeleted | Trouble::Tombstoned => return,
    };
    match soon(source.open(BUFFER)).await {
        Err(Refusal { why, text }) => assert!(why == refused && !text.is_empty(), "{why:?} {text}"),
        Ok(_) => panic!("{trouble:?}: it was opened"),
    }
}
