//! Proposed events out of requests: what must be there, and what they count for against the limit (protocol §4.1).
//!
//! Never looks into data.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ditto_protocol::ids::{BadId, from_wire};
use ditto_protocol::shared::Uuid as WireUuid;

use crate::limits::AppendLimit;
use crate::store::Proposed;

/// Data up to this size is copied: sharing a few bytes of a received frame would keep all of the frame in memory.
const COPIED: usize = 4096;

/// What is wrong with a proposed event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// `type` or `content-type` is not among its metadata.
    Missing(&'static str),
    /// The type is empty.
    EmptyType,
    /// No id.
    NoId,
    /// The nil id.
    NilId,
    /// An id that is none.
    BadId,
}

/// An event as either kind of append carries it.
pub(super) struct Parts {
    pub(super) id: Option<WireUuid>,
    pub(super) metadata: HashMap<String, String>,
    pub(super) custom_metadata: Bytes,
    pub(super) data: Bytes,
}

impl Parts {
    /// What it counts for against the limit of an append.
    pub(super) fn size(&self, limit: AppendLimit) -> usize {
        let event_type = self.metadata.get("type").map_or("", String::as_str);
        limit.size(self.data.len(), self.custom_metadata.len(), event_type)
    }

    pub(super) fn check(mut self) -> Result<Proposed, Fault> {
        let event_type = self.metadata.remove("type").ok_or(Fault::Missing("type"))?;
        let content_type = self
            .metadata
            .remove("content-type")
            .ok_or(Fault::Missing("content-type"))?;
        if event_type.is_empty() {
            return Err(Fault::EmptyType);
        }
        let id = match from_wire(self.id.as_ref()) {
            Ok(id) if id.is_nil() => return Err(Fault::NilId),
            Ok(id) => id,
            Err(BadId::Missing) => return Err(Fault::NoId),
            Err(BadId::NotAUuid) => return Err(Fault::BadId),
        };
        let (data, metadata) = own(self.data, self.custom_metadata);
        Ok(Proposed {
            id,
            event_type: Arc::from(event_type),
            is_json: content_type == "application/json",
            data,
            metadata,
        })
    }
}

/// Small data and metadata in one allocation of their own; large ones stay where they were received.
fn own(data: Bytes, metadata: Bytes) -> (Bytes, Bytes) {
    if data.len() + metadata.len() > COPIED {
        return (data, metadata);
    }
    let mut both = BytesMut::with_capacity(data.len() + metadata.len());
    both.extend_from_slice(&data);
    both.extend_from_slice(&metadata);
    let mut both = both.freeze();
    let own_data = both.split_to(data.len());
    (own_data, both)
}
