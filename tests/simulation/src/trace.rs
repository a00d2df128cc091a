//! Inputs and commands in one short line each, for people who read a trace.
//!
//! Only text. Never called unless a trace was asked for.

use ditto_core::event::{Event, Item};
use ditto_core::port::{Command, Input, LinkPage, LookupResult, ParkedPage, SourcePage};

/// An input in one line.
pub(crate) fn input(input: &Input) -> String {
    match input {
        Input::Delivery {
            session,
            ack,
            number,
            item: what,
        } => {
            format!(
                "Delivery {session:?} {number:?} {} (ack {})",
                item(what),
                &ack.to_string()[..8]
            )
        }
        Input::LookedUp {
            lookup,
            result:
                LookupResult::Tail {
                    last,
                    events: found,
                    ..
                },
        } => {
            format!("Looked {lookup:?} tail {last}, {}", events(found))
        }
        Input::SourceRead {
            read,
            page:
                SourcePage::Events {
                    events: found,
                    last,
                },
        } => {
            format!("SourceRead {read:?} last {last}, {}", events(found))
        }
        Input::LinksRead {
            read,
            page: LinkPage::Items { items, last },
        } => {
            let text = items
                .iter()
                .fold(String::new(), |mut text, (number, what)| {
                    text.push_str(&format!(" {number}: {}", item(what)));
                    text
                });
            format!("LinksRead {read:?} last {last:?},{text}")
        }
        Input::ParkedRead {
            read,
            page: ParkedPage::Entries(entries),
        } => {
            let text = entries.iter().fold(String::new(), |mut text, entry| {
                text.push_str(&format!(
                    " {}: {} ({:?})",
                    entry.entry,
                    item(&entry.item),
                    entry.reason
                ));
                text
            });
            format!("ParkedRead {read:?}{text}")
        }
        other => format!("{other:?}"),
    }
}

/// A command in one line.
pub(crate) fn command(command: &Command) -> String {
    match command {
        Command::Append(append) => format!(
            "Append {:?} to {} expecting {:?}: {}",
            append.id,
            append.stream,
            append.expected,
            events(&append.events)
        ),
        other => format!("{other:?}"),
    }
}

fn item(item: &Item) -> String {
    match item {
        Item::Event(event) => format!("{}@{}", event.revision, event.stream),
        other => format!("{other:?}"),
    }
}

fn events(events: &[Event]) -> String {
    let mut text = String::from("[");
    for event in events {
        let placeholder = if event.event_type.starts_with("ditto") {
            " (placeholder)"
        } else {
            ""
        };
        let (high, low) = event.id.as_u64_pair();
        text.push_str(&format!(
            " {}={high:x}-{:x}{placeholder}",
            event.revision,
            low & 0xffff_ffff
        ));
    }
    text + " ]"
}
