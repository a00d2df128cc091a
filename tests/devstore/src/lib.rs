//! devstore: an in-memory server that speaks Event Store's gRPC protocol as `protocol.md` describes it, for tests and
//! demos. Never part of the product, never durable, never secure.

pub mod store;
