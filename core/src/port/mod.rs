//! The core's whole contact with the world: inputs that the loop reports, commands that it carries out.
//!
//! Plain data. Every input comes with the time ([`Moment`]); every command that is answered carries an id given by the
//! core, and an answer to an id that the core does not wait for is ignored. Never does anything by itself.

mod command;
mod ids;
mod input;
mod settings;
mod tell;

pub use self::command::{
    Command, Expected, LookRange, OWN_REASON, ReadFrom, StopReason, own_reason,
};
pub use self::ids::{AppendId, ConnId, LookId, Moment, ReadId, Side, WriteId};
pub use self::input::{
    AppendOutcome, GroupSeen, Input, JoinRefusal, LeaveReason, LinkPage, LogPage, LogPosition,
    LookResult, MetadataOutcome, ParkedEntry, ParkedPage, Rights, SourcePage,
};
pub use self::settings::{CoreSettings, Feed, Mode, OnConflict, OnMissingHistory, OnUnverified};
pub use self::tell::{CopiedEvent, DuplicateReason, HeldReason, PipelineState, Status, Tell};
