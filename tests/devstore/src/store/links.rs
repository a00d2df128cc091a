//! Following links (protocol §6.1).
//!
//! One step only: a link to a link yields the inner link. Never fails: a target that cannot be read is absent.

use std::sync::Arc;

use super::Resolved;
use super::log::Log;
use super::record::{Body, Emission, Record};

/// Longest chain of links that a projection follows to its end.
const MAX_CHAIN: usize = 16;

impl Log {
    pub(super) fn resolve(&self, record: &Record) -> Resolved {
        if !record.is_link() {
            return Resolved::Plain;
        }
        if let Body::Emitted { source, by } = &record.body
            && *by != Emission::CategoryStream
        {
            return Resolved::Link(self.readable_event(&source.stream, source.revision));
        }
        match record.link_target() {
            Some((revision, stream)) => Resolved::Link(self.readable_event(&stream, revision)),
            None => Resolved::Unparsable,
        }
    }

    /// Where a chain of links ends; `None` if that cannot be read (protocol §6.2).
    pub(super) fn final_target(&self, link: &Record) -> Option<Arc<Record>> {
        let mut target = self.target(link)?;
        for _ in 0..MAX_CHAIN {
            if !target.is_link() {
                return Some(target);
            }
            target = self.target(&target)?;
        }
        None
    }

    fn target(&self, link: &Record) -> Option<Arc<Record>> {
        match self.resolve(link) {
            Resolved::Link(target) => target,
            Resolved::Plain | Resolved::Unparsable => None,
        }
    }
}
