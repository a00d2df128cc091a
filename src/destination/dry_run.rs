//! `read_only`: what a destination would hold if it were written to.
//!
//! Reads the real destination, and keeps the tails and the metadata that streams would have. Never writes.

mod states;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use lru::LruCache;
use uuid::Uuid;

use self::states::States;
use super::{Abort, Appends, Destination, Keeper};
use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::log::{Checkpoint, CheckpointPage, EpochsPage, HeldChange, HeldPage};
use ditto_core::port::state::StateFound;
use ditto_core::port::{
    Answer, Append, AppendOutcome, Expected, LookupRange, LookupResult, MetadataOutcome, Rights,
};

/// Streams whose virtual tail is remembered; about 200 bytes each.
const KNOWN_STREAMS: usize = 100_000;

const PAGE_BYTES: usize = 1024 * 1024;

/// A destination that is only looked at.
#[derive(Debug)]
pub struct DryRun<D> {
    real: Arc<D>,
    tails: Arc<Tails>,
    states: Arc<States>,
}

impl<D: Destination> DryRun<D> {
    /// Looks at what writing to `real` would do.
    #[must_use]
    pub fn new(real: Arc<D>) -> Self {
        Self {
            real,
            tails: Arc::new(Tails::new()),
            states: Arc::new(States::new()),
        }
    }
}

impl<D: Destination> Destination for DryRun<D> {
    const WRITES: bool = false;

    type Appends = DryRunAppends<D>;

    fn appends(&self) -> DryRunAppends<D> {
        DryRunAppends {
            real: self.real.clone(),
            tails: self.tails.clone(),
            states: self.states.clone(),
            under_way: FuturesUnordered::new(),
        }
    }

    async fn lookup(
        &self,
        stream: StreamName,
        range: LookupRange,
        max_bytes: usize,
    ) -> LookupResult {
        let found = self.real.lookup(stream.clone(), range, max_bytes).await;
        let Some(tail) = self.tails.get(&stream) else {
            return found;
        };
        match found {
            LookupResult::Tail {
                last,
                events,
                truncate_before,
                copied,
            } if last < tail => LookupResult::Tail {
                last: tail,
                events,
                truncate_before,
                copied,
            },
            LookupResult::NotFound => LookupResult::Tail {
                last: tail,
                events: Vec::new(),
                truncate_before: None,
                copied: None,
            },
            found => found,
        }
    }

    async fn recognise(&self, _stream: StreamName, _event: Event) -> LookupResult {
        LookupResult::Unproven("a dry run sends no appends".to_owned())
    }

    async fn rights(&self, _stream: StreamName) -> Rights {
        Rights::Unknown
    }

    async fn write_metadata(
        &self,
        _stream: StreamName,
        _max_age: Option<Duration>,
        _truncate_before: Option<u64>,
    ) -> MetadataOutcome {
        MetadataOutcome::Written
    }

    async fn probe(&self) -> Result<(), String> {
        self.real.probe().await
    }

    fn trouble(&self) -> Option<String> {
        self.real.trouble()
    }
}

/// The real mirror is never taken from who holds it: a dry run begins where that one is, and writes no checkpoint.
impl<D: Keeper> Keeper for DryRun<D> {
    async fn newest_checkpoint(&self, mirror: &str) -> CheckpointPage {
        match self.real.newest_checkpoint(mirror).await {
            CheckpointPage::Newest {
                revision,
                checkpoint,
                ..
            } => CheckpointPage::Newest {
                revision,
                checkpoint,
                is_gone: true,
            },
            page => page,
        }
    }

    async fn write_checkpoint(
        &self,
        _mirror: &str,
        _id: Uuid,
        expected: Expected,
        _checkpoint: &Checkpoint,
    ) -> AppendOutcome {
        would_be_written(expected, 1)
    }

    async fn held_streams(&self, mirror: &str) -> HeldPage {
        self.real.held_streams(mirror).await
    }

    async fn take_up_held(&self, mirror: &str) -> HeldPage {
        self.real.held_streams(mirror).await
    }

    async fn write_held(
        &self,
        _mirror: &str,
        _id: Uuid,
        expected: Expected,
        changes: &[HeldChange],
    ) -> AppendOutcome {
        would_be_written(expected, changes.len())
    }

    fn state_appends(&self) -> DryRunAppends<D> {
        self.appends()
    }

    async fn state(&self, stream: StreamName) -> StateFound {
        let found = self.real.state(stream.clone()).await;
        self.states.seen(&stream, self.tails.get(&stream), found)
    }

    async fn epochs(&self) -> EpochsPage {
        self.real.epochs().await
    }

    async fn tombstone(&self, stream: StreamName, _expected: Expected) -> AppendOutcome {
        self.states.tombstoned(stream);
        AppendOutcome::Written(TOMBSTONE_REVISION)
    }
}

/// Where a stream that was as expected would end.
fn would_be_written(expected: Expected, events: usize) -> AppendOutcome {
    let events = u64::try_from(events).unwrap_or(u64::MAX);
    AppendOutcome::Written(match expected {
        Expected::NoStream => events.saturating_sub(1),
        Expected::Exact(revision) => revision.saturating_add(events),
    })
}

/// The revisions at which streams would end.
#[derive(Debug)]
struct Tails(Mutex<LruCache<StreamName, u64>>);

impl Tails {
    fn new() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }

    fn get(&self, stream: &StreamName) -> Option<u64> {
        self.lock().get(stream).copied()
    }

    fn set(&self, stream: &StreamName, tail: u64) {
        let mut tails = self.lock();
        tails.put(stream.clone(), tail);
        if tails.len() > KNOWN_STREAMS {
            tails.pop_lru();
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<StreamName, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends that are judged as the server would judge them, and not sent.
pub struct DryRunAppends<D> {
    real: Arc<D>,
    tails: Arc<Tails>,
    states: Arc<States>,
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
}

impl<D> std::fmt::Debug for DryRunAppends<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DryRunAppends")
            .field("under_way", &self.under_way.len())
            .finish_non_exhaustive()
    }
}

/// Nothing of it is ever under way to a server.
impl<D> Abort for DryRunAppends<D> {
    fn abort(&mut self) {}
}

impl<D: Destination> Appends for DryRunAppends<D> {
    fn send(&mut self, append: Append) {
        let (real, tails) = (self.real.clone(), self.tails.clone());
        let states = self.states.clone();
        self.under_way.push(Box::pin(async move {
            let (id, stream, events) = (append.id, append.stream.clone(), append.events.clone());
            let outcome = judge(&*real, &tails, append).await;
            if let AppendOutcome::Written(last) = outcome {
                states.written(&stream, &events, last);
            }
            Answer::Appended {
                append: id,
                outcome,
            }
        }));
    }

    async fn answers(&mut self, into: &mut Vec<Answer>) {
        match self.under_way.next().await {
            Some(answer) => into.push(answer),
            None => std::future::pending().await,
        }
    }
}

/// What the server would answer (protocol §5.1): written at the tail, recognised by ids before it, else wrong.
async fn judge<D: Destination>(real: &D, tails: &Tails, append: Append) -> AppendOutcome {
    let (stream, events) = (append.stream, append.events);
    let first = match append.expected {
        Expected::NoStream => 0,
        Expected::Exact(revision) => revision + 1,
    };
    let count = events.len() as u64;
    let last = first + count - 1;
    let known = tails.get(&stream);
    if known.is_some_and(|tail| tail + 1 == first) {
        tails.set(&stream, last);
        return AppendOutcome::Written(last);
    }
    let range = LookupRange::Forwards {
        from: first,
        count: u32::try_from(count).unwrap_or(u32::MAX),
    };
    let there = match real.lookup(stream.clone(), range, PAGE_BYTES).await {
        LookupResult::NotFound if first == 0 => None,
        LookupResult::Tail { last: tail, .. } if tail + 1 == first => None,
        LookupResult::Tail {
            last: tail, events, ..
        } if tail >= last => Some(events),
        LookupResult::Tombstoned => return AppendOutcome::Deleted,
        LookupResult::Denied | LookupResult::MetadataDenied => return AppendOutcome::Denied,
        LookupResult::Failed => return AppendOutcome::NoAnswer,
        _ => return AppendOutcome::WrongRevision,
    };
    match there {
        // Events would have been written there meanwhile; which, is not known.
        None if known.is_some_and(|tail| tail >= first) => return AppendOutcome::WrongRevision,
        None => tails.set(&stream, last),
        Some(there) => {
            // What is no longer readable there cannot be compared, and the real server would still know it.
            let same = |there: &Event| {
                let at = usize::try_from(there.revision - first).ok();
                at.and_then(|at| events.get(at))
                    .is_none_or(|event| event.id == there.id)
            };
            if !there.iter().all(same) {
                return AppendOutcome::WrongRevision;
            }
        }
    }
    AppendOutcome::Written(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ditto_core::port::AppendId;
    use uuid::Uuid;

    /// A destination that answers every lookup in one way.
    struct Canned(LookupResult);

    struct NoAppends;

    impl Appends for NoAppends {
        fn send(&mut self, _append: Append) {}

        async fn answers(&mut self, _into: &mut Vec<Answer>) {
            std::future::pending().await
        }
    }

    impl Destination for Canned {
        type Appends = NoAppends;

        fn appends(&self) -> NoAppends {
            NoAppends
        }

        async fn lookup(
            &self,
            _stream: StreamName,
            _range: LookupRange,
            _max_bytes: usize,
        ) -> LookupResult {
            self.0.clone()
        }

        async fn recognise(&self, _: StreamName, _: Event) -> LookupResult {
            LookupResult::Failed
        }

        async fn rights(&self, _: StreamName) -> Rights {
            Rights::Unknown
        }

        async fn write_metadata(
            &self,
            _stream: StreamName,
            _max_age: Option<Duration>,
            _truncate_before: Option<u64>,
        ) -> MetadataOutcome {
            MetadataOutcome::Denied
        }

        async fn probe(&self) -> Result<(), String> {
            Ok(())
        }
    }

    fn event(revision: u64, id: u64) -> Event {
        Event {
            id: Uuid::from_u128(id.into()),
            stream: "s-1".into(),
            revision,
            event_type: "t".into(),
            is_json: true,
            data: Bytes::new(),
            metadata: Bytes::new(),
            created: 0,
        }
    }

    fn tail(last: u64, events: Vec<Event>) -> LookupResult {
        LookupResult::Tail {
            last,
            events,
            truncate_before: None,
            copied: None,
        }
    }

    fn append(expected: Expected, first: u64) -> Append {
        Append {
            id: AppendId(1),
            stream: "s-1".into(),
            expected,
            events: vec![event(first, first), event(first + 1, first + 1)],
            alone: false,
        }
    }

    #[tokio::test]
    async fn an_append_is_judged_as_the_server_would() {
        let wrong = AppendOutcome::WrongRevision;
        let rows = [
            (
                "behind the tail",
                Expected::Exact(4),
                tail(4, vec![]),
                AppendOutcome::Written(6),
            ),
            (
                "new stream",
                Expected::NoStream,
                LookupResult::NotFound,
                AppendOutcome::Written(1),
            ),
            (
                "there already",
                Expected::Exact(4),
                tail(6, vec![event(5, 5), event(6, 6)]),
                AppendOutcome::Written(6),
            ),
            (
                "there, and aged",
                Expected::Exact(4),
                tail(9, vec![]),
                AppendOutcome::Written(6),
            ),
            (
                "another event",
                Expected::Exact(4),
                tail(6, vec![event(5, 5), event(6, 99)]),
                wrong.clone(),
            ),
            (
                "half of it there",
                Expected::Exact(4),
                tail(5, vec![event(5, 5)]),
                wrong.clone(),
            ),
            (
                "beyond the tail",
                Expected::Exact(4),
                tail(2, vec![]),
                wrong.clone(),
            ),
            (
                "no such stream",
                Expected::Exact(4),
                LookupResult::NotFound,
                wrong,
            ),
            (
                "tombstoned",
                Expected::Exact(4),
                LookupResult::Tombstoned,
                AppendOutcome::Deleted,
            ),
            (
                "no answer",
                Expected::Exact(4),
                LookupResult::Failed,
                AppendOutcome::NoAnswer,
            ),
        ];
        for (name, expected, found, outcome) in rows {
            let first = if expected == Expected::NoStream { 0 } else { 5 };
            let judged = judge(&Canned(found), &Tails::new(), append(expected, first)).await;
            assert_eq!(judged, outcome, "{name}");
        }
    }

    #[tokio::test]
    async fn virtual_appends_are_the_tail_of_later_appends_and_lookups() {
        let dry_run = DryRun::new(Arc::new(Canned(LookupResult::NotFound)));
        for (expected, first) in [(Expected::NoStream, 0), (Expected::Exact(1), 2)] {
            let judged = judge(&*dry_run.real, &dry_run.tails, append(expected, first)).await;
            assert_eq!(judged, AppendOutcome::Written(first + 1));
        }
        let range = LookupRange::Forwards { from: 0, count: 1 };
        assert_eq!(
            dry_run.lookup("s-1".into(), range, 100).await,
            tail(3, vec![])
        );
        assert_eq!(
            dry_run.lookup("s-2".into(), range, 100).await,
            LookupResult::NotFound
        );
    }
}
