//! The last reload of the configuration: which it was, and its verdict.
//!
//! Never reads a configuration.

use tokio::time::Instant;

/// What became of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The new configuration is in use.
    Applied,
    /// It is the same as before.
    Unchanged,
    /// The old configuration stays in use, for these reasons.
    Refused(Vec<String>),
}

impl Verdict {
    /// One of each.
    pub const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused(Vec::new())];

    /// Returns the word for status and metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
        }
    }
}

/// The last reload.
#[derive(Clone, Debug)]
pub struct LastReload {
    /// Counts from 1 since the start of the process.
    pub number: u64,
    /// When the reload ended.
    pub at: Instant,
    /// What became of it.
    pub verdict: Verdict,
}

impl LastReload {
    pub(crate) fn after(last: Option<&Self>, verdict: Verdict) -> Self {
        Self {
            number: last.map_or(0, |last| last.number) + 1,
            at: Instant::now(),
            verdict,
        }
    }

    /// Returns the reasons of the refusal; none if it was not refused.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        match &self.verdict {
            Verdict::Refused(problems) => problems,
            Verdict::Applied | Verdict::Unchanged => &[],
        }
    }
}
