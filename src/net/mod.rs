//! What a connection needs before anything is said over it: TLS, and the small files of certificates, keys and passwords.
//!
//! Never connects by itself, and knows nothing of what is said over a connection.

pub(crate) mod files;
pub(crate) mod loading;
pub(crate) mod tls;
