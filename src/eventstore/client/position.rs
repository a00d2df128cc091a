//! Where in the server's log an event stands: what tells which of two events of different streams came first.
//!
//! Only reads, and only one event. Never guesses a position that the server does not give.

use ditto_protocol::streams::ReadResp;
use ditto_protocol::streams::read_resp::read_event::RecordedEvent;
use serde::Deserialize;
use tonic::Streaming;

use super::super::error::{Class, Error};
use super::notes;
use super::{Client, ReadStream, wire};
use ditto_core::event::StreamName;

const ACTION: &str = "read an event's position";

/// A place in the server's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// The revision that was found, in the stream that was read.
    pub revision: u64,
    /// Position of the record; servers before 22.10 do not say it in reads of streams (protocol §3.3).
    pub position: Option<u64>,
    /// When the server stored it: ticks of 100 ns since 1970.
    pub created: i64,
}

impl LogPlace {
    /// Whether it came later than the other: by position where both have one, else by time.
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        match (self.position, other.position) {
            (Some(ours), Some(theirs)) => ours > theirs,
            _ => self.created > other.created,
        }
    }
}

impl Client {
    /// The place of the first readable event of a stream from this revision on; of a link, the place of its target, for
    /// that is the order in which projections link (protocol §6.2). `None`: nothing is readable from there on.
    ///
    /// # Errors
    /// As [`Client::read_stream`].
    pub async fn place_of(
        &self,
        stream: &StreamName,
        revision: u64,
    ) -> Result<Option<LogPlace>, Error> {
        let read = ReadStream {
            resolve_links: true,
            ..ReadStream::forwards(stream.clone(), revision, 1, usize::MAX)
        };
        let read = &read;
        let opened = self
            .on_leader(ACTION, |node| async move { self.begin(&node, read).await })
            .await;
        let (_, next, rest) = match opened {
            Err(error) if *error.class() == Class::Deleted => return Ok(None),
            opened => opened?,
        };
        self.first_place(next, rest).await
    }

    pub(super) async fn first_place(
        &self,
        next: Option<ReadResp>,
        rest: Streaming<ReadResp>,
    ) -> Result<Option<LogPlace>, Error> {
        let Some(event) = self.first_event(ACTION, next, rest).await? else {
            return Ok(None);
        };
        let place = match (event.event, event.link) {
            (Some(target), link) => Some(LogPlace {
                revision: link.as_ref().unwrap_or(&target).stream_revision,
                ..of_record(&target)
            }),
            (None, Some(link)) => Some(of_link(&link)),
            (None, None) => None,
        };
        if place.is_some_and(|place| wire::number(place.revision).is_none()) {
            let text = "the server sent a revision that no event has";
            return Err(Error::new(self.side(), Class::Unreadable, ACTION, text));
        }
        Ok(place)
    }
}

fn of_record(record: &RecordedEvent) -> LogPlace {
    let known = |position: u64| (position > 0 && position < u64::MAX).then_some(position);
    LogPlace {
        revision: record.stream_revision,
        position: known(record.prepare_position),
        created: record
            .metadata
            .get("created")
            .and_then(|ticks| ticks.parse().ok())
            .unwrap_or_default(),
    }
}

/// Of a link whose target is gone: the projection has noted the target's position.
fn of_link(link: &RecordedEvent) -> LogPlace {
    #[derive(Default, Deserialize)]
    struct Notes {
        #[serde(rename = "$p")]
        prepare: Option<u64>,
    }
    let notes: Notes = notes(&link.custom_metadata);
    LogPlace {
        position: notes.prepare,
        ..of_record(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(position: Option<u64>, created: i64) -> LogPlace {
        LogPlace {
            revision: 0,
            position,
            created,
        }
    }

    #[test]
    fn positions_decide_and_times_only_without_them() {
        for (ours, theirs, expected) in [
            (place(Some(2), 1), place(Some(1), 2), true),
            (place(Some(1), 2), place(Some(1), 1), false),
            (place(None, 2), place(Some(9), 1), true),
            (place(None, 1), place(None, 1), false),
        ] {
            assert_eq!(ours.is_after(&theirs), expected, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn a_link_without_its_target_says_where_that_was() {
        let link = |metadata: &'static str| {
            of_link(&RecordedEvent {
                prepare_position: 900,
                custom_metadata: metadata.into(),
                ..RecordedEvent::default()
            })
        };
        assert_eq!(
            link(r#"{"$v":"3:-1:1:4","$c":77,"$p":77,"$o":"a"}"#).position,
            Some(77)
        );
        assert_eq!(link("").position, None);
        assert_eq!(link("[77]").position, None);
    }
}
