//! Deliberate mistakes of a mirror: what a core says or hears is spoiled on its way. They prove that the promises can fail.

use ditto_core::port::log::{
    EpochsPage, HeldChange, LogCommand, LogInput, Mark, Record, RecordPage, SearchPage,
};
use ditto_core::port::{AppendOutcome, Command, Input};

use super::world::World;

/// A deliberate mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The mark is the last record that was read, done or not.
    MarkIsNewest,
    /// A source is taken for the copied one whatever its epochs are.
    AnySource,
    /// The record at the place is not looked at before a subscription opens, nor after.
    PlaceUnseen,
    /// No answer to an append is taken for written.
    SilenceIsWritten,
    /// A stream that was held before the start is released before it is repaired.
    ReleasedUnrepaired,
    /// No answer to a change of the record of held streams is taken for written.
    UnrecordedIsRecorded,
    /// What a stream no longer shows is filled although the log shows it.
    FillsWhatTheLogShows,
    /// The record of held streams forgets where the first event was passed.
    RecordsTheLastPlace,
}

impl Mistake {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::MarkIsNewest,
        Self::AnySource,
        Self::PlaceUnseen,
        Self::SilenceIsWritten,
        Self::ReleasedUnrepaired,
        Self::UnrecordedIsRecorded,
        Self::FillsWhatTheLogShows,
        Self::RecordsTheLastPlace,
    ];
}

impl World {
    /// Spoils what the core hears.
    pub(super) fn spoil_input(&mut self, number: usize, input: Input) -> Input {
        match (self.mistake, input) {
            (
                Some(Mistake::AnySource),
                Input::Log(LogInput::EpochsRead {
                    read,
                    page: EpochsPage::Epochs { end, .. },
                }),
            ) => Input::Log(LogInput::EpochsRead {
                read,
                page: EpochsPage::Epochs {
                    epochs: self.first_epochs.clone(),
                    end: end.max(self.daemons[number].highest),
                },
            }),
            (
                Some(Mistake::PlaceUnseen),
                Input::Log(LogInput::RecordRead {
                    read,
                    page: RecordPage::Found(found),
                }),
            ) => {
                let mut found = found;
                if let Some((position, event)) = &self.daemons[number].place {
                    *found = (*position, event.clone());
                }
                Input::Log(LogInput::RecordRead {
                    read,
                    page: RecordPage::Found(found),
                })
            }
            (
                Some(Mistake::SilenceIsWritten),
                Input::Appended {
                    append,
                    outcome: AppendOutcome::NoAnswer,
                },
            ) => Input::Appended {
                append,
                outcome: AppendOutcome::Written(self.daemons[number].answers(append)),
            },
            (
                Some(Mistake::UnrecordedIsRecorded),
                Input::Log(LogInput::HeldWritten {
                    write,
                    outcome: AppendOutcome::NoAnswer,
                }),
            ) => Input::Log(LogInput::HeldWritten {
                write,
                outcome: AppendOutcome::Written(self.destination.record.len() as u64),
            }),
            (
                Some(Mistake::FillsWhatTheLogShows),
                Input::Log(LogInput::StreamSearched { read, .. }),
            ) => Input::Log(LogInput::StreamSearched {
                read,
                page: SearchPage::Searched {
                    found: Vec::new(),
                    next: None,
                },
            }),
            (_, input) => input,
        }
    }

    /// Spoils what the core says, and remembers what later spoiling needs.
    pub(super) fn spoil_command(&mut self, number: usize, command: Command) -> Command {
        match (self.mistake, command) {
            (
                Some(Mistake::MarkIsNewest),
                Command::Log(LogCommand::WriteCheckpoint {
                    write,
                    expected,
                    mut checkpoint,
                }),
            ) => {
                if let Some((position, event)) = &self.daemons[number].place {
                    checkpoint.mark = Some(Mark {
                        position: *position,
                        record: Some(Record::of(event, *position)),
                    });
                }
                Command::Log(LogCommand::WriteCheckpoint {
                    write,
                    expected,
                    checkpoint,
                })
            }
            (
                Some(Mistake::ReleasedUnrepaired),
                Command::Log(LogCommand::WriteHeld {
                    write,
                    expected,
                    mut changes,
                }),
            ) => {
                let held = self.destination.held();
                for change in &mut changes {
                    if let HeldChange::Held(stream) = change
                        && held.contains_key(&stream.stream)
                    {
                        *change = HeldChange::Released(stream.stream.clone());
                    }
                }
                Command::Log(LogCommand::WriteHeld {
                    write,
                    expected,
                    changes,
                })
            }
            (
                Some(Mistake::RecordsTheLastPlace),
                Command::Log(LogCommand::WriteHeld {
                    write,
                    expected,
                    mut changes,
                }),
            ) => {
                for change in &mut changes {
                    if let HeldChange::Held(stream) = change {
                        stream.first = Some(self.daemons[number].highest);
                    }
                }
                Command::Log(LogCommand::WriteHeld {
                    write,
                    expected,
                    changes,
                })
            }
            (_, command) => command,
        }
    }
}
