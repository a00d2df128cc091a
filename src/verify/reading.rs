//! Plain reads for a comparison: pages of one stream, tried again a few times, at a pace that spares the servers.
//!
//! Never waits longer than the client's time limits and the pauses here. Never writes.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::side_buffer::Page;
use crate::eventstore::Error;
use crate::eventstore::client::{Client, LogPlace, ReadStream, StreamPage, Unread, events};
use ditto_core::event::StreamName;

/// Events and bytes of a page; with it memory is bounded whatever the streams hold.
const PAGE_EVENTS: u64 = 500;
const PAGE_BYTES: usize = 256 * 1024;

/// A server that answers nothing is given up after these pauses.
pub(super) const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// Why something was not compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// This stream is refused; others may not be.
    Refused(String),
    /// A server does not answer, or nothing can be read there.
    Unreachable(String),
}

impl Failure {
    /// For the operator.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Refused(text) | Self::Unreachable(text) => text,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.with_hint();
        match Unread::of(&error) {
            Unread::Denied | Unread::ThisStream | Unread::AnyStream => Self::Refused(text),
            Unread::MetadataDenied | Unread::Failed => Self::Unreachable(text),
        }
    }
}

/// Reads one side.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    client: Client,
}

impl Reader {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client, for what is not a page.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A page of a stream from a revision on, links not followed.
    pub(super) async fn page(&self, stream: &StreamName, from: u64) -> Result<Page, Failure> {
        self.page_of(stream, from, PAGE_EVENTS, PAGE_BYTES).await
    }

    /// The same, of this size.
    pub(crate) async fn page_of(
        &self,
        stream: &StreamName,
        from: u64,
        count: u64,
        max_bytes: usize,
    ) -> Result<Page, Failure> {
        let read = ReadStream::forwards(stream.clone(), from, count, max_bytes);
        let page = patiently(|| self.client.read_page(read.clone())).await?;
        let StreamPage::Found {
            records,
            first,
            last,
        } = page
        else {
            return Ok(Page::Absent);
        };
        Ok(match last {
            Some(last) => Page::Found {
                events: events(records),
                first,
                last,
            },
            None => Page::Absent,
        })
    }

    /// Number of a stream's last event.
    pub(crate) async fn last(&self, stream: &StreamName) -> Result<Option<u64>, Failure> {
        patiently(|| self.client.last_revision(stream)).await
    }

    /// The place of an event in the server's log.
    pub(super) async fn place(
        &self,
        stream: &StreamName,
        revision: u64,
    ) -> Result<Option<LogPlace>, Failure> {
        patiently(|| self.client.place_of(stream, revision)).await
    }
}

/// Tries again what failed for a reason that may pass. No async closure: the compiler does not see that the future of one
/// is `Send` whatever it borrows.
pub(super) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    call: impl Fn() -> F,
) -> Result<T, Failure> {
    for pause in PAUSES {
        match call().await {
            Err(error) if error.is_transient() => sleep(pause).await,
            answer => return answer.map_err(Failure::from),
        }
    }
    call().await.map_err(Failure::from)
}

/// At most so many events a second, over all streams; without a limit it never waits.
#[derive(Debug)]
pub(super) struct Pace {
    each: Option<Duration>,
    free_at: Mutex<Instant>,
}

impl Pace {
    /// So many events a second.
    pub(super) fn new(rate: Option<u32>) -> Self {
        Self {
            each: rate.map(|rate| Duration::from_secs(1) / rate.max(1)),
            free_at: Mutex::new(Instant::now()),
        }
    }

    /// Waits until these were due.
    pub(super) async fn take(&self, events: u64) {
        let Some(each) = self.each else {
            return;
        };
        let due = {
            let mut free_at = self.free_at.lock().await;
            let due = (*free_at).max(Instant::now());
            *free_at = due + each * u32::try_from(events).unwrap_or(u32::MAX);
            *free_at
        };
        sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept_over_all_that_share_it() {
        let began = Instant::now();
        let pace = Pace::new(Some(1_000));
        tokio::join!(pace.take(500), pace.take(1_500), async {
            for _ in 0..100 {
                pace.take(10).await;
            }
        });
        let took = began.elapsed();
        let expected = Duration::from_millis(2_990)..Duration::from_millis(3_010);
        assert!(expected.contains(&took), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let began = Instant::now();
        Pace::new(None).take(u64::MAX).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
