//! How mistakes spoil pages that were read.
//!
//! Never makes up a page that nobody asked for.

use ditto_core::port::{Input, LinkPage, LogPage, ParkedPage, SourcePage};

use crate::mutation::{Memory, Mutation};

/// Pages that were read, as the core gets them.
pub(super) fn page(mutation: Mutation, memory: &Memory, input: Input) -> Input {
    match (mutation, input) {
        (mutation, Input::SourceRead { read, page }) => Input::SourceRead {
            read,
            page: source_page(mutation, memory.reads.get(&read.0).copied(), page),
        },
        (
            Mutation::BelieveInQueue,
            Input::ParkedRead {
                read,
                page: ParkedPage::Tombstoned,
            },
        ) => Input::ParkedRead {
            read,
            page: ParkedPage::Entries(Vec::new()),
        },
        (Mutation::ForgetServerParked, Input::ParkedRead { read, .. }) => Input::ParkedRead {
            read,
            page: ParkedPage::Entries(Vec::new()),
        },
        (
            Mutation::IgnoreHoles,
            Input::LinksRead {
                read,
                page: LinkPage::Items { last, .. },
            },
        ) if memory.holes.contains(&read.0) => Input::LinksRead {
            read,
            page: LinkPage::Items {
                items: Vec::new(),
                last,
            },
        },
        (
            Mutation::ForgetDeletedStream,
            Input::LinksRead {
                read,
                page: LinkPage::Deleted,
            },
        ) => Input::LinksRead {
            read,
            page: LinkPage::NotFound,
        },
        (mutation, Input::LogSearched { read, page }) => Input::LogSearched {
            read,
            page: log_page(mutation, page),
        },
        (_, input) => input,
    }
}

/// A page of a stream that was read from the revision `from` on.
fn source_page(mutation: Mutation, from: Option<u64>, page: SourcePage) -> SourcePage {
    match (mutation, page) {
        (Mutation::RepairAnyRevision, SourcePage::Events { mut events, last }) => {
            if let Some(from) = from {
                (from..)
                    .zip(&mut events)
                    .for_each(|(revision, event)| event.revision = revision);
            }
            SourcePage::Events { events, last }
        }
        (Mutation::BelieveStalePages, SourcePage::Events { events, .. }) => SourcePage::Events {
            events,
            last: u64::MAX,
        },
        (Mutation::BelieveStalePages, SourcePage::NotFound) => SourcePage::SoftDeleted,
        (_, page) => page,
    }
}

fn log_page(mutation: Mutation, page: LogPage) -> LogPage {
    match (mutation, page) {
        (Mutation::SearchOnePage, LogPage::Events { found, .. }) => {
            LogPage::Events { found, next: None }
        }
        (Mutation::IgnoreFound, LogPage::Events { next, .. }) => LogPage::Events {
            found: Vec::new(),
            next,
        },
        (_, page) => page,
    }
}
