//! The loop around the core: executes the core's commands, feeds the results back, and logs them.
//!
//! Decides nothing about events, and knows neither server nor client library: it talks to a
//! [`Persistent`] source and a [`Destination`].

mod carry_out;
mod drive;
mod kind;
mod log;
mod operations;
mod persistent;
mod settings;
mod state_writes;
mod states;
mod timers;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

pub use settings::{KNOWN_STREAMS, core_settings, subscription_settings};

use crate::config::settings::SubscriptionKey;
use crate::destination::{Destination, Keeper};
use crate::report::Observer;
use crate::source::log::Log;
use crate::source::persistent::Persistent;
use ditto_core::port::CoreSettings;
use ditto_core::{Core, LogSettings};

/// Everything that one run of a pipeline needs.
pub struct Pipeline<S, D> {
    /// Which subscription, for the log.
    pub key: SubscriptionKey,
    /// What the core is made for, see [`core_settings`].
    pub settings: CoreSettings,
    /// Where events come from. A new one, with new clients, for each run.
    pub source: Arc<S>,
    /// Where they go. May be shared: each run opens appends of its own.
    pub destination: Arc<D>,
    /// Status and counters that show what happens.
    pub observer: Observer,
    /// Bytes of events that this pipeline may hold; may change at any time.
    pub budget: watch::Receiver<usize>,
    /// `Some`: take nothing more and be done by then. An earlier time later on is taken too; a sender that is dropped
    /// means at once.
    pub stop: watch::Receiver<Option<Instant>>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked. `clean`: everything in flight was answered, and acknowledged where it could be.
    Stopped {
        /// Whether nothing was left open.
        clean: bool,
        /// Deliveries dropped without an acknowledgement; the source hands them over again.
        left: usize,
    },
    /// A policy or a setting stops this subscription until an operator acts: text for the operator.
    Refused(String),
    /// Nothing moved for a minute although there was more to copy: to be run again with new clients.
    Stalled,
}

/// Copies events until told to stop. Runs for ever whatever the servers do; only the [`Outcome`]s end it.
///
/// Spawn it as a supervised task: a panic in a client library is a failure of this run alone, and it may simply be run
/// again, since nothing is remembered that the servers do not know.
pub async fn run<S: Persistent, D: Destination>(pipeline: Pipeline<S, D>) -> Outcome {
    let core = Core::new(pipeline.settings.clone());
    drive::drive(core, persistent::Group::new(), pipeline).await
}

/// Mirrors a log under this name until told to stop. As [`run`].
pub async fn mirror<S: Log, D: Keeper>(
    name: Arc<str>,
    log: LogSettings,
    pipeline: Pipeline<S, D>,
) -> Outcome {
    let states = pipeline.destination.state_appends();
    let kind = log::Mirrored::new(name, log.holder.instance, states);
    let core = Core::mirror(pipeline.settings.clone(), log);
    drive::drive(core, kind, pipeline).await
}

impl<S, D> std::fmt::Debug for Pipeline<S, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("key", &self.key)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
