//! `read_only`: the subscription's stream by plain reads, so that nothing of the group changes.
//!
//! Begins behind the group's last checkpoint, or at the beginning if there is none. Never creates, joins, acknowledges
//! or parks: what the pipeline acknowledges only makes room for more.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::handoff::{Handoff, HandoffSession};
use super::subscription::Subscription;
use super::{Delivered, Joined, Refusal, Source};
use ditto_core::event::StreamName;
use ditto_core::port::{
    GroupSeen, JoinRefusal, LinkPage, LogPage, LogPosition, ParkedPage, ReadFrom, SourcePage,
};

/// At the stream's end it is asked this often for more.
const ASK_AGAIN: Duration = Duration::from_secs(1);

const PAGE: u32 = 200;
const PAGE_BYTES: usize = 1024 * 1024;

/// What a group without settings of its own would have; nothing hangs on it here.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// A subscription that is only looked at.
#[derive(Debug)]
pub struct DryRun {
    group: Arc<Subscription>,
    resume: Arc<Resume>,
}

/// Where a later stay goes on: a checkpoint that only this process knows.
#[derive(Debug, Default)]
struct Resume(Mutex<Option<u64>>);

impl Resume {
    fn get(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, next: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }
}

impl DryRun {
    /// Looks at what `group` would deliver.
    #[must_use]
    pub fn new(group: Subscription) -> Self {
        Self {
            group: Arc::new(group),
            resume: Arc::default(),
        }
    }

    /// The group as it is, or as if there were none with a checkpoint.
    async fn lookup(&self) -> Result<GroupSeen, Refusal> {
        let seen = match self.group.lookup().await {
            Ok(seen) => seen,
            Err(Refusal {
                why: JoinRefusal::Missing,
                ..
            }) => GroupSeen {
                message_timeout: MESSAGE_TIMEOUT,
                max_retry_count: 0,
                checkpoint: None,
                start: Some(0),
                parked: 0,
                parked_readable: None,
                last_number: self.group.last_number().await?,
            },
            Err(refusal) => return Err(refusal),
        };
        // Without a checkpoint a dry run tells of the whole stream, wherever the group would begin.
        Ok(GroupSeen {
            start: Some(0),
            message_timeout: seen.message_timeout.max(MESSAGE_TIMEOUT),
            ..seen
        })
    }
}

impl Source for DryRun {
    type Session = HandoffSession;

    async fn join(&self, buffer_size: u32) -> Result<Joined<HandoffSession>, Refusal> {
        let group = self.lookup().await?;
        let behind = group.checkpoint.map_or(0, |number| number + 1);
        let next = self.resume.get().unwrap_or(behind);
        let session = start(self.group.clone(), self.resume.clone(), next, buffer_size);
        let warnings = self.group.without_events(&group).await;
        Ok(Joined {
            session,
            group,
            warnings: warnings.into_iter().collect(),
        })
    }

    async fn group(&self) -> Result<GroupSeen, Refusal> {
        self.lookup().await
    }

    async fn read_stream(
        &self,
        stream: StreamName,
        from: ReadFrom,
        count: u32,
        max_bytes: usize,
    ) -> SourcePage {
        self.group.read_stream(stream, from, count, max_bytes).await
    }

    async fn read_links(&self, from: u64, count: u32, max_bytes: usize) -> LinkPage {
        self.group.read_links(from, count, max_bytes).await
    }

    async fn first_link(&self, from: u64) -> LinkPage {
        self.group.first_link(from).await
    }

    async fn search_log(&self, after: Option<LogPosition>) -> LogPage {
        self.group.search_log(after).await
    }

    /// What the server parked lies before the checkpoint: a dry run is about what comes.
    async fn read_parked(&self, _from: u64, _count: u32) -> ParkedPage {
        ParkedPage::Entries(Vec::new())
    }

    async fn probe(&self) -> Result<(), String> {
        self.group.probe().await
    }

    fn trouble(&self) -> Option<String> {
        self.group.trouble()
    }
}

/// Begins a session that reads pages instead of joining.
fn start(
    group: Arc<Subscription>,
    resume: Arc<Resume>,
    next: u64,
    buffer_size: u32,
) -> HandoffSession {
    let handoff = Arc::new(Handoff::default());
    let mut reader = Reader {
        group,
        resume,
        handoff: handoff.clone(),
        next,
        buffer_size: buffer_size as usize,
        open: BTreeSet::new(),
        page: VecDeque::new(),
    };
    let reader = tokio::spawn(async move {
        let why = reader.read().await;
        reader.handoff.close(why);
    });
    HandoffSession::new(handoff, reader)
}

/// The task behind a session.
struct Reader {
    group: Arc<Subscription>,
    resume: Arc<Resume>,
    handoff: Arc<Handoff>,
    /// Next number to read.
    next: u64,
    buffer_size: usize,
    /// Numbers handed over and not acknowledged.
    open: BTreeSet<u64>,
    page: VecDeque<Delivered>,
}

impl Reader {
    /// Until told to leave, or a page cannot be had.
    async fn read(&mut self) -> Option<String> {
        loop {
            let (requests, view) = self.handoff.take_orders();
            let parked = requests.parks.iter().flat_map(|(ids, _)| ids);
            for id in requests.acks.iter().chain(parked) {
                self.open.remove(&number_of(*id));
            }
            self.resume
                .set(self.open.first().copied().unwrap_or(self.first_unread()));
            if requests.leave {
                return None;
            }
            if !view.room || self.open.len() >= self.buffer_size {
                self.handoff.something_for_reader().await;
                continue;
            }
            if let Some(delivered) = self.page.pop_front() {
                self.open.extend(delivered.number);
                self.handoff.put(delivered);
                continue;
            }
            match self.turn_page().await {
                Ok(true) => {}
                Ok(false) => {
                    let ask_again = tokio::time::sleep(ASK_AGAIN);
                    tokio::select! {
                        () = ask_again => {}
                        () = self.handoff.something_for_reader() => {}
                    }
                }
                Err(why) => return Some(why),
            }
        }
    }

    fn first_unread(&self) -> u64 {
        self.page
            .front()
            .and_then(|delivered| delivered.number)
            .unwrap_or(self.next)
    }

    /// Reads the next page; false at the end of the stream.
    async fn turn_page(&mut self) -> Result<bool, String> {
        match self.group.read_links(self.next, PAGE, PAGE_BYTES).await {
            LinkPage::Items { items, .. } => {
                let Some((last, _)) = items.last() else {
                    return Ok(false);
                };
                self.next = last + 1;
                self.page
                    .extend(items.into_iter().map(|(number, item)| Delivered {
                        ack: Uuid::from_u128(number.into()),
                        number: Some(number),
                        item,
                    }));
                Ok(true)
            }
            LinkPage::NotFound | LinkPage::Deleted => Ok(false),
            LinkPage::Denied => Err("no permission to read the subscription's stream".to_owned()),
            LinkPage::Failed => Err("the subscription's stream could not be read".to_owned()),
        }
    }
}

fn number_of(ack: Uuid) -> u64 {
    u64::try_from(ack.as_u128()).unwrap_or(u64::MAX)
}
