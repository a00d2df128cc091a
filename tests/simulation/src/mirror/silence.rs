//! Calls that nobody answers.
//!
//! Never carries anything out.

use ditto_core::port::log::{
    CheckpointPage, EpochsPage, HeldPage, LogCommand, LogInput, LogRefusal, RecordPage, SearchPage,
};
use ditto_core::port::{
    AppendOutcome, Command, Input, LookupResult, MetadataOutcome, Rights, Side, SourcePage,
};

use super::world::World;

impl World {
    /// What the loop says of a command that nobody answers.
    pub(super) fn silence(&self, command: &Command) -> Input {
        match command.clone() {
            Command::Append(append) => Input::Appended {
                append: append.id,
                outcome: AppendOutcome::NoAnswer,
            },
            Command::Lookup { lookup, .. } | Command::Recognise { lookup, .. } => Input::LookedUp {
                lookup,
                result: LookupResult::Failed,
            },
            Command::AskRights { ask, .. } => Input::RightsSeen {
                ask,
                rights: Rights::Unknown,
            },
            Command::ReadSource { read, .. } => Input::SourceRead {
                read,
                page: SourcePage::Failed,
            },
            Command::WriteMetadata { write, .. } => Input::MetadataDone {
                write,
                outcome: MetadataOutcome::NoAnswer,
            },
            Command::State(command) => Input::State(Self::silence_of_state(&command)),
            Command::Log(command) => Input::Log(match command {
                LogCommand::ReadRecord { read, .. } => LogInput::RecordRead {
                    read,
                    page: RecordPage::Refused(LogRefusal::Unavailable),
                },
                LogCommand::SearchStream { read, .. } => LogInput::StreamSearched {
                    read,
                    page: SearchPage::Failed,
                },
                LogCommand::ReadEpochs { read } => LogInput::EpochsRead {
                    read,
                    page: EpochsPage::Failed,
                },
                LogCommand::ReadCheckpoint { read } => LogInput::CheckpointRead {
                    read,
                    page: CheckpointPage::Failed,
                },
                LogCommand::WriteCheckpoint { write, .. } => LogInput::CheckpointWritten {
                    write,
                    outcome: AppendOutcome::NoAnswer,
                },
                LogCommand::ReadHeld { read } => LogInput::HeldRead {
                    read,
                    page: HeldPage::Failed,
                },
                LogCommand::WriteHeld { write, .. } => LogInput::HeldWritten {
                    write,
                    outcome: AppendOutcome::NoAnswer,
                },
                LogCommand::Open { .. } | LogCommand::Abort | LogCommand::Trust { .. } => {
                    LogInput::Refused {
                        why: LogRefusal::Unavailable,
                    }
                }
            }),
            _ => Input::Reachable {
                side: Side::Destination,
                reachable: false,
            },
        }
    }
}
