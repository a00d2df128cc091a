//! The streams in which a group keeps what outlives it: checkpoints and parked events (protocol §8.7, §8.8). Never
//! reads the group's source.

use super::effect::ParkedRange;
use super::position::Position;
use super::source::Payload;
use crate::clock;
use crate::generation::Generation;
use crate::store::{Expected, Proposed, Record, Refused, Store, StreamRead};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

/// The streams of one group.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    store: Store,
    server: Generation,
    checkpoint: String,
    parked: String,
}

impl Streams {
    /// Those of a group; nothing is written.
    pub(crate) fn new(store: Store, server: Generation, source: &str, group: &str) -> Streams {
        let name = |kind| format!("$persistentsubscription-{source}::{group}-{kind}");
        Streams {
            store,
            server,
            checkpoint: name("checkpoint"),
            parked: name("parked"),
        }
    }

    /// The last checkpoint written.
    pub(crate) fn load_checkpoint(&self) -> Option<Position> {
        let StreamRead::Page(page) = self.store.read_backward(&self.checkpoint, None, 1) else {
            return None;
        };
        let text: String = serde_json::from_slice(&page.events.first()?.data()).ok()?;
        Position::parse(&text)
    }

    /// What the parked stream holds.
    pub(crate) fn parked_range(&self) -> Option<ParkedRange> {
        let info = self.store.stream_info(&self.parked);
        let gone = info.soft_deleted || info.tombstoned;
        let last = i64::try_from(info.last.filter(|_| !gone)?).ok()?;
        Some(ParkedRange {
            first: i64::try_from(info.first_readable).ok()?,
            last,
        })
    }

    /// Writes a checkpoint.
    pub(crate) fn write_checkpoint(&self, position: Position) -> Result<(), Refused> {
        let data = json!(position.to_string()).to_string();
        let event = Store::json_event(self.server.checkpoint_type(), data);
        self.store
            .append(&self.checkpoint, Expected::Any, vec![event])
            .map(|_| ())
    }

    /// Parks an event; its number in the parked stream.
    pub(crate) fn park(&self, payload: &Payload, reason: &str) -> Result<Option<u64>, Refused> {
        let data = match (&payload.event, &payload.link) {
            (Some(event), _) => Bytes::from(format!("{}@{}", event.revision, event.stream)),
            (None, Some(link)) => link.data(),
            (None, None) => return Ok(None),
        };
        let number = payload.original().map_or(0, |record| record.revision);
        let mut metadata = json!({ "added": now_text(), "reason": reason });
        if number != 0 {
            metadata["subscriptionEventNumber"] = number.into();
        }
        let entry = Proposed {
            id: Uuid::new_v4(),
            event_type: "$>".into(),
            is_json: false,
            data,
            metadata: Bytes::from(format!("{metadata:#}")),
        };
        Ok(self
            .store
            .append(&self.parked, Expected::Any, vec![entry])?
            .last_revision)
    }

    /// A page of parked entries, where the next begins, and whether there is none.
    pub(crate) fn read_parked(&self, from: u64, count: usize) -> (Vec<Arc<Record>>, u64, bool) {
        match self.store.read_forward(&self.parked, from, count) {
            StreamRead::Page(page) => (page.events, page.next, page.at_end),
            StreamRead::NotFound | StreamRead::Deleted => (Vec::new(), from, true),
        }
    }

    /// Hides parked entries before this revision, and the stream from everybody but administrators.
    pub(crate) fn truncate_parked(&self, before: i64) -> Result<(), Refused> {
        let admins =
            r#"{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}"#;
        let data = format!(r#"{{"$tb":{before},"$acl":{admins}}}"#);
        let metadata_stream = format!("$${}", self.parked);
        let event = Store::json_event("$metadata", data);
        self.store
            .append(&metadata_stream, Expected::Any, vec![event])
            .map(|_| ())
    }

    /// Deletes both streams softly, if they are there.
    pub(crate) fn delete(&self) {
        for stream in [&self.checkpoint, &self.parked] {
            if self.store.stream_info(stream).last.is_some()
                && let Err(refused) = self.store.delete(stream, Expected::Any)
            {
                tracing::warn!(%stream, ?refused, "failed to delete a stream of a deleted group");
            }
        }
    }
}

/// Now, as the real server writes it into parked entries (UTC here).
fn now_text() -> String {
    let since = clock::since_1970();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let ticks = since.subsec_nanos() / 100;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ticks:07}Z")
}

/// The date of a day counted from 1970-01-01, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_become_dates() {
        let cases = [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_322, (2000, 12, 31)),
            (20_781, (2026, 11, 24)),
        ];
        for (days, expected) in cases {
            assert_eq!(date(days), expected);
        }
    }
}
