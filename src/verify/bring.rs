//! Brings what is lacking, through the same core as the daemon: exact revisions, nothing overwritten, nothing deleted.
//!
//! Safe beside a running daemon, since every append names the revision before it; a kill in the middle leaves nothing to
//! clean up. Never touches a group.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::settings::{OnConflict, OnMissingHistory, PipelineSettings};
use crate::destination::event_store::EventStore;
use crate::eventstore::client::Client;
use crate::pipeline::replicate::{self, Pipeline, core_settings};
use crate::report::{Listener, Observer};
use crate::source::persistent::selected::{Choice, Outcome, Selected};
use ditto_core::port::Status;

/// Bytes of events that it may hold.
const BUDGET: usize = 16 * 1024 * 1024;

/// Streams brought at once.
const AT_ONCE: u32 = 100;

/// Without any progress for so long, inside a stream or by one that is decided, a server is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stop may take this long.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// What became of each choice, in order.
    pub fates: Vec<(Choice, Outcome)>,
    /// Why it ended before all was decided.
    pub cut_short: Option<String>,
}

/// Brings each stream up to the chosen revision.
pub async fn bring(
    settings: &PipelineSettings,
    (source, destination): (Client, Client),
    choices: Vec<Choice>,
    stop: &mut watch::Receiver<bool>,
) -> Brought {
    let selected = Arc::new(Selected::new(source, choices.clone()));
    let (stopping, stopped) = watch::channel(None);
    let (progress, progressing) = watch::channel(0);
    let observer = Observer::heard_by(Arc::new(Progressing { progress }));
    let (_budget, budget) = watch::channel(BUDGET);
    let mut replication = settings.replication().clone();
    // An operator looks on: what cannot be brought is told, and the rest goes on.
    replication.on_conflict = OnConflict::Park;
    if replication.on_missing_history == OnMissingHistory::Stop {
        replication.on_missing_history = OnMissingHistory::Park;
    }
    replication.buffer_size = Some(AT_ONCE);
    let running = replicate::run(Pipeline {
        key: settings.key(),
        settings: core_settings(&replication, true),
        source: selected.clone(),
        destination: Arc::new(EventStore::new(destination)),
        observer,
        budget,
        stop: stopped,
    });
    let watching = async {
        let why = decided(selected.open(), progressing, stop).await;
        stopping.send_replace(Some(Instant::now() + SHUTDOWN));
        why
    };
    tokio::pin!(running, watching);
    let why = tokio::select! {
        why = &mut watching => {
            (&mut running).await;
            why
        }
        outcome = &mut running => match outcome {
            replicate::Outcome::Refused(text) => Some(text),
            replicate::Outcome::Stalled => Some("no progress for a minute".to_owned()),
            replicate::Outcome::Stopped { .. } => None,
        },
    };
    let fates = selected.fates();
    let is_open = fates.contains(&Outcome::Open);
    Brought {
        fates: choices.into_iter().zip(fates).collect(),
        cut_short: why.filter(|_| is_open),
    }
}

/// Waits until everything is decided; otherwise says why it is not.
async fn decided(
    mut open: watch::Receiver<usize>,
    mut progress: watch::Receiver<u64>,
    stop: &mut watch::Receiver<bool>,
) -> Option<String> {
    loop {
        if *open.borrow_and_update() == 0 {
            return None;
        }
        let moved = async {
            tokio::select! {
                Ok(()) = open.changed() => {}
                Ok(()) = progress.changed() => {}
                else => std::future::pending().await,
            }
        };
        tokio::select! {
            moved = tokio::time::timeout(PATIENCE, moved) => {
                if moved.is_err() {
                    return Some(format!("a server did not answer: no progress for {PATIENCE:?}"));
                }
            }
            Ok(_) = stop.wait_for(|stop| *stop) => return Some("interrupted".to_owned()),
        }
    }
}

/// Sees progress inside a stream: a long one is decided only at its end.
struct Progressing {
    progress: watch::Sender<u64>,
}

impl Listener for Progressing {
    fn status(&self, status: &Status) {
        self.progress.send_if_modified(|known| {
            let is_new = *known != status.progress;
            *known = status.progress;
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    /// What one stream comes to whose progress is seen so many times, each this much later.
    async fn ended(times: u64, apart: Duration) -> Option<String> {
        let (decide, open) = watch::channel(1);
        let (progress, progressing) = watch::channel(0);
        let (_stop, mut stop) = watch::channel(false);
        let work = async {
            for step in 1..=times {
                sleep(apart).await;
                progress.send_replace(step);
            }
            sleep(apart).await;
            decide.send_replace(0);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            end = decided(open, progressing, &mut stop) => end,
            () = work => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_stream_that_progresses_is_brought_to_its_end() {
        assert_eq!(ended(100, Duration::from_secs(50)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn server_without_progress_for_a_minute_is_given_up() {
        let why = ended(1, Duration::from_secs(70)).await;
        assert!(why.is_some_and(|why| why.contains("no progress for 60s")));
    }
}
