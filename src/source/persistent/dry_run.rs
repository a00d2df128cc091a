//! `read_only`: the subscription's stream by plain reads, so that nothing of the group changes.
//!
//! Begins behind the group's last checkpoint, or at the beginning if there is none. Never creates, joins, acknowledges
//! or parks: what the pipeline acknowledges only makes room for more.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::handoff::{Handoff, HandoffSession};
use super::{Delivered, Joined, Refusal, Subscription, links};
use crate::eventstore::client::Client;
use ditto_core::event::StreamName;
use ditto_core::port::{GroupSeen, JoinRefusal, LinkPage};

/// At the stream's end it is asked this often for more.
const ASK_AGAIN: Duration = Duration::from_secs(1);

const PAGE: u32 = 200;
const PAGE_BYTES: usize = 1024 * 1024;

/// What a group without settings of its own would have; nothing hangs on it here.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a later session goes on: a checkpoint that only this process knows.
#[derive(Debug, Default)]
pub(super) struct Resume(Mutex<Option<u64>>);

impl Resume {
    fn get(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, next: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }
}

/// The group as it is, or as if there were none with a checkpoint.
pub(super) async fn seen(group: &Subscription) -> Result<GroupSeen, Refusal> {
    let seen = match group.lookup().await {
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
            last_number: group.last_number().await?,
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

/// Begins a session that reads pages instead of joining.
pub(super) async fn open(
    group: &Subscription,
    resume: Arc<Resume>,
    buffer_size: u32,
) -> Result<Joined<HandoffSession>, Refusal> {
    let seen = seen(group).await?;
    let first = seen.checkpoint.map_or(0, |number| number + 1);
    let handoff = Arc::new(Handoff::default());
    let mut reader = Reader {
        client: group.own.clone(),
        stream: group.settings.stream.clone(),
        next: resume.get().unwrap_or(first),
        resume,
        handoff: handoff.clone(),
        buffer_size: buffer_size as usize,
        open: BTreeSet::new(),
        page: VecDeque::new(),
    };
    let reader = tokio::spawn(async move {
        let why = reader.read().await;
        reader.handoff.close(why);
    });
    let warnings = group.without_events(&seen).await;
    Ok(Joined {
        session: HandoffSession::new(handoff, reader),
        seen,
        warnings: warnings.into_iter().collect(),
    })
}

/// The task behind a session.
struct Reader {
    client: Client,
    stream: StreamName,
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
        match links::links(&self.client, &self.stream, self.next, PAGE, PAGE_BYTES).await {
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
