//! Event Store gRPC protocol.
