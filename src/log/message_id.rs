//! `MESSAGE_ID`s of what operators alert on; `journalctl MESSAGE_ID=…` finds them whatever the wording.
//!
//! An id never changes its meaning and is never used again for another.

/// ditto has started.
pub const STARTED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e01";
/// ditto has stopped.
pub const STOPPED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e02";
/// A new configuration is in use.
pub const RELOADED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e03";
/// A new configuration was refused; the old one stays in use.
pub const RELOAD_REFUSED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e04";
/// A subscription is stopped until an operator reloads or restarts ditto.
pub const SUBSCRIPTION_STOPPED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e05";
/// A subscription failed (panic, stall) and is restarted.
pub const SUBSCRIPTION_RESTARTED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e06";
/// A stream is held.
pub const STREAM_HELD: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e07";
/// One side is unreachable or failing requests; ditto keeps retrying.
pub const RETRYING: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e08";
/// A task panicked.
pub const PANIC: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e09";
/// The configuration is not valid.
pub const CONFIGURATION_INVALID: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e0a";
/// An operator accepted that parked events stay out of the destination.
pub const PARKED_DISCARDED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e0b";
/// Numbers of a subscription's stream were truncated before they were delivered.
pub const NUMBERS_UNSEEN: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e0e";
/// A subscription is stopped, and ditto checks every 30 s whether the cause is gone.
pub const SUBSCRIPTION_BLOCKED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e0f";
/// Stream metadata at the destination is another writer's.
pub const METADATA_CONFLICT: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e10";
/// Stream metadata could not be copied.
pub const METADATA_REFUSED: &str = "5d7f0a3c0c0b4c0f9c8a1b8f4f6a2e11";
