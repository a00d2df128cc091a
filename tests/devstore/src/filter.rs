//! Filters of `$all` (protocol §3.4), and what never shows there (protocol §3.3).
//!
//! Judges the record itself; never follows a link.

mod dotnet;

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
            let regex = dotnet::translated(regex);
            Wanted::Regex(Arc::new(Regex::new(&regex).map_err(Box::new)?))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expected, Store, StreamRead};

    fn record(stream: &str) -> Arc<Record> {
        let store = Store::new();
        let event = Store::json_event("happened", "{}");
        store.append(stream, Expected::Any, vec![event]).unwrap();
        match store.read_forward(stream, 0, 1) {
            StreamRead::Page(page) => Arc::clone(&page.events[0]),
            read => panic!("{read:?}"),
        }
    }

    #[test]
    fn a_regex_goes_before_prefixes_and_may_look_ahead() {
        for (on, regex, prefixes, expected) in [
            (FilterOn::Stream, "", vec!["a", "ord"], true),
            (FilterOn::Stream, "", vec!["rder"], false),
            (FilterOn::Stream, "", vec![], false),
            (FilterOn::Stream, "der-", vec![], true),
            (FilterOn::Stream, "^der", vec!["order"], false),
            (FilterOn::Stream, "^(?!order)", vec![], false),
            (FilterOn::EventType, "^(?!\\$)", vec![], true),
            (FilterOn::Stream, "^order-1$", vec![], true),
            (FilterOn::EventType, "", vec!["order"], false),
        ] {
            let prefixes = prefixes
                .iter()
                .map(|prefix: &&str| (*prefix).to_owned())
                .collect();
            let filter = Filter::new(on, regex, prefixes).unwrap();
            assert_eq!(filter.matches(&record("order-1")), expected, "{filter:?}");
        }
        assert!(Filter::new(FilterOn::Stream, "(", Vec::new()).is_err());
    }

    #[test]
    fn all_hides_the_epoch_and_the_books_of_its_own_groups() {
        for (stream, shows) in [
            ("order-1", true),
            ("$$order-1", true),
            ("$epoch-information", false),
            ("$persistentsubscription-$all::g-checkpoint", false),
            ("$persistentsubscription-$all::g-parked", false),
            ("$persistentsubscription-$all::g", true),
            ("$persistentsubscription-order-1::g-parked", true),
        ] {
            assert_eq!(shows_in_all(&record(stream)), shows, "{stream}");
        }
    }
}
