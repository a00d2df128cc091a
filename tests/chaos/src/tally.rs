//! How often everything that may happen did happen.
//!
//! Never forgets what did not happen: every trouble of the table has its line.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by the name of a trouble.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// Nothing has happened yet.
    pub(crate) fn of(names: impl Iterator<Item = &'static str>) -> Self {
        Self(names.map(|name| (name, 0)).collect())
    }

    /// It happened this often.
    pub(crate) fn add(&mut self, name: &'static str, times: u64) {
        *self.0.entry(name).or_default() += times;
    }

    /// How often this happened.
    pub(crate) fn of_name(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// What happened in another run too.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (name, times) in &other.0 {
            self.add(name, *times);
        }
    }

    /// What never happened.
    pub(crate) fn never(&self) -> Vec<&'static str> {
        let never = self.0.iter().filter(|(_, times)| **times == 0);
        never.map(|(name, _)| *name).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, times) in &self.0 {
            writeln!(f, "  {name:<42} {times:>7}")?;
        }
        Ok(())
    }
}
