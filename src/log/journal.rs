//! Replays each line as an event of the place that logged it, which the crate tracing-journald sends to the journal.
//!
//! Runs on the log thread, which may wait for a journal that stalls. Never sends a field of a line under a name that the
//! journal or another program gives a meaning to: all of them begin with `DITTO_`.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tracing::callsite::DefaultCallsite;
use tracing::field::{FieldSet, Value};
use tracing::metadata::Kind;
use tracing::{Event, Level, Metadata, Subscriber, metadata};
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

use super::record::{Place, Record};

/// Where the crate sends lines.
const SOCKET: &str = "/run/systemd/journal/socket";
const IDENTIFIER: &str = "ditto";

/// The callsite that all replayed events name. The crate gets them without a dispatcher, because a second dispatcher makes
/// every disabled callsite of the process ask the filter again, and so nobody uses this one.
static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);
static METADATA: Metadata<'static> = metadata! {
    name: "line",
    target: module_path!(),
    level: Level::INFO,
    fields: &[],
    callsite: &CALLSITE,
    kind: Kind::EVENT,
};

/// A connection to the journal.
pub(super) struct Journal {
    /// Finds a journal that is gone, which the crate does not report.
    probe: UnixDatagram,
    path: PathBuf,
    journal: Box<dyn Subscriber + Send + Sync>,
    /// By place and the fields given there. Never freed, because events need that; the program's text bounds it.
    places: HashMap<(Place, Vec<&'static str>), &'static Metadata<'static>>,
}

/// Whether stderr goes to the journal: systemd says so by device and inode.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let stderr = rustix::fs::fstat(io::stderr());
    stderr.is_ok_and(|stderr| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}

impl Journal {
    pub(super) fn open() -> io::Result<Self> {
        let layer = tracing_journald::layer()?
            .with_field_prefix(None)
            .with_syslog_identifier(IDENTIFIER.to_owned())
            // Not the crate's mappings: `journalctl -p info` is meant to hide debug lines.
            .with_priority_mappings(PriorityMappings {
                info: Priority::Informational,
                debug: Priority::Debug,
                ..PriorityMappings::new()
            });
        Self::new(SOCKET.into(), Registry::default().with(layer))
    }

    /// Uses `path` and `journal` in place of the journal's socket and the crate.
    pub(super) fn new(path: PathBuf, journal: impl Subscriber + Send + Sync) -> io::Result<Self> {
        Ok(Self {
            probe: UnixDatagram::unbound()?,
            path,
            journal: Box::new(journal),
            places: HashMap::new(),
        })
    }

    /// False if the line is lost.
    pub(super) fn write(&mut self, record: &Record) -> bool {
        // The journal ignores an empty datagram. Not connected: the path leads to a restarted journal, too.
        if self.probe.send_to(b"", &self.path).is_err() {
            return false;
        }
        let line = record.line();
        let id = record.message_id.as_ref().map(|id| id as &dyn Value);
        let fields = &record.fields;
        let mut values = vec![Some(&line as &dyn Value), id, Some(&record.place.target)];
        values.extend(fields.iter().map(|(_, value)| Some(value as &dyn Value)));
        let metadata = self.metadata(record);
        let values = metadata.fields().value_set_all(&values);
        self.journal.event(&Event::new(metadata, &values));
        true
    }

    /// Returns the metadata of the place, with the line's fields under the journal's names.
    fn metadata(&mut self, record: &Record) -> &'static Metadata<'static> {
        let place = record.place;
        let names: Vec<_> = record.fields.iter().map(|(name, _)| *name).collect();
        self.places
            .entry((place, names))
            .or_insert_with_key(|(_, names)| {
                let mut all = vec!["MESSAGE", "MESSAGE_ID", "DITTO_TARGET"];
                // The crate sends `ditto.a.b` as `DITTO_A_B`.
                all.extend(names.iter().map(|name| &*format!("ditto.{name}").leak()));
                Box::leak(Box::new(Metadata::new(
                    METADATA.name(),
                    place.target,
                    place.level,
                    place.file,
                    place.line,
                    None,
                    FieldSet::new(all.leak(), METADATA.callsite()),
                    Kind::EVENT,
                )))
            })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};
    use std::time::SystemTime;

    use tracing::field::{Field, Visit};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::Context;

    use super::*;

    /// Stands for the crate: keeps what it would send.
    #[derive(Clone, Default)]
    struct Sent(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Sent {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let metadata = event.metadata();
            let (level, target) = (metadata.level(), metadata.target());
            let (file, line) = (metadata.file(), metadata.line());
            let mut text = format!("{level} {target} {file:?} {line:?}");
            event.record(&mut Fields(&mut text));
            self.0.lock().unwrap().push(text);
        }
    }

    struct Fields<'a>(&'a mut String);

    impl Visit for Fields<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            *self.0 += &format!(" {}={value:?}", field.name());
        }
    }

    fn record(line: u32, message_id: Option<&str>, fields: &[(&'static str, &str)]) -> Record {
        let owned = fields
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Record {
            time: SystemTime::UNIX_EPOCH,
            place: Place {
                level: Level::WARN,
                target: "ditto::daemon",
                file: Some("src/daemon/mod.rs"),
                line: Some(line),
            },
            message: "stopped".to_owned(),
            message_id: message_id.map(str::to_owned),
            fields: owned.collect(),
        }
    }

    #[test]
    fn replayed_line_has_its_place_and_prefixed_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listening = UnixDatagram::bind(&path).unwrap();
        let sent = Sent::default();
        let mut journal = Journal::new(path, Registry::default().with(sent.clone())).unwrap();
        let at = |line| format!("WARN ditto::daemon Some(\"src/daemon/mod.rs\") Some({line})");
        let rows = [
            (
                record(7, Some("abc"), &[("stream", "$ce-a"), ("unit", "one\ntwo")]),
                at(7)
                    + r#" MESSAGE="stopped stream=$ce-a unit=\"one\\ntwo\"" MESSAGE_ID="abc" DITTO_TARGET="ditto::daemon""#
                    + r#" ditto.stream="$ce-a" ditto.unit="one\ntwo""#,
            ),
            (
                record(7, None, &[("stream", "$ce-b")]),
                at(7)
                    + r#" MESSAGE="stopped stream=$ce-b" DITTO_TARGET="ditto::daemon" ditto.stream="$ce-b""#,
            ),
            (
                record(8, None, &[]),
                at(8) + r#" MESSAGE="stopped" DITTO_TARGET="ditto::daemon""#,
            ),
        ];
        for (record, expected) in rows {
            assert!(journal.write(&record));
            assert_eq!(sent.0.lock().unwrap().pop(), Some(expected));
            assert_eq!(listening.recv(&mut [0; 10]).unwrap(), 0, "the probe");
        }
        assert_eq!(journal.places.len(), 3);
        assert!(journal.write(&record(8, None, &[])));
        assert_eq!(journal.places.len(), 3, "a place is kept once");
    }

    #[test]
    fn lines_are_lost_while_no_journal_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let sent = Sent::default();
        let journal = Registry::default().with(sent.clone());
        let mut journal = Journal::new(path.clone(), journal).unwrap();
        let line = record(1, None, &[]);
        let mut lines_after = |is_kept| {
            assert_eq!(journal.write(&line), is_kept);
            sent.0.lock().unwrap().len()
        };
        assert_eq!(lines_after(false), 0, "before the journal starts");
        let listening = UnixDatagram::bind(&path).unwrap();
        assert_eq!(lines_after(true), 1);
        drop(listening);
        assert_eq!(lines_after(false), 1, "the journal is gone");
        std::fs::remove_file(&path).unwrap();
        let _listening = UnixDatagram::bind(&path).unwrap();
        assert_eq!(lines_after(true), 2, "the journal is back");
    }
}
