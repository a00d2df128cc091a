//! What reached each port, in order, as one number a schedule: two cores that behave alike have the same.
//!
//! A port is a destination stream, a source stream, a session, or one of the single things that a subscription has (its
//! links, its parked queue, the log, its group). The order within a port counts, that among ports does not, but a network
//! whose delays are drawn from one seed makes most changes of the latter visible all the same. Left out are ids that the
//! core gives to what is answered, wakes, reports, and the times at which anything happens. Never looks at a core's inside.

use std::collections::BTreeMap;

use ditto_core::event::{Event, StreamName};
use ditto_core::port::{Command, Expected, LookupRange, ReadFrom, SessionId};
use uuid::Uuid;

/// Schedules that one line of many stands for.
pub const BLOCK: u64 = 1_000;

/// Where a command goes. Streams and the like are those of one process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Port {
    Destination(StreamName),
    Source(StreamName),
    Session(SessionId),
    Group,
    Links,
    Parked,
    Log,
    Probes,
    End,
}

/// The commands of one schedule so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digest {
    ports: BTreeMap<(usize, u32, Port), Hash>,
}

impl Digest {
    /// A process, by its daemon and how often that was started, gave this command.
    pub(crate) fn note(&mut self, daemon: usize, generation: u32, command: &Command) {
        let Some((port, kind)) = port(command) else {
            return;
        };
        let hash = self.ports.entry((daemon, generation, port)).or_default();
        hash.number(kind);
        add(hash, command);
    }

    /// The whole schedule.
    pub(crate) fn total(&self) -> u64 {
        let mut all = Hash::default();
        for (port, hash) in &self.ports {
            all.text(&format!("{port:?}"));
            all.number(hash.0);
        }
        all.0
    }

    /// A line for each port.
    pub(crate) fn lines(&self) -> Vec<String> {
        let ports = self.ports.iter();
        ports
            .map(|((daemon, generation, port), hash)| {
                format!("{:016x} {daemon}.{generation} {port:?}", hash.0)
            })
            .collect()
    }
}

/// One schedule's share of the digest of many, which does not depend on the order in which they were run.
pub(crate) fn share(seed: u64, digest: u64) -> u64 {
    let mut hash = Hash::default();
    hash.number(seed);
    hash.number(digest);
    hash.0
}

/// Where it goes, and a number for its kind.
fn port(command: &Command) -> Option<(Port, u64)> {
    Some(match command {
        Command::Append(append) => (Port::Destination(append.stream.clone()), 0),
        Command::WriteMetadata { stream, .. } => (Port::Destination(stream.clone()), 1),
        Command::Lookup { stream, .. } => (Port::Destination(stream.clone()), 2),
        Command::Recognise { stream, .. } => (Port::Destination(stream.clone()), 3),
        Command::AskRights { stream, .. } => (Port::Destination(stream.clone()), 4),
        Command::ReadSource { stream, .. } => (Port::Source(stream.clone()), 5),
        Command::Ack { session, .. } => (Port::Session(*session), 6),
        Command::Park { session, .. } => (Port::Session(*session), 7),
        Command::Poll { session, .. } => (Port::Session(*session), 8),
        Command::Leave { session, .. } => (Port::Session(*session), 9),
        Command::Join { .. } => (Port::Group, 10),
        Command::AskGroup => (Port::Group, 11),
        Command::ReadLinks { .. } => (Port::Links, 12),
        Command::FirstLink { .. } => (Port::Links, 13),
        Command::ReadParked { .. } => (Port::Parked, 14),
        Command::SearchLog { .. } => (Port::Log, 15),
        Command::Probe { .. } => (Port::Probes, 16),
        Command::Finished { .. } => (Port::End, 17),
        Command::WakeAt { .. } | Command::Report(_) | Command::Log(_) | Command::State(_) => {
            return None;
        }
    })
}

/// What it says beside where it goes.
fn add(hash: &mut Hash, command: &Command) {
    match command {
        Command::Append(append) => {
            hash.expected(append.expected);
            append.events.iter().for_each(|event| hash.event(event));
            hash.number(u64::from(append.alone));
        }
        Command::WriteMetadata {
            max_age,
            truncate_before,
            ..
        } => {
            hash.maybe(max_age.map(|age| age.as_secs()));
            hash.maybe(*truncate_before);
        }
        Command::Lookup { range, .. } => hash.range(*range),
        Command::Recognise { event, .. } => hash.event(event),
        other => add_of_source(hash, other),
    }
}

fn add_of_source(hash: &mut Hash, command: &Command) {
    match command {
        Command::ReadSource { from, count, .. } => {
            hash.maybe(match from {
                ReadFrom::Revision(from) => Some(*from),
                ReadFrom::Tail => None,
            });
            hash.number(u64::from(*count));
        }
        // How many go in one message is not the port's business.
        Command::Ack { ids, .. } => ids.iter().for_each(|id| hash.id(*id)),
        Command::Park { ids, reason, .. } => {
            ids.iter().for_each(|id| hash.id(*id));
            hash.text(reason);
        }
        Command::Poll { on, .. } => hash.number(u64::from(*on)),
        Command::Leave { why, .. } => hash.number(*why as u64),
        Command::Join { buffer_size } => hash.number(u64::from(*buffer_size)),
        Command::ReadLinks { from, count, .. } | Command::ReadParked { from, count, .. } => {
            hash.page(*from, *count);
        }
        Command::FirstLink { from, .. } => hash.number(*from),
        Command::SearchLog { after, .. } => hash.maybe(after.map(|after| after.commit)),
        Command::Probe { side } => hash.text(side.as_str()),
        Command::Finished { left, .. } => hash.number(*left as u64),
        _ => {}
    }
}

/// FNV-1a: the same in every build.
#[derive(Clone, Copy, Debug)]
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn maybe(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn page(&mut self, from: u64, count: u32) {
        self.number(from);
        self.number(u64::from(count));
    }

    fn expected(&mut self, expected: Expected) {
        self.number(match expected {
            Expected::NoStream => 0,
            Expected::Exact(revision) => revision + 1,
        });
    }

    fn range(&mut self, range: LookupRange) {
        match range {
            LookupRange::Metadata => self.number(0),
            LookupRange::Forwards { from, count } => {
                self.number(1);
                self.page(from, count);
            }
            LookupRange::Backwards { from, count } => {
                self.maybe(from);
                self.number(u64::from(count));
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn id(&mut self, id: Uuid) {
        self.bytes(id.as_bytes());
    }

    fn event(&mut self, event: &Event) {
        self.id(event.id);
        self.number(event.revision);
    }
}
