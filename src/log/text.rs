//! Lines for people, on stderr; in colour on a terminal only.
//!
//! Never buffers: a line is out once it is written.

use std::io::Write as _;

use tracing::Level;

use super::record::Record;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// Writes to stderr.
#[derive(Debug)]
pub(super) struct Text {
    colours: bool,
}

impl Text {
    pub(super) fn new(colours: bool) -> Self {
        Self { colours }
    }

    /// False if the line is lost.
    pub(super) fn write(&mut self, record: &Record) -> bool {
        let line = render(record, self.colours);
        std::io::stderr().lock().write_all(line.as_bytes()).is_ok()
    }
}

fn render(record: &Record, colours: bool) -> String {
    let time = humantime::format_rfc3339_millis(record.time);
    let (level, colour) = match record.place.level {
        Level::ERROR => ("ERROR", "\x1b[31m"),
        Level::WARN => (" WARN", "\x1b[33m"),
        Level::INFO => (" INFO", "\x1b[32m"),
        Level::DEBUG => ("DEBUG", "\x1b[34m"),
        Level::TRACE => ("TRACE", "\x1b[35m"),
    };
    let line = record.line();
    if colours {
        format!("{DIM}{time}{RESET} {colour}{level}{RESET} {line}\n")
    } else {
        format!("{time} {level} {line}\n")
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::log::record::Place;

    #[test]
    fn a_line_has_time_level_message_and_fields() {
        let mut record = Record {
            time: SystemTime::UNIX_EPOCH,
            place: Place::here(Level::WARN, "ditto"),
            message: "retrying".to_owned(),
            message_id: Some("abc".to_owned()),
            fields: vec![
                ("stream", "$ce-customer".to_owned()),
                ("reason", "no \"answer\"\nat all".to_owned()),
                ("name", "a\u{1b}]0;x\u{7}\u{9b}".to_owned()),
            ],
        };
        let plain = "1970-01-01T00:00:00.000Z  WARN retrying stream=$ce-customer reason=\"no \\\"answer\\\"\\nat all\" name=\"a\\u{1b}]0;x\\u{7}\\u{9b}\"\n";
        assert_eq!(render(&record, false), plain);
        assert!(render(&record, true).contains("\x1b[33m WARN\x1b[0m"));
        record.message = "retry\u{1b}[2J\ning".to_owned();
        assert!(render(&record, false).contains("retry\\u{1b}[2J\\ning stream="));
    }
}
