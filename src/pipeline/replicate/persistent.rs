//! The part of the loop that is about a persistent subscription: its sessions, its deliveries, its group, its own stream.
//!
//! Never waits, and decides nothing.

use super::drive::{Current, Done, Loop, Machine};
use crate::destination::Destination;
use crate::report::Call;
use crate::source::persistent::{Delivered, Joined, Persistent, Refusal};
use ditto_core::port::{Command, GroupSeen, Input, PipelineState, SessionId, Side};

impl<M: Machine, S: Persistent, D: Destination> Loop<M, S, D> {
    /// Starts reads of the subscription's own streams, and of the log behind them.
    pub(super) fn start_links(&mut self, command: Command) {
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

    pub(super) fn join(&mut self, buffer_size: u32) {
        let source = self.pipeline.source.clone();
        self.operations.start(Call::Join, async move {
            let result = source.open(buffer_size).await;
            Done::Joined {
                buffer_size,
                result,
            }
        });
    }

    pub(super) fn group_asked(&mut self, result: Result<GroupSeen, Refusal>) {
        self.asking_group = false;
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

    pub(super) fn joined(&mut self, buffer_size: u32, result: Result<Joined<S::Session>, Refusal>) {
        let joined = match result {
            Ok(joined) => joined,
            Err(refusal) => {
                let Refusal { why, text } = refusal;
                self.reporter.refused(why, text);
                self.feed(Input::Refused { why });
                return;
            }
        };
        // The core has one session at a time; were there an older one, its end must be reported before the new one.
        self.over(None);
        self.joins += 1;
        let session = SessionId(self.joins);
        self.reporter
            .joined(buffer_size, &joined.seen, joined.warnings);
        self.current = Some(Current {
            id: session,
            session: joined.session,
            leaving: None,
        });
        let group = joined.seen;
        self.feed(Input::Joined {
            session,
            buffer_size,
            group,
        });
    }

    pub(super) fn deliveries(&mut self) {
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

    /// While the source is away, or an operator is needed, the core itself says when to look.
    pub(super) fn is_group_worth_asking(&self) -> bool {
        !matches!(
            self.state,
            PipelineState::Stopped(_) | PipelineState::Retrying(Side::Source)
        )
    }

    pub(super) fn ask_group(&mut self) {
        if std::mem::replace(&mut self.asking_group, true) {
            return;
        }
        let source = self.pipeline.source.clone();
        self.operations.start(
            Call::Group,
            async move { Done::Group(source.group().await) },
        );
    }
}
