//! Where the subscription's stream begins and ends, and what the source's log shows of what it has lost
//! (protocol §15.6).
//!
//! Knows only what categories link. Never hides what a stream no longer shows: the log keeps it.

use ditto_core::port::{LogPage, LogPosition};

use crate::source::{Being, Source, Target, skip};

impl Source {
    /// The subscription's stream begins here.
    pub(crate) fn first_number(&self) -> u64 {
        match (self.plain, self.streams[0].being) {
            (false, _) => self.links_from,
            (true, Being::Live) => self.streams[0].first,
            (true, _) => self.entries.len() as u64,
        }
    }

    /// Its last number.
    pub(crate) fn last_number(&self) -> Option<u64> {
        (self.entries.len() as u64).checked_sub(1)
    }

    /// A search of the log for what the category linked before its first readable link: two records a page. A position is
    /// that of a link's target, for there are no others in this log.
    pub(crate) fn search_log(&self, after: Option<LogPosition>) -> LogPage {
        const PAGE: usize = 2;
        if self.log_denied {
            return LogPage::Unsearchable("no permission to read $all".to_owned());
        }
        let begins = after.map_or(0, |after| after.commit + 1);
        let end = skip(self.links_from).min(self.entries.len());
        let records = (begins..).zip(self.entries.iter().take(end).skip(skip(begins)));
        let page: Vec<_> = records.take(PAGE).collect();
        let found = page.iter().filter_map(|(_, target)| match target {
            Target::Event { stream, revision } | Target::Forward { stream, revision } => {
                Some((self.streams[*stream].name.clone(), *revision))
            }
            Target::Never(_) => None,
        });
        let next = page.last().filter(|_| page.len() == PAGE);
        LogPage::Events {
            found: found.collect(),
            next: next.map(|(number, _)| LogPosition {
                commit: *number,
                prepare: *number,
            }),
        }
    }
}
