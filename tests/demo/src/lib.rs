//! What the demo and the chaos test share: processes of this workspace, a reader and writer of their own, and the comparison
//! of both sides. Never uses any of ditto's own code: it judges it.

pub mod compare;
pub mod processes;
pub mod store;
