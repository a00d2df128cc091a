//! How much of its streams' history a source no longer has: the placeholders that a mirror would write.
//!
//! No server tells that by itself, and a whole log takes as long to read as to copy. So the part that the mirror would read
//! first is looked through for some seconds, and what is said names that part. Never counts what may be there: a stream that is
//! met after a checkpoint lacked nothing before.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::connect::Finding::{self, Fine, Warning};
use crate::config::settings::{MirrorSettings, OnMissingHistory};
use crate::eventstore::Error;
use crate::eventstore::client::{Client, LogMessage, SubscribeLog};
use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::filter::StreamFilter;
use ditto_core::port::LogPosition;

/// The log is looked through for so long.
const LOOKS_FOR: Duration = Duration::from_secs(5);

/// Streams that are kept in mind, some 50 bytes each: with more the look ends.
const MOST_STREAMS: usize = 500_000;

/// What a look through the log has counted.
#[derive(Debug)]
struct Count<'a> {
    filter: &'a StreamFilter,
    /// The first event of a stream that is met is the first one that it ever had, or those before it are gone.
    from_beginning: bool,
    /// The next revision of each stream, by a hash of its name.
    next: HashMap<Uuid, u64>,
    placeholders: u64,
    /// Streams that lack something.
    lacking: HashSet<Uuid>,
}

impl<'a> Count<'a> {
    fn new(filter: &'a StreamFilter, from_beginning: bool) -> Self {
        Self {
            filter,
            from_beginning,
            next: HashMap::new(),
            placeholders: 0,
            lacking: HashSet::new(),
        }
    }

    fn take(&mut self, event: &Event) {
        if event.revision >= TOMBSTONE_REVISION || !self.filter.wants(&event.stream) {
            return;
        }
        let key = key(&event.stream);
        let before = self.next.insert(key, event.revision + 1);
        let expected = before.or(self.from_beginning.then_some(0));
        let gap = expected.map_or(0, |expected| event.revision.saturating_sub(expected));
        if gap > 0 {
            self.placeholders = self.placeholders.saturating_add(gap);
            self.lacking.insert(key);
        }
    }

    fn is_full(&self) -> bool {
        self.next.len() >= MOST_STREAMS
    }
}

fn key(stream: &StreamName) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, stream.as_str().as_bytes())
}

/// How much of what is to be copied was looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    All,
    /// Up to this position.
    UpTo(Option<LogPosition>),
}

/// Forecasts what a mirror will miss that begins after this position, in a log that ends there.
pub(super) async fn forecast(
    source: &Client,
    settings: &MirrorSettings,
    after: Option<LogPosition>,
    end: LogPosition,
) -> Finding {
    let name = format!("mirror {}", settings.name);
    let mut count = Count::new(&settings.filter, after.is_none());
    match look(source, &mut count, after, end).await {
        Ok(share) => {
            let policy = settings.replication.on_missing_history;
            told(&name, &count, policy, share_of(share, after, end))
        }
        Err(error) => Warning(format!(
            "{name}: whether history is missing at the source could not be looked for: {}",
            error.with_hint()
        )),
    }
}

async fn look(
    source: &Client,
    count: &mut Count<'_>,
    after: Option<LogPosition>,
    end: LogPosition,
) -> Result<Share, Error> {
    let deadline = Instant::now() + LOOKS_FOR;
    let node = source.log_node(None, &[]).await?;
    let subscribe = SubscribeLog {
        after,
        streams: count.filter.regex(),
    };
    let mut subscription = source.subscribe_log(&node, &subscribe).await?;
    let mut reached = after;
    while reached < Some(end) {
        if count.is_full() {
            return Ok(Share::UpTo(reached));
        }
        let Ok(message) = timeout_at(deadline, subscription.next()).await else {
            return Ok(Share::UpTo(reached));
        };
        match message? {
            Some(LogMessage::Record(record)) => {
                count.take(&record.event);
                reached = reached.max(Some(record.position));
            }
            Some(LogMessage::LookedThrough(place)) => reached = reached.max(Some(place)),
            Some(LogMessage::CaughtUp) => return Ok(Share::All),
            Some(LogMessage::FellBehind) => {}
            None => return Ok(Share::UpTo(reached)),
        }
    }
    Ok(Share::All)
}

/// In words; `None`: all of it.
fn share_of(share: Share, after: Option<LogPosition>, end: LogPosition) -> Option<String> {
    let Share::UpTo(reached) = share else {
        return None;
    };
    let commit = |place: Option<LogPosition>| place.map_or(0, |place| place.commit);
    let whole = end.commit.saturating_sub(commit(after)).max(1);
    let part = commit(reached).saturating_sub(commit(after));
    let percent = u128::from(part) * 100 / u128::from(whole);
    Some(match percent {
        0 => "less than 1 %".to_owned(),
        percent => format!("the first {percent} %"),
    })
}

fn told(name: &str, count: &Count<'_>, policy: OnMissingHistory, share: Option<String>) -> Finding {
    let (least, of) = match &share {
        None => ("", "the log that is left".to_owned()),
        Some(share) => ("at least ", format!("{share} of the log that is left")),
    };
    let looked = format!("looked through {of}");
    let streams = count.lacking.len();
    let plural = |number: u64| if number == 1 { "" } else { "s" };
    let missing = count.placeholders;
    if missing == 0 {
        return Fine(format!("{name}: {looked}: no history is missing there"));
    }
    let events = format!(
        "{least}{missing} event{} of {least}{streams} stream{} {} gone",
        plural(missing),
        plural(streams as u64),
        if missing == 1 { "is" } else { "are" }
    );
    match policy {
        OnMissingHistory::Fill => Fine(format!(
            "{name}: {looked}: {events}; ditto will write a placeholder for each that the destination lacks"
        )),
        OnMissingHistory::Park => Warning(format!(
            "{name}: {looked}: {events}; ditto will hold each of these streams (on_missing_history = \"fill\" writes \
             placeholders instead)"
        )),
        OnMissingHistory::Stop => Warning(format!(
            "{name}: {looked}: {events}; ditto will stop the mirror (on_missing_history = \"stop\")"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(stream: &str, revision: u64) -> Event {
        Event {
            id: Uuid::nil(),
            stream: stream.into(),
            revision,
            event_type: "t".into(),
            is_json: true,
            data: bytes::Bytes::new(),
            metadata: bytes::Bytes::new(),
            created: 0,
        }
    }

    #[test]
    fn only_what_is_surely_gone_is_counted() {
        let filter: StreamFilter = "+*\n-b*".parse().unwrap();
        for (from_beginning, placeholders, streams) in [(true, 5 + 2 + 1, 2), (false, 2, 1)] {
            let mut count = Count::new(&filter, from_beginning);
            for (stream, revision) in [
                ("whole", 0),
                ("head", 5),
                ("whole", 1),
                ("head", 6),
                ("head", 9),
                ("later", 1),
                ("b-left-out", 7),
                ("head", TOMBSTONE_REVISION),
                ("$system", 3),
            ] {
                count.take(&event(stream, revision));
            }
            assert_eq!(count.placeholders, placeholders, "{from_beginning}");
            assert_eq!(count.lacking.len(), streams, "{from_beginning}");
        }
    }

    #[test]
    fn what_was_looked_through_is_named() {
        let at = |commit| LogPosition {
            commit,
            prepare: commit,
        };
        for (share, after, expected) in [
            (Share::All, None, None),
            (Share::UpTo(None), None, Some("less than 1 %")),
            (Share::UpTo(Some(at(9))), None, Some("less than 1 %")),
            (Share::UpTo(Some(at(500))), None, Some("the first 50 %")),
            (
                Share::UpTo(Some(at(750))),
                Some(at(500)),
                Some("the first 50 %"),
            ),
            (
                Share::UpTo(Some(at(999))),
                Some(at(999)),
                Some("less than 1 %"),
            ),
        ] {
            let named = share_of(share, after, at(1_000));
            assert_eq!(named.as_deref(), expected, "{share:?} {after:?}");
        }
    }

    #[test]
    fn each_policy_is_told_what_it_will_do() {
        let filter = StreamFilter::all();
        let mut count = Count::new(&filter, true);
        let share = || Some("the first 3 %".to_owned());
        for policy in [
            OnMissingHistory::Fill,
            OnMissingHistory::Park,
            OnMissingHistory::Stop,
        ] {
            let none = told("m", &count, policy, share());
            let text = "m: looked through the first 3 % of the log that is left: no history is missing there";
            assert_eq!(none, Fine(text.to_owned()));
        }
        count.take(&event("a", 3));
        let text = |policy, share| match told("m", &count, policy, share) {
            Fine(text) => format!("ok {text}"),
            Warning(text) => format!("warning {text}"),
            other => panic!("{other:?}"),
        };
        let gone = "looked through the first 3 % of the log that is left: at least 3 events of at least 1 stream are gone; ditto will";
        for (policy, begin, end) in [
            (
                OnMissingHistory::Fill,
                "ok m: ",
                "write a placeholder for each",
            ),
            (OnMissingHistory::Park, "warning m: ", "hold each of these"),
            (OnMissingHistory::Stop, "warning m: ", "stop the mirror"),
        ] {
            let text = text(policy, share());
            assert!(text.starts_with(&format!("{begin}{gone} {end}")), "{text}");
        }
        let all = text(OnMissingHistory::Fill, None);
        assert!(
            all.contains("the log that is left: 3 events of 1 stream are"),
            "{all}"
        );
    }
}
