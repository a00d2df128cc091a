//! Deleting a stream, softly or for good (protocol §4.3).
//!
//! Never takes a record out of the log.

use uuid::Uuid;

use super::log::{Kind, Log};
use super::{Expected, MAX_REVISION, Refused, StreamMetadata};

impl Log {
    pub(super) fn soft_delete(&mut self, name: &str, expected: Expected) -> Result<u64, Refused> {
        let known = self.find(name);
        // Checked as a write of an event with a new id, so never recognised.
        self.check(known, expected, &[Uuid::new_v4()])?;
        let Some(stream) =
            known.filter(|&id| self.stream(id).last().is_some() || self.has_metadata(id))
        else {
            return Err(Refused::WrongExpectedVersion { current: None });
        };
        Ok(self.write_metadata(stream, format!(r#"{{"$tb":{MAX_REVISION}}}"#)))
    }

    pub(super) fn tombstone(&mut self, name: &str, expected: Expected) -> Result<u64, Refused> {
        let known = self.find(name);
        self.check(known, expected, &[Uuid::new_v4()])?;
        let stream = self.intern(name);
        let record = self.push_tombstone(stream);
        // So that a name without metadata is known to be gone, too.
        self.metadata_stream(stream);
        if let Kind::MetadataOf(of) = self.stream(stream).kind {
            self.stream_mut(of).metadata = StreamMetadata::default();
        }
        self.project(stream, &record);
        Ok(record.position)
    }
}
