//! The log that a subscription reads: the node's, which is another one once the node is held back or rejoins.
//!
//! Never waits for a record; it only says which store to look into.

use std::sync::Arc;

use tokio::sync::watch;

use crate::node::Node;
use crate::store::Store;

/// Which store a node shows.
#[derive(Debug)]
pub(super) struct View {
    node: Arc<Node>,
    changes: watch::Receiver<u64>,
}

impl View {
    pub(super) fn of(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
            changes: node.cluster.watch_logs(),
        }
    }

    /// The store to look into from now on, if that may be another one than before.
    pub(super) fn changed(&mut self) -> Option<Store> {
        // The sender lives as long as the node.
        if !self.changes.has_changed().unwrap_or_default() {
            return None;
        }
        self.changes.borrow_and_update();
        Some(self.node.log())
    }

    /// Waits until there is something new in the store that is looked into, or another store to look into.
    pub(super) async fn news(&mut self, written: &mut watch::Receiver<u64>) {
        let changed = tokio::select! {
            changed = written.changed() => changed,
            changed = self.changes.changed() => {
                self.changes.mark_changed();
                changed
            }
        };
        if changed.is_err() {
            std::future::pending().await
        }
    }
}
