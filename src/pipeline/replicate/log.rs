//! What the loop does for a source whose log is read: its subscription, its records, its epochs, and the checkpoint that the
//! destination keeps. Metadata and deletions are in `states`.
//!
//! Never waits, and decides nothing.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::AbortHandle;
use uuid::Uuid;

use super::drive::{Done, Loop, Machine};
use super::kind::Kind;
use super::state_writes::StateWrites;
use crate::destination::{Abort, Destination, Keeper};
use crate::report::Call;
use crate::source::Opened;
use crate::source::log::{Log, Message, Refusal, Search};
use ditto_core::port::log::{EpochsPage, LogCommand, LogInput, LogRefusal};
use ditto_core::port::{
    AppendOutcome, Command, Input, LeaveReason, LogPosition, ReadId, SessionId, WriteId,
};

/// A log, copied under a name.
pub(super) struct Mirrored<S: Log, D: Destination> {
    source: PhantomData<S>,
    name: Arc<str>,
    /// This process: what the ids of its checkpoints are made of.
    instance: Uuid,
    /// Metadata on its way.
    pub(super) writes: StateWrites<D::Appends>,
    /// Deletions on their way.
    pub(super) deleting: BTreeMap<WriteId, AbortHandle>,
    /// The last reading of the epochs: what is believed if the core says so.
    judged: Option<(ReadId, S::Judged)>,
    /// Why the session is about to end, if that is more than an outage.
    refused: Option<LogRefusal>,
    asking_end: bool,
}

/// What answers a call about the log.
pub(super) enum Answered<T, J> {
    /// The opening of a subscription.
    Opened(Result<Opened<T, ()>, Refusal>),
    /// A reading of the epochs.
    Epochs(ReadId, EpochsPage, Option<J>),
    /// Where the log ends.
    End(Option<LogPosition>),
    /// A deletion for good.
    Deleted(WriteId, AppendOutcome),
}

impl<S: Log, D: Keeper> Mirrored<S, D> {
    /// Nothing is known of it yet. `instance` names this process, and no other ever; metadata goes over `states`.
    pub(super) fn new(name: Arc<str>, instance: Uuid, states: D::Appends) -> Self {
        Self {
            source: PhantomData,
            name,
            instance,
            writes: StateWrites::new(states),
            deleting: BTreeMap::new(),
            judged: None,
            refused: None,
            asking_end: false,
        }
    }
}

impl<S: Log, D: Keeper> Kind<D> for Mirrored<S, D> {
    type Source = S;
    type Done = Answered<S::Session, S::Judged>;

    fn carry_out<M: Machine>(running: &mut Loop<M, Self, D>, command: Command) {
        match command {
            Command::Log(command) => running.start_log(command),
            Command::State(command) => running.start_state(command),
            _ => {}
        }
    }

    async fn answers(&mut self) {
        self.writes.answers().await;
    }

    fn answered<M: Machine>(running: &mut Loop<M, Self, D>) {
        running.states_written();
    }

    fn done<M: Machine>(running: &mut Loop<M, Self, D>, done: Self::Done) {
        match done {
            Answered::Opened(result) => running.log_opened(result),
            Answered::End(end) => {
                running.kind.asking_end = false;
                running.reporter.log_end(end);
            }
            Answered::Deleted(write, outcome) => running.tombstone_written(write, outcome),
            Answered::Epochs(read, page, judged) => {
                running.kind.judged = judged.map(|judged| (read, judged));
                running.feed(Input::Log(LogInput::EpochsRead { read, page }));
            }
        }
    }

    fn arrived<M: Machine>(running: &mut Loop<M, Self, D>) {
        running.messages();
    }

    fn over(&mut self, session: SessionId, why: LeaveReason) -> Input {
        let refused = self.refused.take();
        let why = match why {
            LeaveReason::Ended => refused.or(Some(LogRefusal::Unavailable)),
            _ => None,
        };
        Input::Log(LogInput::Ended { session, why })
    }

    /// A connection that was opened again may lead to another source.
    fn look<M: Machine>(running: &mut Loop<M, Self, D>) {
        running.look_for_reconnection();
        running.ask_for_end();
    }
}

impl<M: Machine, S: Log, D: Keeper> Loop<M, Mirrored<S, D>, D> {
    fn start_log(&mut self, command: LogCommand) {
        let source = self.pipeline.source.clone();
        let answer = |input| Done::Input(Input::Log(input));
        match command {
            LogCommand::Open { after } => self.operations.start(Call::Join, async move {
                Done::OfKind(Answered::Opened(source.open(after).await))
            }),
            LogCommand::ReadRecord { read, at } => {
                self.operations.start(Call::SourceRead, async move {
                    let page = source.record_at(at).await;
                    answer(LogInput::RecordRead { read, page })
                });
            }
            LogCommand::SearchStream {
                read,
                stream,
                at,
                from,
                to,
                max_bytes,
            } => {
                let search = Search {
                    stream,
                    at,
                    from,
                    to,
                    max_bytes,
                };
                self.operations.start(Call::SourceRead, async move {
                    let page = source.search(search).await;
                    answer(LogInput::StreamSearched { read, page })
                });
            }
            LogCommand::ReadEpochs { read } => {
                self.operations.start(Call::SourceRead, async move {
                    let (page, judged) = source.epochs().await;
                    Done::OfKind(Answered::Epochs(read, page, judged))
                });
            }
            LogCommand::Trust { read } => {
                if let Some((_, judged)) = self.kind.judged.take_if(|(of, _)| *of == read) {
                    source.trust(judged);
                }
            }
            LogCommand::Abort => {
                self.appends.abort();
                self.abort_states();
            }
            kept => self.start_kept(kept),
        }
    }

    /// Starts reads and writes of what the destination keeps.
    fn start_kept(&mut self, command: LogCommand) {
        let destination = self.pipeline.destination.clone();
        let name = self.kind.name.clone();
        let answer = |input| Done::Input(Input::Log(input));
        match command {
            LogCommand::ReadCheckpoint { read } => {
                self.operations.start(Call::Checkpoint, async move {
                    let page = destination.newest_checkpoint(&name).await;
                    answer(LogInput::CheckpointRead { read, page })
                });
            }
            LogCommand::WriteCheckpoint {
                write,
                expected,
                checkpoint,
            } => {
                let id = self.written_id(write);
                self.operations.start(Call::Checkpoint, async move {
                    let outcome = destination
                        .write_checkpoint(&name, id, expected, &checkpoint)
                        .await;
                    answer(LogInput::CheckpointWritten { write, outcome })
                });
            }
            LogCommand::ReadHeld { read } => self.operations.start(Call::Checkpoint, async move {
                let page = destination.take_up_held(&name).await;
                answer(LogInput::HeldRead { read, page })
            }),
            LogCommand::WriteHeld {
                write,
                expected,
                changes,
            } => {
                let id = self.written_id(write);
                self.operations.start(Call::Checkpoint, async move {
                    let outcome = destination.write_held(&name, id, expected, &changes).await;
                    answer(LogInput::HeldWritten { write, outcome })
                });
            }
            LogCommand::Open { .. }
            | LogCommand::ReadRecord { .. }
            | LogCommand::SearchStream { .. }
            | LogCommand::ReadEpochs { .. }
            | LogCommand::Trust { .. }
            | LogCommand::Abort => {}
        }
    }

    /// The same for the same write, sent again: the destination takes it for the same event.
    fn written_id(&self, write: WriteId) -> Uuid {
        let WriteId(number) = write;
        Uuid::new_v5(&self.kind.instance, &number.to_be_bytes())
    }

    fn log_opened(&mut self, result: Result<Opened<S::Session, ()>, Refusal>) {
        match result {
            Ok(opened) => {
                let session = self.opened(opened.session);
                self.reporter.reading();
                self.feed(Input::Log(LogInput::Opened { session }));
            }
            Err(Refusal { why, text }) => {
                self.reporter.unread(text);
                self.feed(Input::Log(LogInput::Refused { why }));
            }
        }
        self.look_for_reconnection();
    }

    fn messages(&mut self) {
        let Some(session) = self.current.as_ref().map(|current| current.id) else {
            self.arrived.clear();
            return;
        };
        let now = self.timers.now();
        let mut records = 0;
        for message in self.arrived.drain(..) {
            let input = match message {
                Message::Record(position, event) => {
                    records += 1;
                    LogInput::Record {
                        session,
                        position,
                        event,
                    }
                }
                Message::State(position, stream, metadata) => LogInput::State {
                    session,
                    position,
                    stream,
                    metadata,
                },
                Message::LookedThrough(position) => LogInput::LookedThrough { session, position },
                Message::CaughtUp(caught_up) => LogInput::CaughtUp { session, caught_up },
                Message::Refused(why) => {
                    self.kind.refused = Some(why);
                    continue;
                }
            };
            self.machine
                .handle(now, Input::Log(input), &mut self.commands);
        }
        self.reporter.received(records);
    }

    fn ask_for_end(&mut self) {
        if std::mem::replace(&mut self.kind.asking_end, true) {
            return;
        }
        let source = self.pipeline.source.clone();
        self.operations.start(Call::SourceRead, async move {
            Done::OfKind(Answered::End(source.end().await))
        });
    }

    fn look_for_reconnection(&mut self) {
        if self.pipeline.source.has_reconnected() {
            self.feed(Input::Log(LogInput::Reconnected));
        }
    }
}
