//! What a stream is beside its events, as its leader shows it: how it ends, and its metadata.
//!
//! Never joins the answers of two nodes, nor two that do not go together.

use ditto_core::event::{Event, StreamName};
use uuid::Uuid;

use super::super::error::{Class, Error};
use super::page::{Unread, of_metadata, says_deleted};
use super::{Client, ReadStream, StreamEnd, StreamPage};

const ACTION: &str = "read the state of a stream";

/// Between two reads of a stream another writer may have deleted or revived it: then it is read again, so often.
const ATTEMPTS: u32 = 3;

/// A stream, beside its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// It was never deleted, or lives again.
    Shown {
        /// Its last revision, readable or not; `None`: it never had an event.
        last: Option<u64>,
        /// The id of that event; `None`: it cannot be read.
        last_id: Option<Uuid>,
        /// The newest event of its metadata.
        metadata: Option<Event>,
    },
    /// It is soft-deleted.
    SoftDeleted {
        /// Its last revision; `None`: it never had an event.
        last: Option<u64>,
        /// The newest event of its metadata.
        metadata: Option<Event>,
    },
    /// It is tombstoned.
    Tombstoned,
}

/// What was read of a stream that is not tombstoned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    /// The server finds it.
    is_found: bool,
    last: Option<u64>,
    last_id: Option<Uuid>,
    metadata: Option<Event>,
}

impl Client {
    /// Reads how a stream ends, whatever can be read of it, and its metadata. For that of one that is not found the right to
    /// write it is needed.
    ///
    /// # Errors
    /// As [`Client::read_stream`] and [`Client::stream_end`]; it changes all the time.
    pub async fn stream_state(&self, stream: &StreamName) -> Result<StreamState, Error> {
        let mut before = None;
        for _ in 0..ATTEMPTS {
            let Some(shown) = self.shown(stream).await? else {
                return Ok(StreamState::Tombstoned);
            };
            // What does not go together changed between the reads, unless it is the same once more: then the server knows best.
            if shown.goes_together() || before.as_ref() == Some(&shown) {
                return Ok(shown.into());
            }
            before = Some(shown);
        }
        let text = format!("stream \"{stream}\" changed between reads, again and again");
        Err(Error::new(self.side(), Class::Transient, ACTION, text))
    }

    /// `None`: it is tombstoned.
    async fn shown(&self, stream: &StreamName) -> Result<Option<Shown>, Error> {
        let newest = ReadStream::newest(stream.clone());
        let (page, node) = match self.read_to_last(&newest).await {
            // The error would name the stream: that of one that is tombstoned, perhaps (protocol §9, last row).
            Err(error) if Unread::of(&error) == Unread::ThisStream => {
                return match self.stream_end(stream).await? {
                    StreamEnd::Tombstoned => Ok(None),
                    StreamEnd::NoEvent | StreamEnd::At(_) => Err(error),
                };
            }
            read => read?,
        };
        let Some(node) = node else { return Ok(None) };
        let newest = ReadStream::newest(stream.metadata_stream());
        let metadata = self.read_at(&node, &newest).await.map_err(of_metadata)?;
        if page == StreamPage::Tombstoned || metadata == StreamPage::Tombstoned {
            return Ok(None);
        }
        let is_found = page != StreamPage::NotFound;
        let told = page.last();
        let newest = page.into_first_event();
        let last = match told {
            Some(last) => Some(last),
            None => match self.stream_end(stream).await? {
                StreamEnd::Tombstoned => return Ok(None),
                StreamEnd::NoEvent => None,
                StreamEnd::At(last) => Some(last),
            },
        };
        Ok(Some(Shown {
            is_found,
            last,
            last_id: newest
                .filter(|newest| Some(newest.revision) == last)
                .map(|newest| newest.id),
            metadata: metadata.into_first_event(),
        }))
    }
}

impl Shown {
    fn goes_together(&self) -> bool {
        let is_deleted = self.metadata.as_ref().is_some_and(says_deleted);
        match (self.is_found, self.last) {
            (true, last) => last.is_some() && !is_deleted,
            (false, Some(_)) => is_deleted,
            (false, None) => true,
        }
    }
}

impl From<Shown> for StreamState {
    fn from(shown: Shown) -> Self {
        let Shown {
            is_found,
            last,
            last_id,
            metadata,
        } = shown;
        let is_deleted = metadata.as_ref().is_some_and(says_deleted);
        // One that never had an event is not found either.
        if is_found || (last.is_none() && !is_deleted) {
            Self::Shown {
                last,
                last_id,
                metadata,
            }
        } else {
            Self::SoftDeleted { last, metadata }
        }
    }
}
