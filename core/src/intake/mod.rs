//! What is taken from the source, and what is told back to it.

pub(crate) mod persistent;
