//! A mirror's core on its own: what one stream may keep, and how a mirror passes from one process to the next.
//!
//! Everything else of mirrors is in the simulator.

use std::collections::VecDeque;
use std::time::Duration;

use super::{event, settings};
use crate::event::Event;
use crate::filter::StreamFilter;
use crate::port::log::{
    Checkpoint, CheckpointPage, EpochsPage, HeldChange, HeldPage, Holder, LogCommand, LogInput,
};
use crate::port::{
    AppendOutcome, Command, Expected, Input, LogPosition, LookupId, LookupResult, Moment, SessionId,
};
use crate::{Core, LogSettings};

const MIB: usize = 1024 * 1024;

const SESSION: SessionId = SessionId(1);

/// A mirror that reads the log, of servers that answer everything at once but lookups of stream `b`.
struct Mirror {
    core: Core,
    now: Moment,
    polled: bool,
    appended: Vec<String>,
    recorded: Vec<HeldChange>,
    lookup_of_b: Option<LookupId>,
    next: u64,
    /// The newest checkpoint, and those that were written.
    newest: Option<Checkpoint>,
    written: Vec<Checkpoint>,
}

impl Mirror {
    fn new(budget: usize) -> Self {
        Self::after(budget, None)
    }

    /// One that finds this checkpoint.
    fn after(budget: usize, newest: Option<Checkpoint>) -> Self {
        let log = LogSettings {
            filter: StreamFilter::all(),
            holder: Holder {
                name: "test".to_owned(),
                instance: uuid::Uuid::from_u128(1),
            },
        };
        let mut mirror = Self {
            core: Core::mirror(settings(), log),
            now: Moment::ZERO,
            polled: false,
            appended: Vec::new(),
            recorded: Vec::new(),
            lookup_of_b: None,
            next: 0,
            newest,
            written: Vec::new(),
        };
        mirror.input(Input::Budget { bytes: budget });
        mirror
    }

    fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.now += Duration::from_millis(1);
            let mut commands = Vec::new();
            self.core.handle(self.now, input, &mut commands);
            inputs.extend(
                commands
                    .into_iter()
                    .filter_map(|command| self.serve(command)),
            );
        }
    }

    fn serve(&mut self, command: Command) -> Option<Input> {
        Some(match command {
            Command::Poll { on, .. } => {
                self.polled = on;
                return None;
            }
            Command::Lookup { lookup, stream, .. } if stream.as_str() == "b" => {
                self.lookup_of_b = Some(lookup);
                return None;
            }
            Command::Lookup { lookup, .. } => Input::LookedUp {
                lookup,
                result: LookupResult::NotFound,
            },
            Command::Append { append, events, .. } => {
                let names = events
                    .iter()
                    .map(|event| format!("{}#{}", event.stream, event.revision));
                self.appended.extend(names);
                Input::Appended {
                    append,
                    outcome: AppendOutcome::Written(events.last()?.revision),
                }
            }
            Command::Log(command) => Input::Log(self.serve_log(command)?),
            _ => return None,
        })
    }

    fn serve_log(&mut self, command: LogCommand) -> Option<LogInput> {
        Some(match command {
            LogCommand::ReadCheckpoint { read } => LogInput::CheckpointRead {
                read,
                page: match &self.newest {
                    Some(checkpoint) => CheckpointPage::Newest {
                        revision: 7,
                        checkpoint: Box::new(checkpoint.clone()),
                        is_gone: false,
                    },
                    None => CheckpointPage::None {
                        expected: Expected::NoStream,
                    },
                },
            },
            LogCommand::ReadEpochs { read } => LogInput::EpochsRead {
                read,
                page: EpochsPage::Denied,
            },
            LogCommand::WriteCheckpoint {
                write, checkpoint, ..
            } => {
                self.written.push(*checkpoint);
                LogInput::CheckpointWritten {
                    write,
                    outcome: AppendOutcome::Written(0),
                }
            }
            LogCommand::ReadHeld { read } => LogInput::HeldRead {
                read,
                page: HeldPage::Held {
                    streams: Vec::new(),
                    expected: Expected::NoStream,
                },
            },
            LogCommand::WriteHeld { write, changes, .. } => {
                self.recorded.extend(changes);
                LogInput::HeldWritten {
                    write,
                    outcome: AppendOutcome::Written(0),
                }
            }
            LogCommand::Open { .. } => LogInput::Opened { session: SESSION },
            _ => return None,
        })
    }

    fn record(&mut self, stream: &str, revision: u64) {
        self.next += 10;
        let event = Event {
            data: vec![0; 100_000].into(),
            ..event(stream, revision)
        };
        self.input(Input::Log(LogInput::Record {
            session: SESSION,
            position: LogPosition {
                commit: self.next,
                prepare: self.next,
            },
            event: Box::new(event),
        }));
    }
}

#[test]
fn a_slow_stream_of_a_mirror_does_not_stop_the_others() {
    let mut mirror = Mirror::new(8 * MIB);
    for revision in 0..120 {
        mirror.record("b", revision);
        if let Some(lookup) = mirror.lookup_of_b.take() {
            // Others are answered: the stream waits for itself.
            mirror.record("a", mirror.appended.len() as u64);
            mirror.input(Input::LookedUp {
                lookup,
                result: LookupResult::Failed,
            });
        }
        if !mirror.polled {
            mirror.now += Duration::from_secs(1);
            mirror.input(Input::Tick);
        }
        assert!(mirror.polled, "nothing is read any more at b#{revision}");
    }
    let copied = mirror.appended.len() as u64;
    mirror.record("a", copied);
    assert_eq!(mirror.appended.pop(), Some(format!("a#{copied}")));
    let [HeldChange::Held(held)] = &mirror.recorded[..] else {
        panic!("{:?}", mirror.recorded);
    };
    assert_eq!(held.stream.as_str(), "b");
    assert!(held.revision >= 10, "a first part is kept");
    assert!(mirror.core.status().bytes_buffered <= 5 * MIB);
}

#[test]
fn mirror_that_its_holder_let_go_is_taken_over_at_once() {
    let left = |released| Checkpoint {
        mark: None,
        mark_epoch: None,
        highest: None,
        origin: None,
        taken_over: false,
        released,
        rules: StreamFilter::all().to_string(),
        holder: Holder {
            name: "another".to_owned(),
            instance: uuid::Uuid::from_u128(2),
        },
    };
    for (newest, writes) in [(left(true), 1), (left(false), 0)] {
        let mirror = Mirror::after(MIB, Some(newest.clone()));
        assert_eq!(mirror.written.len(), writes, "{newest:?}");
        let released = mirror.written.iter().any(|written| written.released);
        assert!(!released, "who takes it over has it");
    }
}

#[test]
fn last_checkpoint_of_a_stop_lets_the_mirror_go() {
    let mut mirror = Mirror::new(MIB);
    let deadline = mirror.now + Duration::from_secs(10);
    mirror.input(Input::Stop { deadline });
    let released: Vec<bool> = mirror
        .written
        .iter()
        .map(|written| written.released)
        .collect();
    assert_eq!(released, [false, true]);
}
