//! The difference between the running settings and new ones: what a reload has to do.
//!
//! Pure. Never decides how a change is carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{LogSettings, Settings, SubscriptionKey, SubscriptionSettings};

/// What has to change, subscriptions by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// To be started.
    pub added: Vec<SubscriptionSettings>,
    /// To be drained and stopped.
    pub removed: BTreeSet<SubscriptionKey>,
    /// To be restarted with these settings.
    pub changed: Vec<SubscriptionSettings>,
    /// To be applied at once.
    pub log: Option<LogSettings>,
}

impl Difference {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Sections that differ and cannot be changed while ditto runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} needs a restart: nothing was applied", .sections.join(", "))]
pub struct NeedsRestart {
    /// Their names, such as `[source]`.
    pub sections: Vec<&'static str>,
}

/// Compares.
///
/// # Errors
/// Everything that only a restart can change, by name; then nothing may be applied.
pub fn difference(running: &Settings, wanted: &Settings) -> Result<Difference, NeedsRestart> {
    let sections: Vec<_> = [
        ("[source]", running.source != wanted.source),
        ("[destination]", running.destination != wanted.destination),
        ("[daemon]", running.daemon != wanted.daemon),
        ("[http]", running.http != wanted.http),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect();
    if !sections.is_empty() {
        return Err(NeedsRestart { sections });
    }
    let before = by_key(running);
    let after = by_key(wanted);
    let mut difference = Difference {
        log: (running.log != wanted.log).then(|| wanted.log.clone()),
        ..Difference::default()
    };
    for (key, settings) in &after {
        match before.get(key) {
            None => difference.added.push((*settings).clone()),
            Some(old) if old != settings => difference.changed.push((*settings).clone()),
            Some(_) => {}
        }
    }
    difference.removed = before
        .into_keys()
        .filter(|key| !after.contains_key(key))
        .collect();
    Ok(difference)
}

fn by_key(settings: &Settings) -> BTreeMap<SubscriptionKey, &SubscriptionSettings> {
    settings
        .subscriptions
        .iter()
        .map(|one| (one.key(), one))
        .collect()
}
