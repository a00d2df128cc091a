//! What a page proves about a stream: that it is not found counts for a deletion only if the same node shows one.
//!
//! A node that is behind the others knows neither the stream nor its last event (protocol §3.2). Never takes two
//! nodes' answers for one.

use super::super::error::{Class, Error};
use super::page::{Deletion, ProvenPage, StreamPage, of_metadata};
use super::{Client, ReadStream};

impl Client {
    /// Reads one page, and what is needed to tell a deletion from a node that is behind, all from one node.
    ///
    /// # Errors
    /// As [`Client::read_stream`]; also if the stream's last event number cannot be had.
    pub async fn read_proven(&self, read: ReadStream) -> Result<ProvenPage, Error> {
        let (page, node) = self.read_to_last(&read).await?;
        match (page, node) {
            (
                StreamPage::Found {
                    records,
                    last: Some(last),
                    ..
                },
                _,
            ) => Ok(ProvenPage::Found { records, last }),
            (StreamPage::Found { last: None, .. }, _) | (StreamPage::NotFound, None) => {
                let text = format!("stream \"{}\" changed between two reads", read.stream);
                Err(Error::new(
                    self.side(),
                    Class::Transient,
                    "read a stream",
                    text,
                ))
            }
            (StreamPage::NotFound, Some(node)) => {
                let newest = ReadStream::newest(read.stream.metadata_stream());
                let metadata = self.read_at(&node, &newest).await.map_err(of_metadata)?;
                Ok(match metadata.into_deletion() {
                    Deletion::Soft(newest) => ProvenPage::SoftDeleted(newest),
                    Deletion::Tombstone => ProvenPage::Tombstoned,
                    Deletion::None => ProvenPage::NotFound,
                })
            }
            (StreamPage::Tombstoned, _) => Ok(ProvenPage::Tombstoned),
        }
    }
}
