//! What happens to metadata and deletions, in the log and in the counters.
//!
//! A line for each stream at DEBUG only; what an operator must know is told once a stream, or once.

use std::collections::HashSet;

use tracing::{debug, warn};

use super::Reporter;
use crate::log::message_id;
use ditto_core::event::StreamName;
use ditto_core::port::Report;
use ditto_core::port::state::{DeletionKind, OnMetadataConflict};

/// Streams of which something was already told; beyond this many it can come again.
const REMEMBERED: usize = 1_000;

/// What was told already.
#[derive(Debug, Default)]
pub(super) struct Told {
    conflicts: HashSet<StreamName>,
    refused: HashSet<StreamName>,
    passed: HashSet<DeletionKind>,
}

impl Reporter {
    /// Tells of something that happened to metadata, or a deletion. Nothing else.
    pub(super) fn state_report(&mut self, report: &Report) {
        match report {
            Report::MetadataWritten { stream } => {
                self.observer.count(|series| &series.metadata_written, 1);
                line!(self, debug, ditto.event_stream = %stream, read_only = !self.writes, "stream metadata copied");
            }
            Report::Deleted { stream, kind } => {
                self.observer
                    .count_one(|series| &series.deletions, kind.as_str());
                line!(self, debug, ditto.event_stream = %stream, kind = kind.as_str(), read_only = !self.writes, "stream deleted, as at the source");
            }
            Report::DeletionPassed { stream, kind } => self.deletion_passed(stream, *kind),
            Report::MetadataConflict { stream, policy } => self.metadata_conflict(stream, *policy),
            Report::MetadataRefused { stream, why } => {
                self.observer.count(|series| &series.metadata_refused, 1);
                if is_new(&mut self.told.refused, stream) {
                    line!(self, warn, message_id = message_id::METADATA_REFUSED, ditto.event_stream = %stream, reason = %why, "stream metadata not copied; copying its events all the same");
                }
            }
            _ => {}
        }
    }

    fn deletion_passed(&mut self, stream: &StreamName, kind: DeletionKind) {
        self.observer
            .count_one(|series| &series.deletions_passed, kind.as_str());
        if self.told.passed.insert(kind) {
            line!(self, warn, ditto.event_stream = %stream, kind = kind.as_str(), reason = "deletions leaves it out", "the source deleted a stream; keeping such streams at the destination");
        } else {
            line!(self, debug, ditto.event_stream = %stream, kind = kind.as_str(), "the source deleted a stream; keeping it at the destination");
        }
    }

    fn metadata_conflict(&mut self, stream: &StreamName, policy: OnMetadataConflict) {
        self.observer.count(|series| &series.metadata_conflicts, 1);
        if !is_new(&mut self.told.conflicts, stream) {
            return;
        }
        match policy {
            OnMetadataConflict::Keep => {
                line!(self, warn, message_id = message_id::METADATA_CONFLICT, ditto.event_stream = %stream, reason = "another writer has set it", "stream metadata at the destination is not the source's; leaving it unchanged");
            }
            OnMetadataConflict::Overwrite => {
                line!(self, warn, message_id = message_id::METADATA_CONFLICT, ditto.event_stream = %stream, reason = "another writer has set it", "stream metadata at the destination is not the source's; replacing it");
            }
        }
    }
}

fn is_new(told: &mut HashSet<StreamName>, stream: &StreamName) -> bool {
    if told.len() >= REMEMBERED {
        told.clear();
    }
    told.insert(stream.clone())
}
