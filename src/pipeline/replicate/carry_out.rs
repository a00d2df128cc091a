//! Carries out the core's commands: starts what takes time, and tells what happened.
//!
//! Never waits, and never feeds the core.

use super::Outcome;
use super::drive::{Done, Loop, Machine, SessionOf};
use super::kind::Kind;
use crate::destination::{Appends, Destination};
use crate::report::Call;
use crate::source::{Session, Source};
use ditto_core::port::{
    Command, Input, LeaveReason, PipelineState, Report, SessionId, Side, StopReason,
};

impl<M: Machine, K: Kind<D>, D: Destination> Loop<M, K, D> {
    /// Carries out all that the core has said since the last time; `Some` if that was the end.
    pub(super) fn carry_out(&mut self) -> Option<Outcome> {
        let mut commands = std::mem::take(&mut self.commands);
        let mut outcome = None;
        for command in commands.drain(..) {
            outcome = self.carry_out_one(command);
            if outcome.is_some() {
                break;
            }
        }
        // Its room is used again: commands come by the thousand.
        commands.clear();
        self.commands = commands;
        outcome
    }

    fn carry_out_one(&mut self, command: Command) -> Option<Outcome> {
        match command {
            Command::Append(append) => self.appends.send(append),
            Command::Poll { session, on } => self.with_session(session, |session| session.poll(on)),
            Command::Report(report) => self.report(&report),
            Command::WakeAt { at } => self.timers.wake_at(at),
            Command::Leave { session, why } => self.leave(session, why),
            Command::Finished { why, left } => return Some(self.finished(why, left)),
            read => self.start(read),
        }
        None
    }

    /// Starts what is answered by one input.
    fn start(&mut self, command: Command) {
        let source = self.pipeline.source.clone();
        let destination = self.pipeline.destination.clone();
        match command {
            Command::Lookup {
                lookup,
                stream,
                range,
                max_bytes,
            } => self.operations.start(Call::Lookup, async move {
                let result = destination.lookup(stream, range, max_bytes).await;
                Done::Input(Input::LookedUp { lookup, result })
            }),
            Command::Recognise {
                lookup,
                stream,
                event,
            } => self.operations.start(Call::Lookup, async move {
                let result = destination.recognise(stream, event).await;
                Done::Input(Input::LookedUp { lookup, result })
            }),
            Command::AskRights { ask, stream } => {
                self.operations.start(Call::Lookup, async move {
                    let rights = destination.rights(stream).await;
                    Done::Input(Input::RightsSeen { ask, rights })
                });
            }
            Command::WriteMetadata {
                write,
                stream,
                max_age,
                truncate_before,
            } => {
                self.operations.start(Call::Metadata, async move {
                    let outcome = destination
                        .write_metadata(stream, max_age, truncate_before)
                        .await;
                    Done::Input(Input::MetadataDone { write, outcome })
                });
            }
            Command::ReadSource {
                read,
                stream,
                from,
                count,
                max_bytes,
            } => {
                self.operations.start(Call::SourceRead, async move {
                    let page = source.read_stream(stream, from, count, max_bytes).await;
                    Done::Input(Input::SourceRead { read, page })
                });
            }
            Command::Probe { side } => self.operations.start(Call::Probe(side), async move {
                let result = match side {
                    Side::Source => source.probe().await,
                    Side::Destination => destination.probe().await,
                };
                Done::Probed { side, result }
            }),
            of_kind => K::carry_out(self, of_kind),
        }
    }

    fn leave(&mut self, session: SessionId, why: LeaveReason) {
        if let Some(current) = self
            .current
            .as_mut()
            .filter(|current| current.id == session)
        {
            current.leaving = Some(why);
            current.session.leave();
        }
    }

    /// What is meant for a session that is over is dropped: the server hands its deliveries over again.
    pub(super) fn with_session(&self, session: SessionId, act: impl FnOnce(&SessionOf<K, D>)) {
        if let Some(current) = self
            .current
            .as_ref()
            .filter(|current| current.id == session)
        {
            act(&current.session);
        }
    }

    fn report(&mut self, report: &Report) {
        if let Report::State(state) = report {
            self.state = state.clone();
            if let PipelineState::Retrying(side) = state {
                self.ask_client(*side);
            }
        }
        self.reporter.report(report);
    }

    /// A side does not answer: notes why, if its client knows.
    fn ask_client(&mut self, side: Side) {
        let said = match side {
            Side::Source => self.pipeline.source.trouble(),
            Side::Destination => self.pipeline.destination.trouble(),
        };
        if let Some(text) = said {
            self.reporter.trouble(side, text);
        }
    }

    fn finished(&mut self, why: StopReason, left: usize) -> Outcome {
        match why {
            StopReason::Asked { clean } => {
                self.reporter.finished(clean, left);
                Outcome::Stopped { clean, left }
            }
            // Logged where it is decided what follows.
            StopReason::Policy(text) => Outcome::Refused(text),
        }
    }
}
