//! How each deliberate mistake spoils what goes into the core and what comes out of it.
//!
//! Only called for seeds that run with a mistake.

mod commands;
mod pages;

pub(crate) use self::commands::command;

use ditto_core::event::{Item, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::{
    AppendOutcome, Command, Expected, Input, LookupResult, ReadFrom, Rights, Side,
};

use crate::mutation::{Memory, Mutation};

impl Memory {
    /// Remembers what some mistake may need.
    pub(crate) fn note_input(&mut self, input: &Input) {
        match input {
            Input::Joined { session, group, .. } => {
                self.first_session.get_or_insert(*session);
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
            Command::Append(append) => {
                self.in_flight.insert(append.id, real_name(&append.stream));
                let next = if let Expected::Exact(revision) = append.expected {
                    revision + 1
                } else {
                    0
                };
                self.answers
                    .insert(append.id, next + append.events.len() as u64 - 1)
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
                session,
                ack,
                item: Item::Event(_),
                ..
            },
        ) => {
            vec![Command::Ack {
                session: *session,
                ids: vec![*ack],
            }]
        }
        (Mutation::ForgetLateCopies, Input::Delivery { session, ack, .. })
            if memory.answered.contains(ack) && !memory.leaving =>
        {
            vec![Command::Ack {
                session: *session,
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
                session,
                ack,
                number,
                item: Item::Event(mut event),
            },
        ) => {
            event.stream = memory.renamed(&event.stream);
            vec![Input::Delivery {
                session,
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
        (Mutation::AssumeAnswers, Input::Reachable { side, .. }) => Input::Reachable {
            side,
            reachable: true,
        },
        (Mutation::ForgetCallEnded, Input::CallEnded { .. }) => return None,
        (Mutation::ForgetLateCopies, Input::Delivery { ack, .. })
            if memory.answered.contains(&ack) =>
        {
            return None;
        }
        (Mutation::LoseLookups, Input::LookedUp { .. }) if memory.inputs > 40 => return None,
        (Mutation::LoseDeliveries, Input::Delivery { .. }) if memory.inputs.is_multiple_of(11) => {
            return None;
        }
        (_, Input::LookedUp { lookup, result }) => Input::LookedUp {
            lookup,
            result: looked_up(mutation, memory, result),
        },
        (_, input) => pages::page(mutation, memory, input),
    })
}

/// What a lookup found, as the core gets it.
fn looked_up(mutation: Mutation, memory: &Memory, result: LookupResult) -> LookupResult {
    match (mutation, result) {
        (Mutation::NeverGiveUp, LookupResult::Refused(_)) => LookupResult::Failed,
        (
            Mutation::LastReadableIsTail,
            LookupResult::Tail {
                events,
                truncate_before,
                ..
            },
        ) => match events.last().map(|event| event.revision) {
            Some(last) => LookupResult::Tail {
                last,
                events,
                truncate_before,
                copied: None,
            },
            None => LookupResult::NotFound,
        },
        (
            Mutation::CompareNothing,
            LookupResult::Tail {
                last,
                mut events,
                truncate_before,
                copied: None,
            },
        ) => {
            for event in &mut events {
                if let Some(id) = memory.ids.get(&(event.stream.to_string(), event.revision)) {
                    event.id = *id;
                }
            }
            LookupResult::Tail {
                last,
                events,
                truncate_before,
                copied: None,
            }
        }
        (_, result) => result,
    }
}
