//! Commands as lines: what a test compares.
//!
//! Never leaves out what changes a test's meaning: ids are not in it, streams and revisions are.

use uuid::Uuid;

use crate::port::{Command, Expected, LookupRange, ReadFrom};

pub(super) fn line_of(command: Command) -> String {
    match command {
        Command::Join { buffer_size } => format!("join {buffer_size}"),
        Command::Leave { why, .. } => format!("leave {why:?}"),
        Command::Poll { on: true, .. } => "resume".to_owned(),
        Command::Poll { on: false, .. } => "pause".to_owned(),
        Command::Ack { ids, .. } => format!("ack {}", numbers(&ids)),
        Command::Park { ids, reason, .. } => format!("park {} {reason}", numbers(&ids)),
        Command::Append {
            stream,
            expected,
            events,
            alone,
            ..
        } => {
            let expected = match expected {
                Expected::NoStream => "nothing".to_owned(),
                Expected::Exact(revision) => revision.to_string(),
            };
            let revisions: Vec<String> = events
                .iter()
                .map(|event| event.revision.to_string())
                .collect();
            let alone = if alone { " alone" } else { "" };
            let revisions = revisions.join(" ");
            format!("append {stream} after {expected}: {revisions}{alone}")
        }
        Command::Lookup { stream, range, .. } => match range {
            LookupRange::Metadata => format!("look {stream} metadata"),
            LookupRange::Forwards { from, count } => {
                format!("look {stream} from {from} count {count}")
            }
            LookupRange::Backwards { from: None, .. } => format!("look {stream} back from end"),
            LookupRange::Backwards {
                from: Some(from), ..
            } => format!("look {stream} back from {from}"),
        },
        Command::Recognise { stream, event, .. } => {
            format!("recognise {} in {stream}", event.revision)
        }
        Command::AskRights { stream, .. } => format!("ask rights {stream}"),
        Command::WriteMetadata {
            stream,
            max_age,
            truncate_before,
            ..
        } => {
            format!("metadata {stream} {max_age:?} {truncate_before:?}")
        }
        Command::ReadSource {
            stream,
            from: ReadFrom::Revision(from),
            count,
            ..
        } => {
            format!("source {stream} from {from} count {count}")
        }
        Command::ReadSource { stream, .. } => format!("source {stream} tail"),
        Command::ReadLinks { from, count, .. } => format!("links from {from} count {count}"),
        Command::ReadParked {
            from: 0, count: 1, ..
        } => "queue".to_owned(),
        Command::ReadParked { from, count: 1, .. } => format!("queue from {from}"),
        Command::ReadParked { from, .. } => format!("parked from {from}"),
        Command::FirstLink { from, .. } => format!("first link from {from}"),
        Command::SearchLog { after: None, .. } => "search the log".to_owned(),
        Command::SearchLog {
            after: Some(after), ..
        } => format!("search the log after {}", after.commit),
        Command::AskGroup => "ask group".to_owned(),
        Command::Probe { .. } => "probe".to_owned(),
        Command::Finished { why, left } => format!("finished {why:?} left {left}"),
        Command::WakeAt { .. } | Command::Report(_) => String::new(),
    }
}

fn numbers(ids: &[Uuid]) -> String {
    let numbers: Vec<String> = ids.iter().map(|id| id.as_u128().to_string()).collect();
    numbers.join(" ")
}
