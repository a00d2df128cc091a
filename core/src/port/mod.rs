//! The core's whole contact with the world: inputs that the loop reports, commands that it carries out.
//!
//! Plain data. Every input comes with the time ([`Moment`]); every command that is answered carries an id given by the
//! core, and an answer to an id that the core does not wait for is ignored. Never does anything by itself.

mod append;
mod command;
mod ids;
mod input;
pub mod log;
mod report;
mod settings;
pub mod state;

pub use self::append::{Answer, Append, AppendOutcome, CallEnd, Expected};
pub use self::command::{Command, LookupRange, OWN_REASON, ReadFrom, StopReason, own_reason};
pub use self::ids::{AppendId, LookupId, Moment, ReadId, SessionId, Side, WriteId};
pub use self::input::{
    Copied, GroupSeen, Input, JoinRefusal, LeaveReason, LinkPage, LogPage, LogPosition,
    LookupResult, MetadataOutcome, ParkedEntry, ParkedPage, Rights, SourcePage,
};
pub use self::report::{
    CopiedEvent, DuplicateReason, HeldReason, LogStatus, PipelineState, Report, Status,
};
pub use self::settings::{CoreSettings, Feed, Mode, OnConflict, OnMissingHistory, OnUnverified};
