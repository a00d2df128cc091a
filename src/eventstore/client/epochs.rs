//! The epochs of the log: one for each time that a leader began (protocol §15.1).
//!
//! Only reads them; what they prove is decided in the core.

use ditto_core::event::{Event, StreamName};
use ditto_core::port::log::Epoch;
use serde::Deserialize;
use tokio::time::timeout;
use uuid::Uuid;

use super::super::error::{Class, Error};
use super::read::request;
use super::{Client, Direction, LogSubscription, ReadStream, StartAt, StreamPage, notes};

const ACTION: &str = "read the epochs";
const STREAM: &str = "$epoch-information";
/// Epochs of one page.
const PAGE: u64 = 500;
/// More elections than any log has seen; older epochs are not read.
const MOST: usize = 100_000;

impl Client {
    /// Returns the log's epochs, oldest first, as the leader knows them; none if it has no such
    /// stream.
    ///
    /// # Errors
    /// [`Class::Denied`]: by default only admins may read them. An epoch without an id; otherwise as
    /// [`Client::read_stream`].
    pub async fn epochs(&self) -> Result<Vec<Epoch>, Error> {
        let mut epochs = Vec::new();
        let mut next = Some(StartAt::End);
        while let Some(start) = next.filter(|_| epochs.len() < MOST) {
            let page = self.read_stream(page_from(start)).await?;
            let (read, before) = self.epochs_of(page)?;
            epochs.extend(read);
            next = before;
        }
        epochs.reverse();
        Ok(epochs)
    }

    /// The epochs of a page, newest first, and where the page before it begins.
    fn epochs_of(&self, page: StreamPage) -> Result<(Vec<Epoch>, Option<StartAt>), Error> {
        let StreamPage::Found { records, .. } = page else {
            return Ok((Vec::new(), None));
        };
        let (mut epochs, mut next) = (Vec::new(), None);
        for event in records.into_iter().filter_map(|record| record.event) {
            let epoch = epoch(&event).ok_or_else(|| {
                let text = format!("event {} of {STREAM} tells of no epoch", event.revision);
                Error::new(self.side(), Class::Unreadable, ACTION, text)
            })?;
            epochs.push(epoch);
            next = event.revision.checked_sub(1).map(StartAt::Revision);
        }
        Ok((epochs, next))
    }
}

impl LogSubscription {
    /// Returns the newest epochs, newest first, as the subscription's own node knows them, over the subscription's own
    /// connection: what tells whose log it is.
    ///
    /// # Errors
    /// As [`Client::epochs`].
    pub async fn epochs(&self) -> Result<Vec<Epoch>, Error> {
        let client = &self.client;
        let limit = client.settings().call_timeout;
        let failed = |status: tonic::Status| Error::from_status(client.side(), ACTION, &status);
        let read = page_from(StartAt::End);
        let asking = async {
            let mut connection = self.connection.clone();
            let request = self.node().node().request_of_any(request(&read));
            let mut answers = connection.read(request).await.map_err(failed)?.into_inner();
            let first = answers.message().await.map_err(failed)?;
            client.collect(&read, first, answers).await
        };
        let page = timeout(limit, asking).await.unwrap_or_else(|_| {
            let text = format!("no answer within {limit:?}");
            Err(Error::new(client.side(), Class::Timeout, ACTION, text))
        });
        Ok(client.epochs_of(page?)?.0)
    }
}

fn page_from(start: StartAt) -> ReadStream {
    ReadStream {
        stream: StreamName::from(STREAM),
        start,
        direction: Direction::Backwards,
        count: PAGE,
        resolve_links: false,
        max_bytes: usize::MAX,
    }
}

/// The epoch that an event tells of.
fn epoch(event: &Event) -> Option<Epoch> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Told {
        epoch_id: Option<String>,
        /// A key whose value is 0 is left out.
        #[serde(default)]
        epoch_position: u64,
    }
    let told: Told = notes(&event.data);
    let id = Uuid::parse_str(&told.epoch_id?).ok()?;
    Some(Epoch {
        id,
        position: told.epoch_position,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::event;
    use super::*;

    #[test]
    fn epoch_is_its_id_and_its_position_which_is_left_out_if_it_is_zero() {
        let id = Uuid::from_u128(0xa1);
        let at = |position| Some(Epoch { id, position });
        for (data, expected) in [
            (
                r#"{"epochId":"ID","epochPosition":77,"epochNumber":3}"#,
                at(77),
            ),
            (r#"{"epochId":"ID","prevEpochPosition":-1}"#, at(0)),
            (r#"{"epochId":"ID","epochPosition":-1}"#, None),
            (r#"{"epochId":"none","epochPosition":77}"#, None),
            (r#"{"epochPosition":77}"#, None),
            ("", None),
        ] {
            let event = Event {
                data: data.replace("ID", &id.to_string()).into(),
                ..event(0)
            };
            assert_eq!(epoch(&event), expected, "{data}");
        }
    }
}
