//! Brings what is lacking, through the same core as the daemon: exact revisions, nothing overwritten, nothing deleted.
//!
//! Safe beside a running daemon, since every append names the revision before it; a kill in the middle leaves nothing to
//! clean up. Never touches a group.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::cluster::client::Client;
use crate::config::settings::{OnConflict, OnMissingHistory, SubscriptionSettings};
use crate::destination::event_store::EventStore;
use crate::pipeline::replicate::{self, Observer, Outcome, Pipeline, core_settings};
use crate::source::chosen::{Choice, Chosen, Fate};

/// Bytes of events that it may hold.
const BUDGET: usize = 16 * 1024 * 1024;

/// Streams brought at once.
const AT_ONCE: u32 = 100;

/// Without anything decided for so long a server is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stop may take this long.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// What became of each choice, in order.
    pub fates: Vec<(Choice, Fate)>,
    /// Why it ended before all was decided.
    pub cut_short: Option<String>,
}

/// Brings each stream up to the chosen revision.
pub async fn bring(
    subscription: &SubscriptionSettings,
    (source, destination): (Client, Client),
    choices: Vec<Choice>,
    observer: Arc<dyn Observer>,
    stop: &mut watch::Receiver<bool>,
) -> Brought {
    let chosen = Arc::new(Chosen::new(source, choices.clone()));
    let (stopping, stopped) = watch::channel(None);
    let (_budget, budget) = watch::channel(BUDGET);
    let mut replication = subscription.replication.clone();
    // An operator looks on: what cannot be brought is told, and the rest goes on.
    replication.on_conflict = OnConflict::Park;
    if replication.on_missing_history == OnMissingHistory::Stop {
        replication.on_missing_history = OnMissingHistory::Park;
    }
    replication.buffer_size = Some(AT_ONCE);
    let running = replicate::run(Pipeline {
        key: subscription.key(),
        settings: core_settings(&replication, true),
        source: chosen.clone(),
        destination: Arc::new(EventStore::new(destination)),
        observer,
        budget,
        stop: stopped,
    });
    let watching = async {
        let why = decided(&chosen, stop).await;
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
            Outcome::Refused(text) => Some(text),
            Outcome::Stalled => Some("nothing moved for a minute".to_owned()),
            Outcome::Stopped { .. } => None,
        },
    };
    let fates = chosen.fates();
    let is_open = fates.contains(&Fate::Open);
    Brought {
        fates: choices.into_iter().zip(fates).collect(),
        cut_short: why.filter(|_| is_open),
    }
}

/// Waits until everything is decided; otherwise says why it is not.
async fn decided(chosen: &Chosen, stop: &mut watch::Receiver<bool>) -> Option<String> {
    let mut open = chosen.open();
    loop {
        if *open.borrow_and_update() == 0 {
            return None;
        }
        tokio::select! {
            changed = tokio::time::timeout(PATIENCE, open.changed()) => {
                if changed.is_err() {
                    return Some(format!("a server did not answer for {PATIENCE:?}: nothing was decided meanwhile"));
                }
            }
            Ok(_) = stop.wait_for(|stop| *stop) => return Some("interrupted".to_owned()),
        }
    }
}
