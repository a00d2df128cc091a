//! How mistakes spoil the core's commands before the world gets them.
//!
//! Never gives a command that the core did not give, beside those that a mistake is about.

use ditto_core::port::{Append, Command, Input, LinkPage, LookupRange, LookupResult, StopReason};

use super::real_name;
use crate::mutation::{Memory, Mutation};

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
        (Mutation::ForgetResend, Command::Append(_)) if again => {}
        (Mutation::ResendOtherEvents | Mutation::MergePastGap, Command::Append(mut append)) => {
            let events = &mut append.events;
            if mutation == Mutation::MergePastGap && events.len() > 2 {
                events.remove(1);
            }
            if mutation == Mutation::ResendOtherEvents && again && events.len() > 1 {
                events.pop();
            }
            out.push(Command::Append(append));
        }
        (Mutation::SkipLookup, Command::Lookup { lookup, range, .. }) => {
            let result = match range {
                LookupRange::Metadata => LookupResult::NotDeleted,
                LookupRange::Forwards { from, .. } => LookupResult::Tail {
                    last: from,
                    events: Vec::new(),
                    truncate_before: None,
                    copied: None,
                },
                LookupRange::Backwards { .. } => LookupResult::NotFound,
            };
            answers.push(Input::LookedUp { lookup, result });
        }
        (Mutation::TakeUnreadable, Command::Recognise { lookup, .. }) => {
            answers.push(Input::LookedUp {
                lookup,
                result: LookupResult::Recognised,
            });
        }
        (
            Mutation::AskBehindTail,
            Command::Recognise {
                lookup,
                stream,
                mut event,
            },
        ) => {
            event.revision += 1;
            out.push(Command::Recognise {
                lookup,
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
        Command::Append(Append { stream, events, .. }) => {
            *stream = real_name(stream);
            for event in events {
                event.stream = stream.clone();
            }
        }
        Command::Lookup { stream, .. }
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
        (Mutation::StaleAck, Command::Ack { session, ids }) => {
            out.push(Command::Ack {
                session: memory.first_session.unwrap_or(session),
                ids,
            });
        }
        (Mutation::ForgetLateCopies, Command::Ack { session, ids }) => {
            memory.answered.extend(&ids);
            out.push(Command::Ack { session, ids });
        }
        (Mutation::ForgetLateCopies, leave @ Command::Leave { .. }) => {
            memory.leaving = true;
            out.push(leave);
        }
        (Mutation::AskForOne, Command::Join { .. }) if memory.first_session.is_some() => {
            out.push(Command::Join { buffer_size: 1 });
        }
        (Mutation::LateAck, ack @ Command::Ack { .. }) => memory.late.push(ack),
        (Mutation::ForgetSecondDelivery, Command::Ack { session, mut ids }) => {
            ids.retain(|id| memory.delivered.get(id).is_none_or(|times| *times < 2));
            out.push(Command::Ack { session, ids });
        }
        (Mutation::ParkHealthy, Command::Ack { session, mut ids }) => {
            let parked: Vec<_> = ids
                .extract_if(.., |_| memory.inputs.is_multiple_of(17))
                .collect();
            out.push(Command::Park {
                session,
                ids: parked,
                reason: "ditto: for no reason".to_owned(),
            });
            out.push(Command::Ack { session, ids });
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
