//! Lines for the journal, in its native protocol: one datagram each, fields as `DITTO_…`.
//!
//! Written by ditto's log thread alone, which may wait for a journal that stalls. Never a name that the journal or
//! another program gives a meaning to.

use std::io;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;

use tracing::Level;

use super::record::Record;

const SOCKET: &str = "/run/systemd/journal/socket";
const IDENTIFIER: &str = "ditto";

/// A connection to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

/// Whether stderr goes to the journal: systemd says so by device and inode.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev(), stderr.st_ino()))
}

impl Journal {
    pub(super) fn open() -> io::Result<Self> {
        Self::at(SOCKET.into())
    }

    pub(super) fn at(path: std::path::PathBuf) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Not connected: a journal that is restarted is found again by its path.
        socket.send_to(b"", &path)?;
        Ok(Self { socket, path })
    }

    /// False if the line is lost.
    pub(super) fn write(&mut self, record: &Record) -> bool {
        self.socket.send_to(&encode(record), &self.path).is_ok()
    }
}

fn encode(record: &Record) -> Vec<u8> {
    // Not the library's levels: `journalctl -p info` is meant to hide debug lines.
    let priority = match record.level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    };
    let mut datagram = Vec::with_capacity(512);
    put(&mut datagram, "PRIORITY", priority);
    put(&mut datagram, "SYSLOG_IDENTIFIER", IDENTIFIER);
    put(&mut datagram, "MESSAGE", &record.line());
    if let Some(id) = &record.message_id {
        put(&mut datagram, "MESSAGE_ID", id);
    }
    put(&mut datagram, "DITTO_TARGET", record.target);
    for (name, value) in &record.fields {
        put(&mut datagram, &field_name(name), value);
    }
    datagram
}

/// `event_stream` → `DITTO_EVENT_STREAM`.
fn field_name(name: &str) -> String {
    let upper = name.chars().map(|c| match c.to_ascii_uppercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '_',
    });
    "DITTO_".chars().chain(upper).collect()
}

fn put(datagram: &mut Vec<u8>, name: &str, value: &str) {
    datagram.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        // Values of several lines come with their length.
        datagram.push(b'\n');
        datagram.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        datagram.push(b'=');
    }
    datagram.extend_from_slice(value.as_bytes());
    datagram.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn record(level: Level, fields: Vec<(&'static str, String)>) -> Record {
        Record {
            time: SystemTime::UNIX_EPOCH,
            level,
            target: "ditto::daemon",
            message: "stopped".to_owned(),
            message_id: Some("abc".to_owned()),
            fields,
        }
    }

    #[test]
    fn fields_are_named_for_ditto_and_info_is_above_debug() {
        let fields = vec![
            ("stream", "$ce-a".to_owned()),
            ("unit", "x".to_owned()),
            ("r.son", "one\ntwo".to_owned()),
        ];
        let datagram = encode(&record(Level::INFO, fields));
        let text = String::from_utf8_lossy(&datagram);
        assert!(
            text.starts_with("PRIORITY=6\nSYSLOG_IDENTIFIER=ditto\nMESSAGE"),
            "{text}"
        );
        for line in [
            "\nMESSAGE_ID=abc\n",
            "\nDITTO_TARGET=ditto::daemon\n",
            "\nDITTO_STREAM=$ce-a\n",
            "\nDITTO_UNIT=x\n",
            "\nDITTO_R_SON\n\u{7}\0\0\0\0\0\0\0one\ntwo\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
        let debug = encode(&record(Level::DEBUG, Vec::new()));
        assert!(debug.starts_with(b"PRIORITY=7\n"));
    }

    #[test]
    fn nobody_listening_is_an_error_at_open() {
        assert!(Journal::at("/nonexistent/journal/socket".into()).is_err());
    }
}
