//! What is written to the source while everything goes wrong.
//!
//! Where nobody leads nobody writes. Never writes to the destination.

use bytes::Bytes;
use devstore::store::{Expected, Proposed};
use uuid::Uuid;

use crate::world::World;

impl World {
    /// Somebody appends events.
    pub(crate) fn write(&mut self, stream: &str, events: u64, bytes: usize) {
        if self.source.leader().is_none() {
            return;
        }
        let events = if bytes > 1_000 { 1 } else { events };
        let proposed: Vec<Proposed> = (0..events).map(|_| self.event(bytes)).collect();
        let written = self
            .source
            .store()
            .append(stream, Expected::Any, proposed.clone());
        if let Ok(written) = written {
            let last = written.last_revision.unwrap_or(0);
            self.truth.wrote(stream, last + 1 - events, proposed);
        }
    }

    fn event(&mut self, bytes: usize) -> Proposed {
        let text: String = (0..bytes / 16 + 1)
            .map(|_| format!("{:016x}", self.dice.below(u64::MAX)))
            .collect();
        let is_json = self.dice.permille(700);
        Proposed {
            id: self.id(),
            event_type: self
                .dice
                .pick(&["customer_registered", "customer_renamed", "$>"])
                .into(),
            is_json,
            data: Bytes::from(if is_json { format!("\"{text}\"") } else { text }),
            metadata: Bytes::from_static(b"{}"),
        }
    }

    pub(crate) fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.dice.below(u64::MAX), self.dice.below(u64::MAX))
    }

    /// The operator hides the older events of a stream.
    pub(crate) fn truncate(&mut self, stream: &str, permille: u64) {
        let Some(last) = self.source.store().stream_info(stream).last else {
            return;
        };
        let before = self.truth.truncated(stream, (last + 1) * permille / 1000);
        let metadata = Proposed {
            id: self.id(),
            event_type: "$metadata".into(),
            is_json: true,
            data: Bytes::from(format!("{{\"$tb\":{before}}}")),
            metadata: Bytes::new(),
        };
        let stream = format!("$${stream}");
        let written = self
            .source
            .store()
            .append(&stream, Expected::Any, vec![metadata]);
        tracing::debug!(?written, before, "truncated");
    }
}
