//! How each deliberate mistake spoils what goes into the core and what comes out of it.
//!
//! Only called for seeds that run with a mistake.

mod pages;

use ditto_core::event::{Item, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::{
    AppendOutcome, Command, Expected, Input, LinkPage, LookRange, LookResult, ReadFrom, Rights,
    Side, StopReason,
};

use crate::mutation::{Memory, Mutation};

impl Memory {
    /// Remembers what some mistake may need.
    pub(crate) fn note_input(&mut self, input: &Input) {
        match input {
            Input::Joined { conn, group, .. } => {
                self.first_stay.get_or_insert(*conn);
                self.delivered.clear();
                self.answered.clear();
                self.leaving = false;
                self.message_timeout = group.message_timeout;
                self.begins_at_end =
                    self.last_delivery.is_zero() && group.checkpoint.or(group.start).is_none();
            }
            Input::Delivery {
                ack, item, number, ..
            } => {
                self.tombstone |= *number == Some(TOMBSTONE_REVISION);
                self.last_delivery = self.now;
                self.begins_at_end = false;
                *self.delivered.entry(*ack).or_default() += 1;
                if let Item::Event(event) = item {
                    self.ids
                        .insert((event.stream.to_string(), event.revision), event.id);
                }
            }
            Input::Appended { append, outcome }
                if !matches!(outcome, AppendOutcome::NotReady | AppendOutcome::NoAnswer) =>
            {
                self.in_flight.remove(append);
            }
            _ => {}
        }
    }

    /// A stream that was forgotten has another name for the core from then on.
    fn renamed(&mut self, stream: &StreamName) -> StreamName {
        let busy = self.in_flight.values().any(|other| other == stream);
        let times = self.forgotten.entry(stream.clone()).or_default();
        *times += u32::from(busy && self.inputs.is_multiple_of(3));
        match *times {
            0 => stream.clone(),
            times => StreamName::new(format!("{stream}~{times}")),
        }
    }

    fn note_command(&mut self, command: &Command) -> bool {
        match command {
            Command::Append {
                append,
                stream,
                expected,
                events,
                ..
            } => {
                self.in_flight.insert(*append, real_name(stream));
                let next = if let Expected::Exact(revision) = expected {
                    revision + 1
                } else {
                    0
                };
                self.answers
                    .insert(*append, next + events.len() as u64 - 1)
                    .is_some()
            }
            Command::ReadSource {
                read,
                from: ReadFrom::Revision(from),
                ..
            } => {
                self.reads.insert(read.0, *from);
                false
            }
            Command::ReadLinks { read, .. } => {
                self.holes.insert(read.0);
                false
            }
            _ => false,
        }
    }
}

/// Commands that a mistake gives before the core has seen the input.
pub(crate) fn before(mutation: Mutation, memory: &mut Memory, input: &Input) -> Vec<Command> {
    match (mutation, input) {
        (
            Mutation::AckBeforeWrite,
            Input::Delivery {
                conn,
                ack,
                item: Item::Event(_),
                ..
            },
        ) => {
            vec![Command::Ack {
                conn: *conn,
                ids: vec![*ack],
            }]
        }
        (Mutation::ForgetLateCopies, Input::Delivery { conn, ack, .. })
            if memory.answered.contains(ack) && !memory.leaving =>
        {
            vec![Command::Ack {
                conn: *conn,
                ids: vec![*ack],
            }]
        }
        (Mutation::LateAck, _) => std::mem::take(&mut memory.late),
        _ => Vec::new(),
    }
}

/// The inputs that the core gets for this one.
pub(crate) fn inputs(mutation: Mutation, memory: &mut Memory, input: Input) -> Vec<Input> {
    match (mutation, input) {
        (Mutation::NeverLeave, Input::Tick) => {
            let alive = Input::Reachable {
                side: Side::Destination,
                reachable: true,
            };
            vec![alive, Input::Tick]
        }
        (Mutation::PassOver, Input::Tick) => {
            let kept = memory.kept.take();
            kept.into_iter().chain([Input::Tick]).collect()
        }
        (Mutation::PassOver, delivery @ Input::Delivery { .. }) => match memory.kept.take() {
            Some(kept) => vec![delivery, kept],
            None if memory.inputs.is_multiple_of(5) => {
                memory.kept = Some(delivery);
                Vec::new()
            }
            None => vec![delivery],
        },
        (
            Mutation::EvictBusy,
            Input::Delivery {
                conn,
                ack,
                number,
                item: Item::Event(mut event),
            },
        ) => {
            event.stream = memory.renamed(&event.stream);
            vec![Input::Delivery {
                conn,
                ack,
                number,
                item: Item::Event(event),
            }]
        }
        (mutation, input) => self::input(mutation, memory, input).into_iter().collect(),
    }
}

/// The name of a stream without the mark of having been forgotten.
fn real_name(stream: &StreamName) -> StreamName {
    match stream.as_str().split_once('~') {
        Some((name, _)) => StreamName::from(name),
        None => stream.clone(),
    }
}

/// The input as the core gets it; `None`: not at all.
fn input(mutation: Mutation, memory: &Memory, input: Input) -> Option<Input> {
    Some(match (mutation, input) {
        (
            Mutation::ForgetAppendLimit,
            Input::Appended {
                append,
                outcome: AppendOutcome::TooLarge { .. },
            },
        ) => Input::Appended {
            append,
            outcome: AppendOutcome::TooLarge { limit: None },
        },
        (_, Input::Appended { append, outcome }) => {
            let trusted = matches!(
                (mutation, &outcome),
                (Mutation::TrustWrongRevision, AppendOutcome::WrongRevision)
                    | (Mutation::TrustNotReady, AppendOutcome::NotReady)
                    | (Mutation::TrustSilence, AppendOutcome::NoAnswer)
                    | (Mutation::IgnoreAnsweredRevision, AppendOutcome::Written(_))
            );
            let right = memory.answers.get(&append).copied().filter(|_| trusted);
            Input::Appended {
                append,
                outcome: right.map_or(outcome, AppendOutcome::Written),
            }
        }
        (Mutation::BlameDeniedStream, Input::RightsSeen { ask, .. }) => Input::RightsSeen {
            ask,
            rights: Rights::Allowed,
        },
        (
            Mutation::NeverGiveUp,
            Input::Looked {
                look,
                result: LookResult::Refused(_),
            },
        ) => Input::Looked {
            look,
            result: LookResult::Failed,
        },
        (Mutation::ForgetCallEnded, Input::CallEnded { .. }) => return None,
        (Mutation::ForgetLateCopies, Input::Delivery { ack, .. })
            if memory.answered.contains(&ack) =>
        {
            return None;
        }
        (Mutation::LoseLooks, Input::Looked { .. }) if memory.inputs > 40 => return None,
        (Mutation::LoseDeliveries, Input::Delivery { .. }) if memory.inputs.is_multiple_of(11) => {
            return None;
        }
        (
            Mutation::LastReadableIsTail,
            Input::Looked {
                look,
                result:
                    LookResult::Tail {
                        events,
                        truncate_before,
                        ..
                    },
            },
        ) => {
            let result = match events.last().map(|event| event.revision) {
                Some(last) => LookResult::Tail {
                    last,
                    events,
                    truncate_before,
                },
                None => LookResult::NotFound,
            };
            Input::Looked { look, result }
        }
        (
            Mutation::CompareNothing,
            Input::Looked {
                look,
                result:
                    LookResult::Tail {
                        last,
                        mut events,
                        truncate_before,
                    },
            },
        ) => {
            for event in &mut events {
                if let Some(id) = memory.ids.get(&(event.stream.to_string(), event.revision)) {
                    event.id = *id;
                }
            }
            Input::Looked {
                look,
                result: LookResult::Tail {
                    last,
                    events,
                    truncate_before,
                },
            }
        }
        (_, input) => pages::page(mutation, memory, input),
    })
}

/// The command as the world gets it, in `out`; or an answer that the mistake makes up.
pub(crate) fn command(
    mutation: Mutation,
    memory: &mut Memory,
    command: Command,
    out: &mut Vec<Command>,
    answers: &mut Vec<Input>,
) {
    let again = memory.note_command(&command);
    match (mutation, command) {
        (Mutation::EvictBusy, command) => out.push(with_real_name(command)),
        (Mutation::ResetHoleClock, Command::ReadLinks { read, .. })
            if memory.now.saturating_sub(memory.last_delivery) < 2 * memory.message_timeout =>
        {
            answers.push(Input::LinksRead {
                read,
                page: LinkPage::Failed,
            });
        }
        (Mutation::AckBeforeWrite, Command::Ack { .. }) => {}
        (Mutation::ForgetResend, Command::Append { .. }) if again => {}
        (
            Mutation::ResendOtherEvents,
            Command::Append {
                append,
                stream,
                expected,
                mut events,
                alone,
            },
        ) => {
            if again && events.len() > 1 {
                events.pop();
            }
            out.push(Command::Append {
                append,
                stream,
                expected,
                events,
                alone,
            });
        }
        (
            Mutation::MergePastGap,
            Command::Append {
                append,
                stream,
                expected,
                mut events,
                alone,
            },
        ) => {
            if events.len() > 2 {
                events.remove(1);
            }
            out.push(Command::Append {
                append,
                stream,
                expected,
                events,
                alone,
            });
        }
        (Mutation::SkipLook, Command::Look { look, range, .. }) => {
            let result = match range {
                LookRange::Metadata => LookResult::NotDeleted,
                LookRange::Forwards { from, .. } => LookResult::Tail {
                    last: from,
                    events: Vec::new(),
                    truncate_before: None,
                },
                LookRange::Backwards { .. } => LookResult::NotFound,
            };
            answers.push(Input::Looked { look, result });
        }
        (Mutation::TakeUnreadable, Command::Recognise { look, .. }) => {
            answers.push(Input::Looked {
                look,
                result: LookResult::Recognised,
            });
        }
        (
            Mutation::AskBehindTail,
            Command::Recognise {
                look,
                stream,
                mut event,
            },
        ) => {
            event.revision += 1;
            out.push(Command::Recognise {
                look,
                stream,
                event,
            });
        }
        (_, command) => towards_source(mutation, memory, command, out),
    }
}

/// What the core asks for under the name that it has for a stream, under the stream's own.
fn with_real_name(mut command: Command) -> Command {
    match &mut command {
        Command::Append { stream, events, .. } => {
            *stream = real_name(stream);
            for event in events {
                event.stream = stream.clone();
            }
        }
        Command::Look { stream, .. }
        | Command::Recognise { stream, .. }
        | Command::AskRights { stream, .. }
        | Command::WriteMetadata { stream, .. }
        | Command::ReadSource { stream, .. } => *stream = real_name(stream),
        _ => {}
    }
    command
}

/// Commands that concern the source and the end, as the world gets them.
fn towards_source(
    mutation: Mutation,
    memory: &mut Memory,
    command: Command,
    out: &mut Vec<Command>,
) {
    match (mutation, command) {
        (Mutation::StaleAck, Command::Ack { conn, ids }) => {
            out.push(Command::Ack {
                conn: memory.first_stay.unwrap_or(conn),
                ids,
            });
        }
        (Mutation::ForgetLateCopies, Command::Ack { conn, ids }) => {
            memory.answered.extend(&ids);
            out.push(Command::Ack { conn, ids });
        }
        (Mutation::ForgetLateCopies, leave @ Command::Leave { .. }) => {
            memory.leaving = true;
            out.push(leave);
        }
        (Mutation::AskForOne, Command::Join { .. }) if memory.first_stay.is_some() => {
            out.push(Command::Join { credit: 1 });
        }
        (Mutation::LateAck, ack @ Command::Ack { .. }) => memory.late.push(ack),
        (Mutation::ForgetSecondDelivery, Command::Ack { conn, mut ids }) => {
            ids.retain(|id| memory.delivered.get(id).is_none_or(|times| *times < 2));
            out.push(Command::Ack { conn, ids });
        }
        (Mutation::ParkHealthy, Command::Ack { conn, mut ids }) => {
            let parked: Vec<_> = ids
                .extract_if(.., |_| memory.inputs.is_multiple_of(17))
                .collect();
            out.push(Command::Park {
                conn,
                ids: parked,
                reason: "ditto: for no reason".to_owned(),
            });
            out.push(Command::Ack { conn, ids });
        }
        (Mutation::IgnoreBudget, Command::Poll { on: false, .. }) => {}
        (
            Mutation::AlwaysClean,
            Command::Finished {
                why: StopReason::Asked { .. },
                left,
            },
        ) => {
            out.push(Command::Finished {
                why: StopReason::Asked { clean: true },
                left,
            });
        }
        (_, command) => out.push(command),
    }
}
