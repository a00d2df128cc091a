//! Reading small files away from the runtime's threads, with a time limit.
//!
//! Never reads twice at once: a file system that hangs keeps one thread, however often somebody tries again.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Not within this time; the reading goes on.
    Late(Duration),
    /// The reading ended without a result.
    Failed(String),
}

/// The reading that was begun last, if it has not ended.
#[derive(Debug)]
pub(crate) struct Loading<T> {
    running: Mutex<Option<JoinHandle<T>>>,
}

impl<T> Default for Loading<T> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

impl<T: Send + 'static> Loading<T> {
    /// Reads, or waits for the reading that hangs. What ended after its time is not used: the files may be others by now.
    ///
    /// # Errors
    /// Nothing was read within the limit.
    pub(crate) async fn get(
        &self,
        limit: Duration,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unread> {
        let getting = async {
            let mut running = self.running.lock().await;
            running.take_if(|reading| reading.is_finished());
            let reading = running.get_or_insert_with(|| tokio::task::spawn_blocking(read));
            let ended = reading.await;
            *running = None;
            ended.map_err(|error| Unread::Failed(error.to_string()))
        };
        timeout(limit, getting)
            .await
            .unwrap_or(Err(Unread::Late(limit)))
    }
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Late(limit) => write!(f, "its files could not be read within {limit:?}"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn reading_that_hangs_is_given_up_and_begun_once() {
        let loading = Loading::default();
        let (release, released) = mpsc::channel::<()>();
        let hangs = move || {
            // It ends once nobody can send any more.
            assert!(released.recv().is_err());
            "old"
        };
        assert_eq!(loading.get(SHORT, hangs).await, Err(Unread::Late(SHORT)));
        for _ in 0..10 {
            let late = loading.get(SHORT, || "begun again").await;
            assert_eq!(late, Err(Unread::Late(SHORT)));
        }
        drop(release);
        let waits = loading.get(LONG, || "new").await.unwrap();
        assert!(["old", "new"].contains(&waits));
        assert_eq!(loading.get(LONG, || "newest").await, Ok("newest"));
    }
}
