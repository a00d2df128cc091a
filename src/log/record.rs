//! One line of the log as owned data.
//!
//! Never grows with what it is given: longer values are cut, and further fields left out.

use std::fmt;
use std::fmt::Write as _;
use std::panic::Location;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use crate::escape;

/// A longer value is cut.
const LONGEST_VALUE: usize = 8 * 1024;
/// More fields than this are not kept.
const MOST_FIELDS: usize = 24;

/// The code that a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) file: Option<&'static str>,
    pub(super) line: Option<u32>,
}

impl Place {
    /// The caller's, for lines that are no events of `tracing`.
    #[track_caller]
    pub(super) fn here(level: Level, target: &'static str) -> Self {
        let location = Location::caller();
        Self {
            level,
            target,
            file: Some(location.file()),
            line: Some(location.line()),
        }
    }
}

/// One log line with its fields, before it is formatted for the journal, stderr or OTLP.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) time: SystemTime,
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) message_id: Option<String>,
    /// Names without `ditto.`, in the order of the call.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Record {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut record = Self {
            time: SystemTime::now(),
            place: Place {
                level: *metadata.level(),
                target: metadata.target(),
                file: metadata.file(),
                line: metadata.line(),
            },
            message: String::new(),
            message_id: None,
            fields: Vec::new(),
        };
        event.record(&mut record);
        record
    }

    /// A field's value.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Bytes that it takes in the queue, about.
    pub(super) fn size(&self) -> usize {
        let fields: usize = self.fields.iter().map(|(_, value)| value.len() + 32).sum();
        size_of::<Self>() + self.message.len() + fields
    }

    /// The message with its fields, for people: one line, whatever a server put into its words.
    pub(super) fn line(&self) -> String {
        let mut line = escape::line(&self.message).into_owned();
        let mut add = |name: &str, value: &dyn fmt::Display| {
            // Writing to a String cannot fail.
            write!(line, " {name}={value}").unwrap_or_default();
        };
        for (name, value) in &self.fields {
            let is_plain = !value.contains([' ', '"']) && escape::line(value) == *value;
            if !is_plain || value.is_empty() {
                // Escapes what `escape` does, and the quotes.
                add(name, &format_args!("{value:?}"));
            } else {
                add(name, value);
            }
        }
        line
    }

    fn put(&mut self, field: &Field, mut value: String) {
        if value.len() > LONGEST_VALUE {
            let end = (0..=LONGEST_VALUE)
                .rev()
                .find(|at| value.is_char_boundary(*at));
            value.truncate(end.unwrap_or(0));
            value.push('…');
        }
        match field.name() {
            "message" => self.message = value,
            "message_id" => self.message_id = Some(value),
            // Added by the bridge of the `log` crate.
            name if name.starts_with("log.") => {}
            name if self.fields.len() < MOST_FIELDS => {
                let name = name.strip_prefix("ditto.").unwrap_or(name);
                self.fields.push((name, value));
            }
            _ => {}
        }
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }
}
