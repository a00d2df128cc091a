//! Reads the configuration again on a thread of its own: a file on a network drive may take its time.
//!
//! Never reads twice at once, and never waits for ever: a reading that takes too long is a refusal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::config::load::Loaded;
use ditto_values::problem::{Origin, Problems};

/// Reads the configuration.
pub type Load = Arc<dyn Fn() -> Result<Loaded, Problems> + Send + Sync>;

const LIMIT: Duration = Duration::from_secs(10);

/// Logs what is worth a warning in a configuration that is taken into use.
pub fn report(loaded: &Loaded) {
    for note in &loaded.notes {
        warn!("{note}");
    }
    for file in &loaded.files {
        warn!(ditto.reason = %file, "a file that the configuration names cannot be used; retrying");
    }
}

/// A reading under way, if there is one.
#[derive(Default)]
pub(super) struct Reading(Option<Under>);

struct Under {
    read: oneshot::Receiver<Result<Loaded, Problems>>,
    by: Instant,
    load: Load,
    file: PathBuf,
    /// Asked for again meanwhile: what was read may be older than that.
    again: bool,
}

impl Reading {
    /// Begins to read, or notes that it has to be done once more.
    pub(super) fn begin(&mut self, load: &Load, file: &Path) {
        match &mut self.0 {
            Some(under) => under.again = true,
            None => self.0 = Some(Under::new(load.clone(), file.to_owned())),
        }
    }

    /// What was read; never ends while nothing is being read. May be dropped and called again.
    pub(super) async fn end(&mut self) -> Result<Loaded, Problems> {
        loop {
            let Some(under) = &mut self.0 else {
                std::future::pending::<()>().await;
                continue;
            };
            let read = timeout_at(under.by, &mut under.read).await;
            let Some(under) = self.0.take() else {
                continue;
            };
            if under.again {
                self.0 = Some(Under::new(under.load, under.file));
                continue;
            }
            return match read {
                Ok(Ok(loaded)) => loaded,
                Ok(Err(_)) => Err(refusal(under.file, "the thread that reads it failed")),
                Err(_) => {
                    let text = format!("cannot be read: no answer within {LIMIT:?}");
                    Err(refusal(under.file, &text))
                }
            };
        }
    }
}

impl Under {
    fn new(load: Load, file: PathBuf) -> Self {
        let (done, read) = oneshot::channel();
        let work = load.clone();
        // Not one of the runtime's: the end of the program must not wait for it. Without a thread, `done` is dropped.
        let thread = std::thread::Builder::new().name("read-config".to_owned());
        let started = thread.spawn(move || drop(done.send(work())));
        drop(started);
        Self {
            read,
            by: Instant::now() + LIMIT,
            load,
            file,
            again: false,
        }
    }
}

fn refusal(file: PathBuf, text: &str) -> Problems {
    Problems::one(Origin::File(Arc::new(file)), text)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    /// A load whose first reading says that it has begun and goes on until it is told; each refuses with its number.
    fn held_load() -> (Load, UnboundedReceiver<()>, mpsc::Sender<()>) {
        let (go_on, reported) = mpsc::channel::<()>();
        let (begins, begun) = unbounded_channel();
        let (reported, count) = (Mutex::new(reported), AtomicUsize::new(0));
        let load = move || {
            let number = count.fetch_add(1, Ordering::SeqCst);
            if number == 0 {
                begins.send(()).unwrap_or_default();
                reported.lock().unwrap().recv().unwrap_or_default();
            }
            Err(refusal("f".into(), &number.to_string()))
        };
        (Arc::new(load), begun, go_on)
    }

    #[tokio::test]
    async fn a_reading_that_does_not_end_is_refused_and_the_next_is_taken() {
        let (load, mut begun, _go_on) = held_load();
        let mut reading = Reading::default();
        reading.begin(&load, Path::new("f"));
        begun.recv().await.expect("begun");
        tokio::time::pause();
        let first = reading.end().await.expect_err("refused");
        assert_eq!(first.to_string(), "f: cannot be read: no answer within 10s");
        tokio::time::resume();
        reading.begin(&load, Path::new("f"));
        let second = reading.end().await.expect_err("refused");
        assert_eq!(second.to_string(), "f: 1");
    }

    #[tokio::test]
    async fn what_was_asked_for_meanwhile_is_read_anew() {
        let (load, _begun, go_on) = held_load();
        let mut reading = Reading::default();
        reading.begin(&load, Path::new("f"));
        reading.begin(&load, Path::new("f"));
        go_on.send(()).unwrap();
        let read = reading.end().await.expect_err("refused");
        assert_eq!(read.to_string(), "f: 1");
    }
}
