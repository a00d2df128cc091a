//! Commands as lines, and lists of them that are compared port by port: what a test compares.
//!
//! Never leaves out what changes a test's meaning: ids are not in it, streams and revisions are. The order of commands to one
//! port is part of a test, that among ports is not.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use uuid::Uuid;

use crate::port::{Append, Command, Expected, LookupRange, ReadFrom};

/// Commands in the order in which they were given. Two lists are equal if each port gets the same in the same order.
pub(crate) struct Lines(pub(super) Vec<String>);

impl Lines {
    /// Those of this kind: what begins so.
    pub(super) fn of(&self, kind: &str) -> Vec<&str> {
        let lines = self.iter().map(String::as_str);
        lines.filter(|line| line.starts_with(kind)).collect()
    }
}

/// Where a line's command goes: a stream on one side, or something that a subscription has once.
fn port_of(line: &str) -> &str {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["append" | "look" | "metadata", stream, ..]
        | ["recognise", _, "in", stream]
        | ["ask", "rights", stream] => stream,
        // The same stream at the source is another port, and each read names its stream.
        ["source", ..] => &line[.."source ".len() + words[1].len()],
        ["ack" | "park" | "resume" | "pause" | "leave", ..] => "session",
        ["join", ..] | ["ask", "group"] => "group",
        ["links", ..] | ["first", "link", ..] => "links",
        ["parked" | "queue", ..] => "parked",
        [other, ..] => other,
        [] => "",
    }
}

fn by_port<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut ports: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in lines {
        ports.entry(port_of(line)).or_default().push(line);
    }
    ports
}

impl<T: AsRef<str>, const N: usize> PartialEq<[T; N]> for Lines {
    fn eq(&self, other: &[T; N]) -> bool {
        by_port(self.iter().map(String::as_str)) == by_port(other.iter().map(T::as_ref))
    }
}

impl<T: AsRef<str>> PartialEq<Vec<T>> for Lines {
    fn eq(&self, other: &Vec<T>) -> bool {
        by_port(self.iter().map(String::as_str)) == by_port(other.iter().map(T::as_ref))
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Deref for Lines {
    type Target = Vec<String>;

    fn deref(&self) -> &Vec<String> {
        &self.0
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut Vec<String> {
        &mut self.0
    }
}

impl IntoIterator for Lines {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

pub(super) fn line_of(command: Command) -> String {
    match command {
        Command::State(command) => format!("{command:?}"),
        Command::Join { buffer_size } => format!("join {buffer_size}"),
        Command::Leave { why, .. } => format!("leave {why:?}"),
        Command::Poll { on: true, .. } => "resume".to_owned(),
        Command::Poll { on: false, .. } => "pause".to_owned(),
        Command::Ack { ids, .. } => format!("ack {}", numbers(&ids)),
        Command::Park { ids, reason, .. } => format!("park {} {reason}", numbers(&ids)),
        Command::Append(Append {
            stream,
            expected,
            events,
            alone,
            ..
        }) => {
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
        Command::Log(command) => format!("{command:?}"),
        Command::WakeAt { .. } | Command::Report(_) => String::new(),
    }
}

fn numbers(ids: &[Uuid]) -> String {
    let numbers: Vec<String> = ids.iter().map(|id| id.as_u128().to_string()).collect();
    numbers.join(" ")
}

#[test]
fn lists_of_commands_are_compared_port_by_port() {
    let given = |lines: &[&str]| Lines(lines.iter().map(ToString::to_string).collect());
    let lines = given(&[
        "append a-1 after 0: 1",
        "ack 0",
        "look b-1 metadata",
        "park 1 x",
    ]);
    assert_eq!(
        lines,
        [
            "look b-1 metadata",
            "ack 0",
            "park 1 x",
            "append a-1 after 0: 1"
        ]
    );
    for other in [
        [
            "append a-1 after 0: 1",
            "park 1 x",
            "look b-1 metadata",
            "ack 0",
        ],
        [
            "append a-1 after 0: 1",
            "ack 0",
            "look b-1 metadata",
            "ack 1",
        ],
    ] {
        assert_ne!(lines, other);
    }
    let twice = given(&["append a-1 after 0: 1", "look a-1 metadata"]);
    assert_ne!(twice, ["look a-1 metadata", "append a-1 after 0: 1"]);
    let both_sides = given(&["source a-1 tail", "look a-1 metadata"]);
    assert_eq!(both_sides, ["look a-1 metadata", "source a-1 tail"]);
}
