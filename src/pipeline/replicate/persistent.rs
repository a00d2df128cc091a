//! What the loop does for a persistent subscription: its sessions, its deliveries, its group, its own stream.
//!
//! Never waits, and decides nothing.

use std::marker::PhantomData;

use super::drive::{Done, Loop, Machine};
use super::kind::Kind;
use crate::destination::Destination;
use crate::report::Call;
use crate::source::persistent::{Delivered, GroupSession, Joined, Persistent, Refusal};
use ditto_core::port::{Command, GroupSeen, Input, LeaveReason, PipelineState, SessionId, Side};

/// A persistent subscription.
pub(super) struct Group<S> {
    source: PhantomData<S>,
    /// It is being looked at.
    asking: bool,
}

/// What answers a call about the group.
pub(super) enum Answered<T> {
    /// A join with this buffer size was answered.
    Joined {
        buffer_size: u32,
        result: Result<Joined<T>, Refusal>,
    },
    /// A question how the group is set and how far it is was answered.
    Seen(Result<GroupSeen, Refusal>),
}

impl<S> Group<S> {
    /// Nothing is known of it yet.
    pub(super) fn new() -> Self {
        Self {
            source: PhantomData,
            asking: false,
        }
    }
}

impl<S: Persistent, D: Destination> Kind<D> for Group<S> {
    type Source = S;
    type Done = Answered<S::Session>;

    fn carry_out<M: Machine>(running: &mut Loop<M, Self, D>, command: Command) {
        match command {
            Command::Ack { session, ids } => {
                running.with_session(session, |session| session.done(ids));
            }
            Command::Park {
                session,
                ids,
                reason,
            } => running.with_session(session, |session| session.park(ids, reason)),
            Command::Join { buffer_size } => running.join(buffer_size),
            Command::AskGroup => running.ask_group(),
            about_links => running.start_links(about_links),
        }
    }

    fn done<M: Machine>(running: &mut Loop<M, Self, D>, done: Self::Done) {
        match done {
            Answered::Joined {
                buffer_size,
                result,
            } => running.joined(buffer_size, result),
            Answered::Seen(result) => running.group_asked(result),
        }
    }

    fn arrived<M: Machine>(running: &mut Loop<M, Self, D>) {
        running.deliveries();
    }

    fn over(&mut self, session: SessionId, why: LeaveReason) -> Input {
        Input::Left { session, why }
    }

    /// While the source is away, or an operator is needed, the core itself says when to look.
    fn look<M: Machine>(running: &mut Loop<M, Self, D>) {
        let is_worth_asking = !matches!(
            running.state,
            PipelineState::Stopped(_) | PipelineState::Retrying(Side::Source)
        );
        if is_worth_asking {
            running.ask_group();
        }
    }
}

impl<M: Machine, S: Persistent, D: Destination> Loop<M, Group<S>, D> {
    /// Starts reads of the subscription's own streams, and of the log behind them.
    fn start_links(&mut self, command: Command) {
        let source = self.pipeline.source.clone();
        match command {
            Command::ReadLinks {
                read,
                from,
                count,
                max_bytes,
            } => {
                self.operations.start(Call::SourceRead, async move {
                    let page = source.read_links(from, count, max_bytes).await;
                    Done::Input(Input::LinksRead { read, page })
                });
            }
            Command::FirstLink { read, from } => {
                self.operations.start(Call::SourceRead, async move {
                    let page = source.first_link(from).await;
                    Done::Input(Input::LinksRead { read, page })
                });
            }
            Command::SearchLog { read, after } => {
                self.operations.start(Call::SourceRead, async move {
                    let page = source.search_log(after).await;
                    Done::Input(Input::LogSearched { read, page })
                });
            }
            Command::ReadParked { read, from, count } => {
                self.operations.start(Call::SourceRead, async move {
                    let page = source.read_parked(from, count).await;
                    Done::Input(Input::ParkedRead { read, page })
                })
            }
            _ => {}
        }
    }

    fn join(&mut self, buffer_size: u32) {
        let source = self.pipeline.source.clone();
        self.operations.start(Call::Join, async move {
            let result = source.open(buffer_size).await;
            Done::OfKind(Answered::Joined {
                buffer_size,
                result,
            })
        });
    }

    fn group_asked(&mut self, result: Result<GroupSeen, Refusal>) {
        self.kind.asking = false;
        match result {
            Ok(group) => {
                self.reporter.group_seen(&group);
                self.feed(Input::GroupSeen(group));
            }
            Err(refusal) => {
                self.reporter.group_unseen(&refusal.text);
                self.feed(Input::GroupUnseen(refusal.why));
            }
        }
    }

    fn joined(&mut self, buffer_size: u32, result: Result<Joined<S::Session>, Refusal>) {
        let joined = match result {
            Ok(joined) => joined,
            Err(refusal) => {
                let Refusal { why, text } = refusal;
                self.reporter.refused(why, text);
                self.feed(Input::Refused { why });
                return;
            }
        };
        let session = self.opened(joined.session);
        self.reporter
            .joined(buffer_size, &joined.seen, joined.warnings);
        let group = joined.seen;
        self.feed(Input::Joined {
            session,
            buffer_size,
            group,
        });
    }

    fn deliveries(&mut self) {
        let Some(session) = self.current.as_ref().map(|current| current.id) else {
            self.arrived.clear();
            return;
        };
        self.reporter.received(self.arrived.len() as u64);
        let now = self.timers.now();
        for Delivered { ack, number, item } in self.arrived.drain(..) {
            let input = Input::Delivery {
                session,
                ack,
                number,
                item,
            };
            self.machine.handle(now, input, &mut self.commands);
        }
    }

    fn ask_group(&mut self) {
        if std::mem::replace(&mut self.kind.asking, true) {
            return;
        }
        let source = self.pipeline.source.clone();
        self.operations.start(Call::Group, async move {
            Done::OfKind(Answered::Seen(source.group().await))
        });
    }
}
