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
        Ok(Newest::Event(record)) => {
            let found = (record.position, metadata(record.event));
            StatePage::Found(Box::new(found))
        }
        Ok(Newest::None) => StatePage::None,
        Ok(Newest::Tombstoned) => StatePage::Tombstoned,
        Err(error) if Unread::of(&error) == Unread::Denied => StatePage::Denied,
        Err(_) => StatePage::Failed,
    }
}

/// What `$$S` shows.
enum Newest {
    Event(LogRecord),
    None,
    /// S was deleted for good.
    Tombstoned,
}

async fn newest(client: &Client, stream: &StreamName) -> Result<Newest, Error> {
    match client.newest_record(&stream.metadata_stream()).await {
        Ok(record) => Ok(record.map_or(Newest::None, Newest::Event)),
        Err(error) if *error.class() == Class::Deleted => Ok(Newest::Tombstoned),
        // The error would name the stream: that of one that is tombstoned, as the log tells (protocol §9, last row).
        Err(error) if Unread::of(&error) == Unread::ThisStream => {
            match client.last_record(stream, None).await? {
                Some(last) if last.event.revision >= TOMBSTONE_REVISION => Ok(Newest::Tombstoned),
                _ => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}
