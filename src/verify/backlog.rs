//! How far a copy is: which events its group or its mirror is done with, and which streams are held or have parked events.
//!
//! A group's checkpoint is a number of its stream; whether an event of another stream lies before it is told by the
//! places of both in the server's log, since projections link in that order (protocol §6.2). That of a mirror (`mirror`) is
//! such a place itself. Never changes a group or a checkpoint.

pub(super) mod mirror;

use std::collections::HashMap;

use super::outcome::{Absent, Via};
use super::reading::{Failure, Reader, patiently};
use super::seen::Fingerprint;
use super::side_buffer::Page;
use crate::config::settings::SubscriptionSettings;
use crate::eventstore::client::LogPlace;
use crate::source::persistent::links::parked_stream;
use crate::source::persistent::parked::{Traced, trace};
use ditto_core::event::StreamName;
use ditto_core::port::GroupSeen;

/// Streams with parked events that are remembered, about 40 bytes each; beyond, their events count as missing.
const MOST_PARKED: usize = 200_000;

/// Up to where a group or a mirror is done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    /// It has no checkpoint yet: all that is lacking may still come.
    Nothing,
    /// All that is in the log before this place.
    Before(LogPlace),
    /// All that is in the log up to this place.
    UpTo(LogPlace),
    /// All that is in the log by now.
    All,
    /// The group reads the stream itself: up to this revision.
    Revision(u64),
}

/// What is known of a group or a mirror.
#[derive(Clone, Debug)]
pub(super) struct Backlog {
    reach: Reach,
    parked: HashMap<Fingerprint, u64>,
    /// Why the mirror holds a stream.
    held: HashMap<Fingerprint, String>,
    /// What the group reads; of a mirror `$all`, which no event is of.
    subscription: StreamName,
    via: Via,
}

impl Backlog {
    /// Looks at it. The parked queue is read after the checkpoint, so that what is parked below it is there.
    pub(super) async fn lookup(
        source: &Reader,
        subscription: &SubscriptionSettings,
        group: Option<&GroupSeen>,
    ) -> Result<(Self, Vec<String>), Failure> {
        let mut notes = Vec::new();
        let stream = &subscription.stream;
        let reach = match group.and_then(|group| group.checkpoint) {
            None => {
                notes.push(format!(
                    "{}: the group has no checkpoint yet: what is missing at the destination counts as behind",
                    subscription.key()
                ));
                Reach::Nothing
            }
            Some(checkpoint) if !stream.is_system() => Reach::Revision(checkpoint),
            Some(checkpoint) => match source.place(stream, checkpoint).await? {
                None => Reach::All,
                Some(place) if place.revision > checkpoint => Reach::Before(place),
                Some(place) => Reach::UpTo(place),
            },
        };
        let parked = match read_parked(source, subscription).await {
            Ok(parked) => parked,
            Err(Failure::Refused(text)) => {
                notes.push(format!(
                    "{}: the parked events are not known, and count as missing: {text}",
                    subscription.key()
                ));
                HashMap::new()
            }
            Err(failure) => return Err(failure),
        };
        let backlog = Self {
            reach,
            parked,
            held: HashMap::new(),
            subscription: stream.clone(),
            via: Via::Group,
        };
        Ok((backlog, notes))
    }

    /// Whether an event of the stream is parked that the destination, which ends at `tail`, lacks.
    pub(super) fn is_parked(&self, stream: &StreamName, tail: Option<u64>) -> bool {
        self.parked
            .get(&Fingerprint::of(stream))
            .is_some_and(|highest| tail.is_none_or(|tail| *highest > tail))
    }

    /// Why the stream is on the mirror's record of held ones, if it is.
    pub(super) fn held(&self, stream: &StreamName) -> Option<&str> {
        self.held.get(&Fingerprint::of(stream)).map(String::as_str)
    }

    /// Whether a group or a mirror copies the streams.
    pub(super) fn via(&self) -> Via {
        self.via
    }

    /// The first of these revisions that the group or the mirror has not come to.
    pub(super) async fn reached(
        &self,
        source: &Reader,
        stream: &StreamName,
        absent: Absent,
    ) -> Result<u64, Failure> {
        let place = match &self.reach {
            Reach::Nothing => return Ok(absent.first),
            Reach::All => return Ok(absent.end),
            Reach::Revision(checkpoint) if *stream == self.subscription => {
                return Ok(checkpoint + 1);
            }
            // Events of other streams come through links that somebody wrote; each is its own link's matter.
            Reach::Revision(_) => return Ok(absent.first),
            Reach::Before(place) | Reach::UpTo(place) => place,
        };
        let is_before = |other: &LogPlace| match self.reach {
            Reach::Before(_) => place.is_after(other),
            _ => !other.is_after(place),
        };
        let (mut low, mut high) = (absent.first, absent.end);
        // Most often it is all or nothing: the ends first, then halves.
        let mut middle = absent.end - 1;
        while low < high {
            match source.place(stream, middle).await? {
                Some(found) if is_before(&found) => low = middle + 1,
                _ => high = middle,
            }
            middle = if high == absent.end - 1 && low == absent.first {
                low
            } else {
                low + (high - low) / 2
            };
        }
        Ok(low)
    }
}

/// The highest parked revision of each stream.
async fn read_parked(
    source: &Reader,
    subscription: &SubscriptionSettings,
) -> Result<HashMap<Fingerprint, u64>, Failure> {
    const PAGE: u64 = 1_000;
    const PAGE_BYTES: usize = 1024 * 1024;
    let group = subscription.key();
    let stream = parked_stream(&group);
    let (mut parked, mut from) = (HashMap::new(), 0);
    while let Page::Found {
        events,
        first,
        last,
    } = source.page_of(&stream, from, PAGE, PAGE_BYTES).await?
    {
        let read = events.last().map(|event| event.revision + 1);
        let traced = patiently(|| trace(source.client(), &group, &events)).await?;
        let known = traced
            .iter()
            .filter_map(|traced| stands_for(traced, &group.stream));
        for (stream, revision) in known {
            let fingerprint = Fingerprint::of(&stream);
            if parked.len() < MOST_PARKED || parked.contains_key(&fingerprint) {
                let highest = parked.entry(fingerprint).or_default();
                *highest = revision.max(*highest);
            }
        }
        match read.or(first) {
            Some(next) if next > from && next <= last => from = next,
            _ => break,
        }
    }
    Ok(parked)
}

/// The stream of an entry and its revision; of a user's own link the highest that there is, since only its stream is
/// known.
fn stands_for(traced: &Traced, subscription: &StreamName) -> Option<(StreamName, u64)> {
    match traced {
        Traced::Link(stream) => Some((stream.clone(), u64::MAX)),
        other => other
            .likely(subscription)
            .map(|(stream, revision)| (stream.clone(), revision)),
    }
}
