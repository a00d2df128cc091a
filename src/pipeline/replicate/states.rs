//! What the loop does for metadata and deletions: reads and looks, writes over calls of their own, deletions that can be
//! called back.
//!
//! Never waits, and decides nothing.

use futures_util::future::{AbortHandle, Abortable};

use super::drive::{Done, Loop, Machine};
use super::log::{Answered, Mirrored};
use super::state_writes::Became;
use crate::destination::Keeper;
use crate::report::Call;
use crate::source::log::Log;
use ditto_core::event::StreamName;
use ditto_core::port::state::{StateCommand, StateInput};
use ditto_core::port::{AppendOutcome, Expected, Input, WriteId};

impl<M: Machine, S: Log, D: Keeper> Loop<M, Mirrored<S, D>, D> {
    pub(super) fn start_state(&mut self, command: StateCommand) {
        let source = self.pipeline.source.clone();
        let destination = self.pipeline.destination.clone();
        let answer = |input| Done::Input(Input::State(input));
        match command {
            StateCommand::ReadSource { read, stream } => {
                self.operations.start(Call::SourceRead, async move {
                    let page = source.state(stream).await;
                    answer(StateInput::SourceRead { read, page })
                });
            }
            StateCommand::ReadLast {
                read,
                stream,
                before,
                revision,
            } => self.operations.start(Call::SourceRead, async move {
                let page = source.last_before(stream, before, revision).await;
                answer(StateInput::LastRead { read, page })
            }),
            StateCommand::ReadEpochs { read } => self.operations.start(Call::Lookup, async move {
                let page = destination.epochs().await;
                answer(StateInput::EpochsRead { read, page })
            }),
            StateCommand::LookUp { lookup, stream } => {
                self.operations.start(Call::Lookup, async move {
                    let found = destination.state(stream).await;
                    answer(StateInput::LookedUp { lookup, found })
                });
            }
            StateCommand::Write {
                write,
                stream,
                expected,
                change,
            } => {
                let event = D::state_event(&stream, *change);
                let stream = event.stream.clone();
                self.kind.writes.send(write, stream, expected, event);
            }
            StateCommand::Tombstone {
                write,
                stream,
                expected,
            } => self.start_tombstone(write, stream, expected),
        }
    }

    fn start_tombstone(&mut self, write: WriteId, stream: StreamName, expected: Expected) {
        let destination = self.pipeline.destination.clone();
        let (handle, registration) = AbortHandle::new_pair();
        self.kind.deleting.insert(write, handle);
        let deleting = Abortable::new(
            async move { destination.tombstone(stream, expected).await },
            registration,
        );
        self.operations.start(Call::Metadata, async move {
            // Called back, it may have arrived all the same.
            let outcome = deleting.await.unwrap_or(AppendOutcome::NoAnswer);
            Done::OfKind(Answered::Deleted(write, outcome))
        });
    }

    pub(super) fn tombstone_written(&mut self, write: WriteId, outcome: AppendOutcome) {
        self.kind.deleting.remove(&write);
        self.reporter.append_answered(&outcome);
        self.feed(Input::State(StateInput::Written { write, outcome }));
    }

    /// Nothing of them may arrive later.
    pub(super) fn abort_states(&mut self) {
        self.kind.writes.abort();
        for handle in std::mem::take(&mut self.kind.deleting).into_values() {
            handle.abort();
        }
    }

    pub(super) fn states_written(&mut self) {
        for (write, became) in self.kind.writes.take() {
            match became {
                Became::Answered(outcome) => {
                    self.reporter.append_answered(&outcome);
                    self.feed(Input::State(StateInput::Written { write, outcome }));
                }
                Became::EndsItsCall(said) => {
                    let destination = self.pipeline.destination.clone();
                    self.operations.start(Call::Metadata, async move {
                        let outcome = match destination.probe().await {
                            Ok(()) => AppendOutcome::Refused(said),
                            Err(_) => AppendOutcome::NoAnswer,
                        };
                        Done::Input(Input::State(StateInput::Written { write, outcome }))
                    });
                }
            }
        }
    }
}
