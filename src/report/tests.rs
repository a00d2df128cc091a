//! What an operator reads of many gaps, of appends that are answered undone, and of metadata and deletions. Never asserts a duration.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::Level;

use super::{Listener, Observer, Reporter};
use crate::config::settings::SubscriptionKey;
use ditto_core::port::state::{DeletionKind, OnMetadataConflict};
use ditto_core::port::{AppendOutcome, PipelineState, Report, Side, Status};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of this level and above that are logged meanwhile.
fn logged(level: Level, log: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, log);
    let bytes = lines.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(str::to_owned).collect()
}

struct Nobody;

impl Listener for Nobody {}

fn reporter() -> Reporter {
    let key = SubscriptionKey {
        stream: "$ce-customer".into(),
        group: "ditto".into(),
    };
    let observer = Observer::heard_by(Arc::new(Nobody));
    Reporter::new(key, observer, "eventstore", true)
}

fn close(reporter: &mut Reporter, gaps: u64) {
    for gap in 0..gaps {
        let stream: ditto_core::event::StreamName = format!("customer-{gap}").as_str().into();
        reporter.report(&Report::RepairStarted {
            stream: stream.clone(),
            from: 0,
            to: 3,
        });
        reporter.report(&Report::RepairEnded { stream, events: 3 });
    }
}

#[test]
fn closed_gaps_are_summed_up_once_a_minute() {
    let status = Status::default();
    let minute = Duration::from_secs(60);
    let lines = logged(Level::INFO, || {
        let mut reporter = reporter();
        close(&mut reporter, 1_000);
        for second in 0..120 {
            reporter.status(Duration::from_secs(second), &status);
        }
        // Nothing more to tell, until the end.
        reporter.status(minute * 2, &status);
        close(&mut reporter, 2);
        reporter.finished(true, 0);
    });
    let closed = |line: &&String| line.contains("gaps in streams closed");
    let summaries: Vec<&String> = lines.iter().filter(closed).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        summaries[0].contains("gaps=1000 events=3000"),
        "{summaries:?}"
    );
    assert!(summaries[1].contains("gaps=2 events=6"), "{summaries:?}");
    let each = logged(Level::DEBUG, || close(&mut reporter(), 10));
    assert_eq!(each.len(), 20, "{each:?}");
}

#[test]
fn append_that_is_answered_undone_is_no_missing_answer() {
    for (outcome, why) in [
        (AppendOutcome::Written(1), "a call was not answered"),
        (
            AppendOutcome::NoAnswer,
            "the server does not know whether it wrote an append",
        ),
        (AppendOutcome::NotReady, "the server is not ready to write"),
    ] {
        let lines = logged(Level::WARN, || {
            let mut reporter = reporter();
            reporter.append_answered(&outcome);
            let away = PipelineState::Retrying(Side::Destination);
            reporter.report(&Report::State(away));
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(why), "{lines:?}");
    }
}

#[test]
fn metadata_that_is_not_the_sources_is_told_once_a_stream() {
    let conflict = |stream: &str| Report::MetadataConflict {
        stream: stream.into(),
        policy: OnMetadataConflict::Keep,
    };
    let refused = |stream: &str| Report::MetadataRefused {
        stream: stream.into(),
        why: "too large".to_owned(),
    };
    let passed = |stream: &str, kind| Report::DeletionPassed {
        stream: stream.into(),
        kind,
    };
    let written = |stream: &str| Report::MetadataWritten {
        stream: stream.into(),
    };
    let lines = logged(Level::INFO, || {
        let mut reporter = reporter();
        for report in [
            conflict("a"),
            conflict("a"),
            conflict("b"),
            refused("a"),
            refused("a"),
            passed("a", DeletionKind::Tombstone),
            passed("b", DeletionKind::Tombstone),
            passed("a", DeletionKind::Soft),
            written("a"),
        ] {
            reporter.report(&report);
        }
    });
    let told: Vec<bool> = [
        "leaving it unchanged",
        "leaving it unchanged",
        "too large",
        "kind=\"tombstone\"",
        "kind=\"soft\"",
    ]
    .iter()
    .zip(&lines)
    .map(|(text, line)| line.contains(text))
    .collect();
    assert_eq!(told, [true; 5], "{lines:?}");
    assert_eq!(lines.len(), 5, "{lines:?}");
}
