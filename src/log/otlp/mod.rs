//! Lines for a receiver of OTLP: Seq, the Datadog Agent, a collector of OpenTelemetry.
//!
//! A second queue and a thread of its own beside the journal's: a receiver that is down, slow or refuses costs lines,
//! which are counted, and never makes anybody wait. Trouble is said once, and once when it is over.

mod convert;
mod sender;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tracing::dispatcher::{self, Dispatch};
use tracing::{info, warn};

use super::queue::Queue;
use super::record::Record;
use crate::config::settings::OtlpSettings;
use sender::{Failure, Sender};

/// Lines of one request.
const MOST_LINES: usize = 1_000;
/// Their bytes; receivers take a few MiB.
const MOST_BYTES: usize = 1024 * 1024;
/// A line waits this long for company.
const LINGER: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of the lines.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Taken by the receiver.
    pub(super) sent: AtomicU64,
    /// Refused by it. Those that found no room are counted by the queue.
    pub(super) refused: AtomicU64,
}

/// Starts the thread that sends; it says when it is done.
pub(super) fn send_lines(
    settings: OtlpSettings,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
) -> io::Result<mpsc::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (finished, done) = mpsc::channel();
    std::thread::Builder::new()
        .name("log-otlp".to_owned())
        .spawn(move || {
            let mut shipping = Shipping {
                endpoint: settings.endpoint.clone(),
                sender: Sender::new(settings),
                runtime,
                queue,
                counts,
                trouble: None,
            };
            shipping.work();
            // Nobody may be waiting any more.
            finished.send(()).unwrap_or_default();
        })?;
    Ok(done)
}

struct Shipping {
    endpoint: String,
    sender: Sender,
    runtime: tokio::runtime::Runtime,
    queue: Arc<Queue>,
    counts: Arc<Counts>,
    /// Failures since it last took lines, and how many were lost until then.
    trouble: Option<Trouble>,
}

struct Trouble {
    attempts: u64,
    lost_before: u64,
}

impl Shipping {
    fn work(&mut self) {
        while let Some(records) = self.queue.pop_many(MOST_LINES, MOST_BYTES, LINGER) {
            self.ship(&records);
        }
    }

    /// Sends until the receiver has taken the lines, or refused them for good, or the program ends.
    fn ship(&mut self, records: &[Record]) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let is_last = self.queue.is_closed();
            let count = records.len() as u64;
            match self.send(records) {
                Ok(refused) => {
                    let refused = refused.min(count);
                    self.counts
                        .sent
                        .fetch_add(count - refused, Ordering::Relaxed);
                    self.counts.refused.fetch_add(refused, Ordering::Relaxed);
                    self.takes(refused);
                    return;
                }
                Err(Failure::Refused(why)) => {
                    self.counts.refused.fetch_add(count, Ordering::Relaxed);
                    self.takes_not(&why, "these lines are left out");
                    return;
                }
                Err(Failure::Away(why)) if is_last => {
                    self.counts.refused.fetch_add(count, Ordering::Relaxed);
                    self.takes_not(&why, "ditto ends, and these lines are left out");
                    return;
                }
                Err(Failure::Away(why)) => {
                    self.takes_not(&why, "trying again until it does");
                    self.queue.closes_within(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn send(&mut self, records: &[Record]) -> Result<u64, Failure> {
        // What the libraries say about sending lines would be lines to send, without end.
        dispatcher::with_default(&Dispatch::none(), || {
            self.runtime.block_on(self.sender.send(records))
        })
    }

    fn takes(&mut self, refused: u64) {
        if refused > 0 {
            self.takes_not(
                &format!("{refused} lines of a request were refused"),
                "the others were taken",
            );
            return;
        }
        if let Some(trouble) = self.trouble.take() {
            info!(
                ditto.endpoint = self.endpoint,
                ditto.attempts = trouble.attempts,
                ditto.lost = self.lost() - trouble.lost_before,
                "the receiver of log lines takes them again"
            );
        }
    }

    /// Said when it begins; what follows belongs to it.
    fn takes_not(&mut self, why: &str, then: &str) {
        if let Some(trouble) = &mut self.trouble {
            trouble.attempts += 1;
            return;
        }
        self.trouble = Some(Trouble {
            attempts: 1,
            lost_before: self.lost(),
        });
        warn!(
            ditto.endpoint = self.endpoint,
            ditto.reason = why,
            "the receiver of log lines ([log.otlp]) does not take them; {then}. Copying is not affected, and the journal has \
             every line"
        );
    }

    fn lost(&self) -> u64 {
        self.queue.dropped() + self.counts.refused.load(Ordering::Relaxed)
    }
}
