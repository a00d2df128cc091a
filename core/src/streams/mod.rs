//! What is written: the streams of the destination.

pub(crate) mod advance;
pub(crate) mod answer;
pub(crate) mod append;
pub(crate) mod append_only;
pub(crate) mod compare;
pub(crate) mod failing;
pub(crate) mod hold;
pub(crate) mod liveness;
pub(crate) mod lookup;
pub(crate) mod metadata;
pub(crate) mod queue;
pub(crate) mod refuse;
pub(crate) mod repair;
pub(crate) mod resend;
pub(crate) mod rights;
pub(crate) mod search;
pub(crate) mod stream;
pub(crate) mod table;
pub(crate) mod tail;
pub(crate) mod window;
