//! The metadata of a stream that ditto begins: written before revision 0, at most once.
//!
//! Never overwrites anybody's metadata.

use crate::context::Context;
use crate::event::StreamName;
use crate::port::{Command, MetadataOutcome, Report, WriteId};
use crate::seam::Outcome;
use crate::streams::Streams;
use crate::streams::rights::Denied;
use crate::streams::stream::{State, Stream};

impl Streams {
    /// True if `$$S` has to be written before revision 0, which is now under way.
    pub(super) fn write_metadata_first(&mut self, cx: &mut Context, name: &StreamName) -> bool {
        let max_age = cx.settings.time_to_live;
        let Some(stream) = self.table.get_mut(name) else {
            return false;
        };
        let truncate_before = stream.fill_to();
        if stream.metadata_done || (max_age.is_none() && truncate_before.is_none()) {
            return false;
        }
        let before = std::mem::replace(&mut stream.state, State::Unknown);
        stream.state = State::WritingMetadata(Box::new(before));
        let write = WriteId(cx.next_id());
        self.writes.insert(write, (name.clone(), cx.now));
        cx.out.push(Command::WriteMetadata {
            write,
            stream: name.clone(),
            max_age,
            truncate_before,
        });
        true
    }

    pub(super) fn on_metadata_done(
        &mut self,
        cx: &mut Context,
        write: WriteId,
        outcome: MetadataOutcome,
    ) {
        let Some((name, sent)) = self.writes.remove(&write) else {
            return;
        };
        if let Some(stream) = self.table.get_mut(&name) {
            if let State::WritingMetadata(before) = &mut stream.state {
                stream.state = std::mem::replace(&mut **before, State::Unknown);
            }
            stream.metadata_done =
                matches!(outcome, MetadataOutcome::Written | MetadataOutcome::Exists);
        }
        if outcome == MetadataOutcome::NoAnswer {
            self.resend.lookup_failed(cx.now);
            self.back_off(cx, &name);
            return;
        }
        self.resend.lookup_answered();
        self.verdict(cx);
        match outcome {
            MetadataOutcome::Exists => {
                let filled = self.table.get(&name).and_then(Stream::fill_to);
                self.told.extend(filled.map(|below| Outcome::Hides {
                    stream: name.clone(),
                    below,
                }));
                cx.report(Report::MetadataKept {
                    stream: name.clone(),
                });
            }
            MetadataOutcome::Denied => return self.denied(cx, &name, Denied::WriteMetadata, sent),
            MetadataOutcome::Written | MetadataOutcome::NoAnswer => {}
        }
        self.advance(cx, &name);
    }
}
