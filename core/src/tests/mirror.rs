//! A mirror's core on its own: what one stream may keep, and how a mirror passes from one process to the next.
//!
//! Everything else of mirrors is in the simulator.

use std::collections::VecDeque;
use std::time::Duration;

use super::{event, settings};
use crate::event::{Event, StreamName};
use crate::filter::StreamFilter;
use crate::port::log::{
    Checkpoint, CheckpointPage, EpochsPage, HeldChange, HeldPage, HeldStream, Holder, LogCommand,
    LogInput, Mark, RecordPage, SearchPage,
};
use crate::port::{
    Append, AppendOutcome, Command, CoreSettings, Expected, HeldReason, Input, LogPosition,
    LookupId, LookupResult, MetadataOutcome, Moment, OnMissingHistory, ReadFrom, SessionId,
    SourcePage,
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
    /// What the source's streams show, if it answers reads of them.
    shown: Option<Vec<Event>>,
    /// What its log shows.
    log: Vec<(LogPosition, Event)>,
    /// Where the log was searched, and from which revision on.
    searched: Vec<(Option<LogPosition>, u64)>,
    /// Streams on record as held at the start.
    held: Vec<HeldStream>,
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
        let mut mirror = Self::unfed(newest);
        mirror.input(Input::Budget { bytes: budget });
        mirror
    }

    fn unfed(newest: Option<Checkpoint>) -> Self {
        let log = LogSettings {
            filter: StreamFilter::all(),
            states: None,
            holder: Holder {
                name: "test".to_owned(),
                instance: uuid::Uuid::from_u128(1),
            },
        };
        Self {
            core: Core::mirror(filling(), log),
            now: Moment::ZERO,
            polled: false,
            appended: Vec::new(),
            recorded: Vec::new(),
            lookup_of_b: None,
            next: 0,
            shown: None,
            log: Vec::new(),
            searched: Vec::new(),
            held: Vec::new(),
            newest,
            written: Vec::new(),
        }
    }

    fn read_source(&self, stream: &StreamName, from: ReadFrom) -> Option<SourcePage> {
        let shown = self.shown.iter().flatten();
        let mut events: Vec<Event> = shown
            .filter(|event| event.stream == *stream)
            .cloned()
            .collect();
        match from {
            ReadFrom::Revision(from) => events.retain(|event| event.revision >= from),
            ReadFrom::Tail => events = events.pop().into_iter().collect(),
        }
        let of_stream = self.log.iter().filter(|(_, event)| event.stream == *stream);
        let last = of_stream.map(|(_, event)| event.revision).max();
        self.shown.as_ref()?;
        Some(
            last.map_or(SourcePage::NotFound, |last| SourcePage::Events {
                events,
                last,
            }),
        )
    }

    /// One event at a time, so that it has to be asked for again.
    fn search(&self, stream: &StreamName, at: Option<LogPosition>, from: u64) -> SearchPage {
        let mut rest = self
            .log
            .iter()
            .filter(|(position, _)| Some(*position) >= at);
        let found = rest.find(|(_, event)| event.stream == *stream && event.revision >= from);
        SearchPage::Searched {
            found: found.cloned().into_iter().collect(),
            next: rest.next().map(|(position, _)| *position),
        }
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
            Command::Append(Append { id, events, .. }) => {
                let names = events
                    .iter()
                    .map(|event| format!("{}#{}", event.stream, event.revision));
                self.appended.extend(names);
                Input::Appended {
                    append: id,
                    outcome: AppendOutcome::Written(events.last()?.revision),
                }
            }
            Command::WriteMetadata { write, .. } => Input::MetadataDone {
                write,
                outcome: MetadataOutcome::Written,
            },
            Command::ReadSource {
                read, stream, from, ..
            } => Input::SourceRead {
                read,
                page: self.read_source(&stream, from)?,
            },
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
                    streams: self.held.clone(),
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
            LogCommand::ReadRecord { read, .. } => LogInput::RecordRead {
                read,
                page: RecordPage::End,
            },
            LogCommand::SearchStream {
                read,
                stream,
                at,
                from,
                ..
            } => {
                self.searched.push((at, from));
                LogInput::StreamSearched {
                    read,
                    page: self.search(&stream, at, from),
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
            position: at(self.next),
            event: Box::new(event),
        }));
    }
}

fn filling() -> CoreSettings {
    CoreSettings {
        on_missing_history: OnMissingHistory::Fill,
        ..settings()
    }
}

/// A checkpoint of another process.
fn left(mark: Option<u64>, released: bool) -> Checkpoint {
    Checkpoint {
        mark: mark.map(|mark| Mark {
            position: at(mark),
            record: None,
        }),
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
    }
}

fn at(commit: u64) -> LogPosition {
    LogPosition {
        commit,
        prepare: commit,
    }
}

#[test]
fn history_that_was_never_passed_is_not_searched_for_in_the_log() {
    let mut mirror = Mirror::new(MIB);
    mirror.shown = Some(vec![event("a", 3)]);
    mirror.log = vec![(at(10), event("a", 3))];
    mirror.record("a", 3);
    let filled = ["a#0", "a#1", "a#2", "a#3"];
    assert_eq!(mirror.appended, filled);
    assert_eq!(mirror.searched, []);
}

/// A stream that was held before the start, of which its stream no longer shows all, and the log does.
#[test]
fn what_was_passed_is_taken_from_the_log_where_it_was_first_passed() {
    for (name, shown, from_log, searched) in [
        ("the newest is shown", &[4][..], 4, 0),
        ("nothing is shown", &[], 4, 1),
        ("the log lacks the first, too", &[4], 2, 0),
    ] {
        for first in [Some(at(30)), None] {
            let mut mirror = Mirror::unfed(Some(left(Some(100), true)));
            mirror.held = vec![HeldStream {
                stream: "a".into(),
                revision: 0,
                kind: HeldReason::Conflict,
                reason: "another".to_owned(),
                first,
            }];
            mirror.shown = Some(shown.iter().map(|revision| event("a", *revision)).collect());
            let log = (5 - from_log - 1..5)
                .map(|revision| (at(30 + 10 * revision), event("a", revision)));
            mirror.log = [(at(20), event("b", 0))].into_iter().chain(log).collect();
            mirror.input(Input::Budget { bytes: MIB });
            let all = ["a#0", "a#1", "a#2", "a#3", "a#4"];
            assert_eq!(mirror.appended, all, "{name} {first:?}");
            assert!(mirror.searched.len() > searched, "{name} {first:?}");
            let began = mirror.searched.iter().map(|(at, _)| *at).min();
            assert_eq!(began, Some(first), "{name} {first:?}");
            let released = vec![HeldChange::Released("a".into())];
            assert_eq!(mirror.recorded[1..], released, "{name} {first:?}");
        }
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
    for (newest, writes) in [(left(None, true), 1), (left(None, false), 0)] {
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
