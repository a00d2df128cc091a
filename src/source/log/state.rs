//! A stream's metadata at the source, as the leader shows it now.
//!
//! Never takes an error for a stream without metadata.

use crate::eventstore::client::{Client, LogRecord, Unread};
use crate::eventstore::stream_state::metadata;
use crate::eventstore::{Class, Error};
use ditto_core::event::{StreamName, TOMBSTONE_REVISION};
use ditto_core::port::state::StatePage;

/// Reads the newest event of `$$S`.
pub(super) async fn of_stream(client: &Client, stream: &StreamName) -> StatePage {
    match newest(client, stream).await {
        Ok(Some(record)) => {
            let found = (record.position, metadata(record.event));
            StatePage::Found(Box::new(found))
        }
        Ok(None) => StatePage::None,
        Err(error) if Unread::of(&error) == Unread::Denied => StatePage::Denied,
        Err(_) => StatePage::Failed,
    }
}

async fn newest(client: &Client, stream: &StreamName) -> Result<Option<LogRecord>, Error> {
    match client.newest_record(&stream.metadata_stream()).await {
        Err(error) if *error.class() == Class::Deleted => Ok(None),
        // The error would name the stream: that of one that is tombstoned, as the log tells (protocol §9, last row).
        Err(error) if Unread::of(&error) == Unread::ThisStream => {
            match client.last_record(stream, None).await? {
                Some(last) if last.event.revision >= TOMBSTONE_REVISION => Ok(None),
                _ => Err(error),
            }
        }
        newest => newest,
    }
}
