//! The metadata of a stream that ditto begins: written before revision 0, at most once.
//!
//! Never overwrites anybody's metadata.

use crate::Core;
use crate::event::StreamName;
use crate::port::{Command, MetadataOutcome, Report, WriteId};
use crate::streams::rights::Denied;
use crate::streams::stream::State;

impl Core {
    /// True if `$$S` has to be written before revision 0, which is now under way.
    pub(crate) fn write_metadata_first(&mut self, name: &StreamName) -> bool {
        let max_age = self.settings.time_to_live;
        let Some(stream) = self.streams.get_mut(name) else {
            return false;
        };
        let truncate_before = stream.fill_to;
        if stream.metadata_done || (max_age.is_none() && truncate_before.is_none()) {
            return false;
        }
        let write = WriteId(self.next_id());
        if let Some(stream) = self.streams.get_mut(name) {
            let before = std::mem::replace(&mut stream.state, State::WritingMetadata);
            self.writes.insert(write, (name.clone(), before, self.now));
        }
        self.out.push(Command::WriteMetadata {
            write,
            stream: name.clone(),
            max_age,
            truncate_before,
        });
        true
    }

    pub(crate) fn on_metadata_done(&mut self, write: WriteId, outcome: MetadataOutcome) {
        let Some((name, before, sent)) = self.writes.remove(&write) else {
            return;
        };
        if let Some(stream) = self.streams.get_mut(&name) {
            stream.state = before;
            stream.metadata_done =
                matches!(outcome, MetadataOutcome::Written | MetadataOutcome::Exists);
        }
        if outcome == MetadataOutcome::NoAnswer {
            self.resend.lookup_failed(self.now);
            self.back_off(&name);
            return;
        }
        self.resend.lookup_answered();
        self.verdict();
        match outcome {
            MetadataOutcome::Exists => self.report(Report::MetadataKept {
                stream: name.clone(),
            }),
            MetadataOutcome::Denied => return self.denied(&name, Denied::WriteMetadata, sent),
            MetadataOutcome::Written | MetadataOutcome::NoAnswer => {}
        }
        self.advance(&name);
    }
}
