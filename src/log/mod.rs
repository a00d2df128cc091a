//! The log: one line for each thing that happened, to the journal or to stderr, and, if configured, to a receiver of OTLP.
//!
//! Lines go through a bounded queue to a thread of its own, one for each of the two, so that a log that stalls never stalls copying; what does not
//! fit is dropped and counted. Never shows a secret: it is not given any, and what client libraries say about headers
//! stays out.

mod audit;
mod journal;
mod layer;
mod limit;
pub mod message_id;
mod otlp;
mod queue;
mod record;
mod text;

use std::io::IsTerminal as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

pub use audit::audit;
use journal::Journal;
use layer::{Intake, RecordLayer};
use queue::Queue;
use text::Text;

use crate::config::settings::OtlpSettings;

/// How long the end of the program waits for a log that stalls.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two lookups for lines that were left out.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The running log.
#[derive(Debug)]
pub struct Log {
    queue: Arc<Queue>,
    intake: Arc<Intake>,
    filter: reload::Handle<EnvFilter, Registry>,
    /// Set by `RUST_LOG`, which the file does not override.
    fixed: bool,
    done: Mutex<mpsc::Receiver<()>>,
    otlp_queue: Arc<OnceLock<Arc<Queue>>>,
    otlp_counts: Arc<otlp::Counts>,
    otlp_done: Mutex<Option<mpsc::Receiver<()>>>,
}

/// What became of the lines for a receiver of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtlpCounts {
    /// Taken by it.
    pub sent: u64,
    /// Lost, because there was no room while it took none, or because it refused them.
    pub dropped: u64,
}

/// Starts the log at level info, or as `RUST_LOG` says.
///
/// # Errors
/// If a log was started before in this process, or its thread cannot be.
pub fn start() -> anyhow::Result<Log> {
    let queue = Arc::new(Queue::new());
    let directives = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.is_empty());
    let filter = directives
        .as_deref()
        .map_or_else(|| filter("info"), EnvFilter::new);
    let (filter, handle) = reload::Layer::new(filter);
    let otlp_queue = Arc::new(OnceLock::new());
    let intake = Arc::new(Intake::new(queue.clone(), otlp_queue.clone()));
    let reports = intake.clone();
    let done = write_lines(queue.clone(), Sink::choose(), move || reports.report())?;
    let subscriber = Registry::default()
        .with(filter)
        .with(RecordLayer(intake.clone()));
    tracing::subscriber::set_global_default(subscriber)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            message_id = message_id::PANIC,
            ditto.panic = panic_text(panic.payload()),
            ditto.place = place,
            "a task panicked"
        );
    }));
    Ok(Log {
        queue,
        intake,
        filter: handle,
        fixed: directives.is_some(),
        done: Mutex::new(done),
        otlp_queue,
        otlp_counts: Arc::default(),
        otlp_done: Mutex::default(),
    })
}

/// Starts the thread that writes, and calls `report` about once a second; it says when it is done.
fn write_lines(
    queue: Arc<Queue>,
    mut sink: Sink,
    report: impl Fn() + Send + 'static,
) -> std::io::Result<mpsc::Receiver<()>> {
    let (finished, done) = mpsc::channel();
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            let mut reported = Instant::now();
            loop {
                match queue.pop_within(REPORT_INTERVAL) {
                    Ok(record) if !sink.write(&record) => queue.count_dropped(),
                    Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
                if reported.elapsed() >= REPORT_INTERVAL {
                    reported = Instant::now();
                    report();
                }
            }
            // Nobody may be waiting any more.
            finished.send(()).unwrap_or_default();
        })?;
    Ok(done)
}

impl Log {
    /// Applies `[log] level`, unless `RUST_LOG` is set.
    pub fn set_level(&self, level: &str) {
        if self.fixed {
            tracing::debug!("RUST_LOG is set: the configured log level is not used");
        } else if let Err(error) = self.filter.reload(filter(level)) {
            tracing::error!(ditto.reason = %error, "failed to change the log level");
        }
    }

    /// Sends every further line to a receiver of OTLP, too. Once in the life of the process: another needs a restart.
    ///
    /// # Errors
    /// If its thread cannot be started.
    pub fn ship(&self, settings: &OtlpSettings) -> std::io::Result<()> {
        let mut done = self
            .otlp_done
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if done.is_none() {
            let queue = Arc::new(Queue::new());
            let counts = self.otlp_counts.clone();
            *done = Some(otlp::send_lines(settings.clone(), queue.clone(), counts)?);
            self.otlp_queue.get_or_init(|| queue);
        }
        Ok(())
    }

    /// What became of those lines; `None`: they are not sent.
    #[must_use]
    pub fn otlp(&self) -> Option<OtlpCounts> {
        let queue = self.otlp_queue.get()?;
        Some(OtlpCounts {
            sent: self.otlp_counts.sent.load(Ordering::Relaxed),
            dropped: queue.dropped() + self.otlp_counts.refused.load(Ordering::Relaxed),
        })
    }

    /// Lines lost so far because the log could not keep up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// A reading of [`Log::dropped`] that outlives this value.
    #[must_use]
    pub fn dropped_counter(&self) -> Box<dyn Fn() -> u64 + Send + Sync> {
        let queue = self.queue.clone();
        Box::new(move || queue.dropped())
    }
}

impl Drop for Log {
    /// Writes what is queued, for a while.
    fn drop(&mut self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        self.intake.report_all();
        // The receiver's first: what becomes of its last lines is for the journal to say.
        if let Some(queue) = self.otlp_queue.get() {
            queue.close();
        }
        let otlp = self.otlp_done.get_mut();
        if let Some(done) = otlp.unwrap_or_else(PoisonError::into_inner) {
            done.recv_timeout(FLUSH_TIMEOUT).unwrap_or_default();
        }
        self.queue.close();
        // Too late to report a log that does not end in time.
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        done.recv_timeout(left.max(FLUSH_TIMEOUT / 2))
            .unwrap_or_default();
    }
}

/// A single level is meant for ditto; libraries stay at info at most.
fn filter(directives: &str) -> EnvFilter {
    let is_level = directives.chars().all(|c| c.is_ascii_alphanumeric());
    if is_level && matches!(directives.to_ascii_lowercase().as_str(), "debug" | "trace") {
        EnvFilter::new(format!("info,ditto={directives}"))
    } else {
        EnvFilter::new(directives)
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// Where lines end up.
enum Sink {
    Journal(Journal),
    Text(Text),
}

impl Sink {
    fn choose() -> Self {
        if journal::is_stderr()
            && let Ok(journal) = Journal::open()
        {
            return Self::Journal(journal);
        }
        Self::Text(Text::new(std::io::stderr().is_terminal()))
    }

    /// False if the line is lost.
    fn write(&mut self, record: &record::Record) -> bool {
        match self {
            Self::Journal(journal) => journal.write(record),
            Self::Text(text) => text.write(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::time::SystemTime;

    use super::record::{Place, Record};
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn record(number: usize) -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH,
            place: Place::here(tracing::Level::DEBUG, "ditto"),
            message: format!("line {number} {}", "x".repeat(2_000)),
            message_id: None,
            fields: Vec::new(),
        }
    }

    #[test]
    fn a_journal_that_stalls_costs_lines_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        journal.set_read_timeout(Some(PATIENCE)).unwrap();
        let queue = Arc::new(Queue::new());
        let sink = Sink::Journal(Journal::new(path, Registry::default()).unwrap());
        let done = write_lines(queue.clone(), sink, || {}).unwrap();
        // Nobody reads the socket: were a push to wait for it, this would never end.
        for number in 0..20_000 {
            queue.push(record(number));
        }
        let dropped = queue.dropped();
        assert!(dropped > 0, "the queue is bounded");
        queue.close();
        for _ in 0..20_000 - dropped {
            journal.recv(&mut []).unwrap();
        }
        done.recv_timeout(PATIENCE).unwrap();
        assert_eq!(
            queue.dropped(),
            dropped,
            "what was queued got through afterwards"
        );
    }

    #[test]
    fn a_bare_level_is_meant_for_ditto() {
        for (level, directives) in [
            ("info", "info"),
            ("debug", "ditto=debug,info"),
            ("TRACE", "ditto=trace,info"),
            ("warn,ditto=debug", "ditto=debug,warn"),
        ] {
            assert_eq!(filter(level).to_string(), directives, "{level}");
        }
    }
}
