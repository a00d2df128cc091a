//! Filters of `$all` (`protocol.md` §3.4), and what never shows there (§3.3).
//!
//! Judges the record itself; never follows a link.

use std::sync::Arc;

use fancy_regex::Regex;

use crate::store::Record;

/// What a reader of `$all` wants to see.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) on: FilterOn,
    pub(crate) wanted: Wanted,
}

/// What of a record is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterOn {
    Stream,
    EventType,
}

/// What it must be like.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// Found anywhere in the text.
    Regex(Arc<Regex>),
    /// Begins with one of these; with none of them, nothing is wanted.
    Prefixes(Vec<String>),
}

impl Filter {
    /// A filter from a request's expression: a regex goes before prefixes.
    ///
    /// # Errors
    /// The regex is none.
    pub(crate) fn new(
        on: FilterOn,
        regex: &str,
        prefixes: Vec<String>,
    ) -> Result<Self, Box<fancy_regex::Error>> {
        let wanted = if regex.is_empty() {
            Wanted::Prefixes(prefixes)
        } else {
            Wanted::Regex(Arc::new(Regex::new(regex).map_err(Box::new)?))
        };
        Ok(Self { on, wanted })
    }

    pub(crate) fn matches(&self, record: &Record) -> bool {
        let text: &str = match self.on {
            FilterOn::Stream => &record.stream,
            FilterOn::EventType => &record.event_type,
        };
        match &self.wanted {
            // An expression that gives up on a text (too much backtracking) does not match it.
            Wanted::Regex(regex) => regex.is_match(text).unwrap_or(false),
            Wanted::Prefixes(prefixes) => prefixes
                .iter()
                .any(|prefix| text.starts_with(prefix.as_str())),
        }
    }
}

/// False for what no reader of `$all` gets to see, filtered or not.
pub(crate) fn shows_in_all(record: &Record) -> bool {
    let own_stream = record
        .stream
        .strip_prefix("$persistentsubscription-$all::")
        .is_some_and(|rest| rest.ends_with("-checkpoint") || rest.ends_with("-parked"));
    &*record.stream != "$epoch-information" && !own_stream
}
