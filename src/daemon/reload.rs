//! Decides what a reload does.
//!
//! Pure. Never applies anything.

use crate::config::diff::{Difference, difference};
use crate::config::load::Loaded;
use crate::config::settings::Settings;
use ditto_values::problem::Problems;

/// What a reload does.
#[derive(Debug)]
pub(super) enum Reload {
    /// The new configuration is the one that runs already.
    Unchanged,
    /// To be applied: the settings from now on, and what that changes.
    Apply(Box<(Settings, Difference)>),
    /// Nothing is applied: a line for each reason.
    Refused(Vec<String>),
}

/// Decides what a reload does, given the running and the newly loaded settings.
pub(super) fn plan(running: &Settings, loaded: Result<Loaded, Problems>) -> Reload {
    let wanted = match loaded {
        Ok(loaded) => loaded.settings,
        Err(problems) => {
            return Reload::Refused(problems.0.iter().map(ToString::to_string).collect());
        }
    };
    match difference(running, &wanted) {
        Err(refusal) => Reload::Refused(vec![refusal.to_string()]),
        Ok(difference) if difference.is_empty() => Reload::Unchanged,
        Ok(difference) => Reload::Apply(Box::new((wanted, difference))),
    }
}
