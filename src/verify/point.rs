//! How far a comparison of one subscription is: what it has met, what it found, where it goes on.
//!
//! Never holds what is not finished: a comparison that goes on from a point does an unfinished stream again.

use std::collections::BTreeSet;

use rand::Rng as _;

use serde::{Deserialize, Serialize};

use super::class::{Finding, Tally};
use super::outcome::{Outcome, Repair};
use super::seen::{Fingerprint, Seen};
use crate::config::settings::SubscriptionKey;

/// Findings that are kept for the end.
pub const KEPT_FINDINGS: usize = 20;

/// Streams that a repair is kept for; a further run finds the rest.
const MOST_REPAIRS: usize = 100_000;

/// A place in what streams are found through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// A number of the subscription's stream, or the commit position of a record of the log.
    pub(super) at: u64,
    /// The prepare position of that record: a position is a pair, as the server gave it.
    #[serde(default)]
    pub(super) prepare: u64,
}

impl Cursor {
    /// A number of a stream.
    pub(super) fn number(at: u64) -> Self {
        Self { at, prepare: 0 }
    }
}

/// How far a comparison is.
#[derive(Clone, Debug)]
pub struct Point {
    /// Subscription or mirror that is compared.
    pub key: SubscriptionKey,
    /// The next number of the subscription's stream; of a mirror the position of the last record that was read.
    pub(super) next: Cursor,
    /// The first number that was looked at.
    pub(super) begin: Option<u64>,
    /// The last number or position, as it was when the comparison began.
    pub(super) end: Option<u64>,
    /// Streams that were met, so that each is compared once.
    pub(super) seen: Seen,
    /// Streams met and not finished, by the place at which they were met.
    open: BTreeSet<(Cursor, Fingerprint)>,
    /// What chooses the sample.
    pub(super) salt: u64,
    /// What was compared.
    pub tally: Tally,
    /// The first faults.
    pub findings: Vec<Finding>,
    /// Whether events that are not copied yet are told at the end, too.
    pub is_strict: bool,
    /// Whether repairs are kept: their names cost more than all else.
    pub keeps_repairs: bool,
    /// What a repair would bring, for the first hundred thousand streams.
    pub repairs: Vec<Repair>,
    /// Nothing is left to compare.
    pub is_complete: bool,
}

impl Point {
    /// A comparison of which nothing is done.
    #[must_use]
    pub fn new(key: SubscriptionKey) -> Self {
        Self {
            key,
            next: Cursor::default(),
            begin: None,
            end: None,
            seen: Seen::default(),
            open: BTreeSet::new(),
            salt: rand::rng().random(),
            tally: Tally::default(),
            findings: Vec::new(),
            is_strict: false,
            keeps_repairs: false,
            repairs: Vec::new(),
            is_complete: false,
        }
    }

    /// Takes note of a stream met at this place. False if it was met before.
    pub(super) fn meet(&mut self, place: Cursor, fingerprint: Fingerprint) -> bool {
        let is_new = self.seen.insert(fingerprint);
        if is_new {
            self.open.insert((place, fingerprint));
        }
        is_new
    }

    /// A stream is finished, or left out.
    pub(super) fn close(&mut self, place: Cursor, fingerprint: Fingerprint) {
        self.open.remove(&(place, fingerprint));
    }

    /// Takes in what came of a stream.
    pub(super) fn absorb(&mut self, outcome: Outcome, from: u64) -> Vec<Finding> {
        self.tally.add(&outcome.counts);
        self.tally.left_out_events += from;
        let is_told = |one: &&Finding| one.is_told() || self.is_strict && one.class.is_uncopied();
        let reported: Vec<&Finding> = outcome.findings.iter().filter(is_told).collect();
        reported.into_iter().for_each(|finding| self.keep(finding));
        if self.keeps_repairs && self.repairs.len() < MOST_REPAIRS {
            self.repairs.extend(outcome.repair);
        }
        outcome.findings
    }

    /// Keeps a finding for the end, if there is room; a fault takes the room of what is none.
    fn keep(&mut self, finding: &Finding) {
        if self.findings.len() == KEPT_FINDINGS {
            let last = self.findings.iter().rposition(|one| !one.class.is_fault());
            let Some(last) = last.filter(|_| finding.class.is_fault()) else {
                return;
            };
            self.findings.remove(last);
        }
        self.findings.push(finding.clone());
    }

    /// Where a comparison that goes on has to begin.
    pub(super) fn resume_at(&self) -> Cursor {
        self.open
            .first()
            .map_or(self.next, |(place, _)| self.next.min(*place))
    }

    /// The fingerprints of all finished streams.
    pub(super) fn finished(&self) -> impl Iterator<Item = Fingerprint> {
        let open: std::collections::HashSet<Fingerprint> = self
            .open
            .iter()
            .map(|(_, fingerprint)| *fingerprint)
            .collect();
        self.seen
            .iter()
            .filter(move |fingerprint| !open.contains(fingerprint))
    }
}
