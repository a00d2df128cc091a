//! Mistakes on purpose, between ditto's loop and its source: each must be found by some seed.
//!
//! Without one everything is handed on as it is. Nothing of it is in ditto.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use ditto::source::log::{Database, Log, LogSession, Message, Refusal, Search, Seen};
use ditto::source::{Arrival, Opened, Session, Source};
use ditto_core::event::StreamName;
use ditto_core::port::log::{Epoch, EpochsPage, RecordPage, SearchPage};
use ditto_core::port::state::StatePage;
use ditto_core::port::{LogPosition, ReadFrom, SourcePage};

/// What is done wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// The epochs that were read first are told for ever: another source is taken for the copied one.
    OldEpochs,
    /// One record of a subscription in fifty is never handed over.
    LostRecord,
    /// What a subscription brings is told to be looked through before it is handed over.
    EarlyMark,
}

impl Mistake {
    /// All, by name.
    pub(crate) const ALL: [(&'static str, Self); 3] = [
        ("old-epochs", Self::OldEpochs),
        ("lost-record", Self::LostRecord),
        ("early-mark", Self::EarlyMark),
    ];

    /// The one of this name.
    #[must_use]
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|(its, _)| *its == name)
            .map(|(_, mistake)| *mistake)
    }
}

/// The source, with a mistake or without.
#[derive(Debug)]
pub(crate) struct Mistaken {
    source: Database,
    mistake: Option<Mistake>,
    /// The epochs that were read first.
    first: Mutex<Option<Vec<Epoch>>>,
}

impl Mistaken {
    pub(crate) fn new(source: Database, mistake: Option<Mistake>) -> Self {
        Self {
            source,
            mistake,
            first: Mutex::default(),
        }
    }
}

impl Source for Mistaken {
    type Session = MistakenSession;
    type Opening = Option<LogPosition>;
    type Seen = ();
    type Refusal = Refusal;

    async fn open(
        &self,
        after: Option<LogPosition>,
    ) -> Result<Opened<MistakenSession, ()>, Refusal> {
        let opened = self.source.open(after).await?;
        Ok(Opened {
            session: MistakenSession {
                session: opened.session,
                mistake: self.mistake,
                brought: 0,
            },
            seen: opened.seen,
            warnings: opened.warnings,
        })
    }

    async fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> SourcePage {
        self.source
            .read_stream(stream, from, count, max_bytes)
            .await
    }

    async fn probe(&self) -> Result<(), String> {
        self.source.probe().await
    }

    fn trouble(&self) -> Option<String> {
        self.source.trouble()
    }
}

impl Log for Mistaken {
    type Judged = Seen;

    async fn epochs(&self) -> (EpochsPage, Option<Seen>) {
        let (mut page, seen) = self.source.epochs().await;
        if let (Some(Mistake::OldEpochs), EpochsPage::Epochs { epochs, .. }) =
            (self.mistake, &mut page)
        {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            epochs.clone_from(first.get_or_insert_with(|| epochs.clone()));
        }
        (page, seen)
    }

    fn trust(&self, judged: Seen) {
        self.source.trust(judged);
    }

    fn has_reconnected(&self) -> bool {
        self.source.has_reconnected()
    }

    async fn end(&self) -> Option<LogPosition> {
        self.source.end().await
    }

    async fn record_at(&self, position: LogPosition) -> RecordPage {
        self.source.record_at(position).await
    }

    async fn search(&self, search: Search) -> SearchPage {
        self.source.search(search).await
    }

    async fn state(&self, stream: StreamName) -> StatePage {
        self.source.state(stream).await
    }

    async fn last_before(
        &self,
        stream: StreamName,
        position: Option<LogPosition>,
        revision: Option<u64>,
    ) -> RecordPage {
        self.source.last_before(stream, position, revision).await
    }
}

/// A subscription, with a mistake or without.
#[derive(Debug)]
pub(crate) struct MistakenSession {
    session: LogSession,
    mistake: Option<Mistake>,
    /// So many messages so far.
    brought: usize,
}

impl Session for MistakenSession {
    type Delivered = Message;

    fn poll(&self, on: bool) {
        self.session.poll(on);
    }

    fn leave(&self) {
        self.session.leave();
    }

    async fn next(&mut self, into: &mut VecDeque<Message>) -> Arrival {
        let before = into.len();
        let arrival = self.session.next(into).await;
        match self.mistake {
            Some(Mistake::LostRecord) => {
                let came = into.split_off(before);
                into.extend(came.into_iter().filter(|_| {
                    self.brought += 1;
                    !self.brought.is_multiple_of(50)
                }));
            }
            Some(Mistake::EarlyMark) => {
                if let Some(Message::Record(last, _)) = into.back() {
                    into.insert(before, Message::LookedThrough(*last));
                }
            }
            _ => {}
        }
        arrival
    }
}
