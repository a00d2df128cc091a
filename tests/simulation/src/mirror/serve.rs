//! How commands are carried out: what the servers answer, when, and whether the answer arrives.
//!
//! Never decides whether it was right to command them.

use std::time::Duration;

use ditto_core::port::log::{EpochsPage, LogCommand, LogInput, LogRefusal};
use ditto_core::port::{Append, Command, Input, MetadataOutcome, Moment, Rights, SessionId};

use uuid::Uuid;

use super::daemon::instance_of;
use super::destination::Stored;
use super::source::Part;
use super::state::is_for_source;
use super::world::{Happening, World};

/// A call that nobody answers ends then.
const LIMIT: Duration = Duration::from_secs(10);

impl World {
    pub(super) fn command(&mut self, number: usize, generation: u32, command: Command) {
        if !matches!(command, Command::WakeAt { .. } | Command::Report(_)) {
            let text: String = format!("{command:?}").chars().take(300).collect();
            self.note(|| format!("{number} > {text}"));
        }
        match command {
            Command::Report(report) => {
                let text = format!("{report:?}");
                self.note(|| format!("{number} says {text}"));
            }
            Command::WakeAt { at } => {
                let wake = Happening::Wake(number, generation);
                self.agenda.plan(at.max(self.now), wake);
            }
            Command::Poll { session, on } => self.poll(number, session, on),
            Command::Leave { session, .. } => self.leave(number, generation, session),
            Command::Finished { .. } => self.daemons[number].finished = true,
            Command::Log(LogCommand::Abort) => self.abort(number, generation),
            Command::Log(LogCommand::Trust { read }) => {
                let daemon = &mut self.daemons[number];
                daemon.trusted = daemon.seen.remove(&read);
            }
            command => {
                if let Command::Append(append) = &command {
                    let last = append.events.last().map_or(0, |event| event.revision);
                    self.daemons[number].flies(append.id, last);
                }
                if let Command::Log(LogCommand::WriteCheckpoint { write, .. }) = &command {
                    let holder = self.daemons[number].instance;
                    self.promises.sends(holder, *write, self.now);
                }
                let connection = self.daemons[number].connection;
                let at = self.now + self.delay();
                let serve =
                    Happening::Serve(number, generation, connection, Box::new(command), self.now);
                self.agenda.plan(at, serve);
            }
        }
    }

    /// The lease is over: what was sent and is not there never arrives.
    fn abort(&mut self, number: usize, generation: u32) {
        let daemon = &mut self.daemons[number];
        daemon.connection += 1;
        daemon.aborted.insert(generation, daemon.connection);
        let unanswered: Vec<_> = std::mem::take(&mut daemon.in_flight).into_iter().collect();
        if !unanswered.is_empty() {
            let ended = Input::CallEnded {
                lane: 0,
                unanswered,
                silent: true,
                said: "aborted".to_owned(),
            };
            self.plan_input(number, generation, ended);
        }
    }

    fn poll(&mut self, number: usize, id: SessionId, on: bool) {
        let Some(session) = self.daemons[number].session.as_mut() else {
            return;
        };
        if session.id == id {
            session.polled = on;
            self.agenda.plan(self.now, Happening::Read(number, id));
        }
    }

    fn leave(&mut self, number: usize, generation: u32, session: SessionId) {
        if self.daemons[number]
            .session
            .take_if(|current| current.id == session)
            .is_some()
        {
            let ended = LogInput::Ended { session, why: None };
            self.plan_input(number, generation, Input::Log(ended));
        }
    }

    pub(super) fn serve(
        &mut self,
        number: usize,
        generation: u32,
        connection: u32,
        command: Command,
        sent: Moment,
    ) {
        // A process that was killed has sent it all the same: it arrives, and nobody hears the answer.
        let to_source = is_for_source(&command)
            || matches!(
                command,
                Command::ReadSource { .. }
                    | Command::Log(
                        LogCommand::Open { .. }
                            | LogCommand::ReadRecord { .. }
                            | LogCommand::SearchStream { .. }
                            | LogCommand::ReadEpochs { .. }
                    )
            );
        let away = if to_source {
            self.source_away
        } else {
            self.destination_away
        };
        if to_source && self.is_strange(number, generation, &command) {
            let silence = self.silence(&command);
            self.plan_input(number, generation, silence);
            return;
        }
        let open_from = self.daemons[number].aborted.get(&generation).copied();
        let aborted = !to_source && open_from.is_some_and(|open_from| connection < open_from);
        let lost = self
            .dice
            .permille(if self.healed { 0 } else { self.options.lost });
        if away || aborted {
            let answer = self.silence(&command);
            let at = self.now + if aborted { Duration::ZERO } else { LIMIT / 4 };
            if !(aborted && matches!(command, Command::Append(_))) {
                let input = Happening::Input(number, generation, Box::new(answer));
                self.agenda.plan(at, input);
            }
            return;
        }
        // Of a subscription the loop says one thing, that it is open or that it is not; to a process that was killed nothing.
        let is_open = matches!(command, Command::Log(LogCommand::Open { .. }));
        let is_heard = !lost && self.daemons[number].generation == generation;
        let answer = if is_open && !is_heard {
            None
        } else {
            self.carry_out((number, generation), &command, sent)
        };
        if lost {
            let silence = self.silence(&command);
            let input = Happening::Input(number, generation, Box::new(silence));
            self.agenda.plan(self.now + LIMIT, input);
        } else if let Some(answer) = answer {
            self.plan_input(number, generation, answer);
        }
    }

    /// A connection to the source is one that was not judged: only epochs are read over it, and the core is told once.
    fn is_strange(&mut self, number: usize, generation: u32, command: &Command) -> bool {
        let log = self.log;
        let daemon = &mut self.daemons[number];
        if let Command::Log(LogCommand::ReadEpochs { read }) = command {
            daemon.seen.insert(*read, log);
            return false;
        }
        if daemon.trusted == Some(log) {
            return false;
        }
        if daemon.warned != Some(log) {
            daemon.warned = Some(log);
            self.input(number, generation, Input::Log(LogInput::Reconnected));
        }
        true
    }

    /// What the servers do and answer; `None`: the answer comes by itself.
    fn carry_out(
        &mut self,
        (number, generation): (usize, u32),
        command: &Command,
        sent: Moment,
    ) -> Option<Input> {
        Some(match command.clone() {
            Command::Append(Append {
                id: append,
                stream,
                expected,
                events,
                ..
            }) => {
                let (outcome, stored) = self.destination.append(&stream, expected, &events);
                if stored {
                    self.stored(instance_of(number, generation), &stream, sent);
                }
                Input::Appended { append, outcome }
            }
            Command::Lookup { .. } | Command::Recognise { .. } => self.look(command)?,
            Command::AskRights { ask, .. } => Input::RightsSeen {
                ask,
                rights: Rights::Allowed,
            },
            Command::WriteMetadata {
                write,
                stream,
                truncate_before,
                ..
            } => {
                let is_new = self.destination.hide_placeholders(&stream, truncate_before);
                Input::MetadataDone {
                    write,
                    outcome: if is_new {
                        MetadataOutcome::Written
                    } else {
                        MetadataOutcome::Exists
                    },
                }
            }
            Command::State(command) => {
                Input::State(self.carry_out_state((number, generation), command, sent))
            }
            Command::Probe { side } => Input::Reachable {
                side,
                reachable: true,
            },
            Command::ReadSource {
                read,
                stream,
                from,
                count,
                ..
            } => Input::SourceRead {
                read,
                page: self.source.read(&stream, from, count),
            },
            Command::Log(command) => {
                Input::Log(self.carry_out_log((number, generation), command, sent)?)
            }
            other => {
                self.promises
                    .broke(format!("a mirror never commands {other:?}"));
                return None;
            }
        })
    }

    /// What the destination says of a stream.
    fn look(&self, command: &Command) -> Option<Input> {
        Some(match command.clone() {
            Command::Lookup {
                lookup,
                stream,
                range,
                ..
            } => Input::LookedUp {
                lookup,
                result: self.destination.lookup(&stream, range),
            },
            Command::Recognise {
                lookup,
                stream,
                event,
            } => Input::LookedUp {
                lookup,
                result: self.destination.recognise(&stream, &event),
            },
            _ => return None,
        })
    }

    fn carry_out_log(
        &mut self,
        (number, generation): (usize, u32),
        command: LogCommand,
        sent: Moment,
    ) -> Option<LogInput> {
        Some(match command {
            LogCommand::Open { after } => match self.source.subscribe(after) {
                None => LogInput::Refused {
                    why: LogRefusal::NoPosition,
                },
                Some(next) => return self.subscribe(number, next),
            },
            LogCommand::ReadRecord { read, at } => LogInput::RecordRead {
                read,
                page: self.source.record_at(at),
            },
            LogCommand::SearchStream {
                read,
                stream,
                at,
                from,
                to,
                ..
            } => {
                let part = Part {
                    records: self.others.index(20) + 2,
                    found: self.others.index(4) + 1,
                };
                LogInput::StreamSearched {
                    read,
                    page: self.source.search(&stream, at, (from, to), part),
                }
            }
            LogCommand::ReadEpochs { read } => LogInput::EpochsRead {
                read,
                page: if self.options.epochs {
                    EpochsPage::Epochs {
                        epochs: self.source.epochs.clone(),
                        end: self.source.end(),
                    }
                } else {
                    EpochsPage::Denied
                },
            },
            LogCommand::Abort | LogCommand::Trust { .. } => return None,
            kept => return self.keep(instance_of(number, generation), kept, sent),
        })
    }

    /// What a mirror keeps at the destination.
    fn keep(&mut self, instance: Uuid, command: LogCommand, sent: Moment) -> Option<LogInput> {
        Some(match command {
            LogCommand::ReadCheckpoint { read } => LogInput::CheckpointRead {
                read,
                page: self.destination.newest(),
            },
            LogCommand::WriteCheckpoint {
                write,
                expected,
                checkpoint,
            } => {
                let by = (checkpoint.holder.instance, write);
                let stored = Stored {
                    by,
                    checkpoint: checkpoint.clone(),
                };
                let (outcome, new) = self.destination.save(expected, stored);
                if new {
                    self.saved(&checkpoint, write);
                }
                LogInput::CheckpointWritten { write, outcome }
            }
            LogCommand::ReadHeld { read } => LogInput::HeldRead {
                read,
                page: self.destination.held_page(),
            },
            LogCommand::WriteHeld {
                write,
                expected,
                changes,
            } => {
                let by = (instance, write);
                let (outcome, new) = self.destination.record(expected, by, &changes);
                if new {
                    self.recorded(sent, by.0);
                }
                LogInput::HeldWritten { write, outcome }
            }
            _ => return None,
        })
    }
}
