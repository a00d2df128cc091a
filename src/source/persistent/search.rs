//! Which events a category linked before its first readable link: found in the source's log (protocol §6.2, §15.6).
//!
//! Only searches where the log shows that `$by_category` takes the text before the first `-`: what it would find
//! otherwise nobody subscribed to. Never copies anything.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::eventstore::Error;
use crate::eventstore::client::{
    Client, Direction, LogFilter, LogRecord, LogStart, ReadLog, ReadStream, StartAt, Unread, notes,
};
use ditto_core::SEARCH_TIME;
use ditto_core::event::{Event, StreamName, TOMBSTONE_REVISION};
use ditto_core::port::{LogPage, LogPosition};

/// Records of a page: a stream and a revision of each are held.
const PAGE: u64 = 500;

/// The newest links that show how categories are named.
const EVIDENCE: u64 = 200;

/// Which events of the log a stream of links is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of streams of this category: `$ce-`.
    Category(String),
    /// Those of this type: `$et-`.
    Type(String),
}

/// How `$by_category` names categories, as far as its links show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// There is no link.
    Unknown,
    /// By the text before a `-`; no link tells whether before the first or before the last one.
    Dash,
    /// By the text before the first `-`.
    First,
    /// In another way.
    Other,
}

impl Scope {
    /// The events behind the links of this stream; `None` if the log does not tell them from others.
    #[must_use]
    pub fn of(stream: &StreamName) -> Option<Self> {
        let name = stream.as_str();
        let category = name.strip_prefix("$ce-").map(str::to_owned);
        let by_type = || name.strip_prefix("$et-").map(str::to_owned);
        category
            .map(Self::Category)
            .or_else(|| by_type().map(Self::Type))
    }

    fn filter(&self) -> LogFilter {
        match self {
            Self::Category(category) => LogFilter::Streams(format!("{category}-")),
            Self::Type(event_type) => LogFilter::Types(event_type.clone()),
        }
    }

    /// Whether a projection links the event (protocol §6.2).
    fn links(&self, event: &Event) -> bool {
        let is_json = || serde_json::from_slice::<IgnoredAny>(&event.data).is_ok();
        let is_type = match self {
            Self::Category(_) => true,
            Self::Type(event_type) => *event.event_type == **event_type,
        };
        is_type
            && !event.stream.is_system()
            && event.revision < TOMBSTONE_REVISION
            && (!event.is_json || is_json())
    }
}

/// One page of what `stream` linked before its first readable link, from `after` on.
pub async fn search(client: &Client, stream: &StreamName, after: Option<LogPosition>) -> LogPage {
    let Some(scope) = Scope::of(stream) else {
        let why = "only categories ($ce-) and event types ($et-) can be searched for in the log";
        return LogPage::Unsearchable(why.to_owned());
    };
    let searched = async {
        let end = first_link(client, stream).await?;
        page(client, &scope, after, end).await
    };
    match searched.await {
        Ok(page) => page,
        Err(error) if Unread::of(&error) == Unread::Denied => LogPage::Unsearchable(
            "the source's user has no permission to read $all (grant read in the metadata of $all)"
                .to_owned(),
        ),
        Err(_) => LogPage::Failed,
    }
}

/// The position in the log of what the first readable link points to: everything before it was linked before it.
async fn first_link(client: &Client, stream: &StreamName) -> Result<Option<u64>, Error> {
    let read = ReadStream {
        stream: stream.clone(),
        start: StartAt::Start,
        direction: Direction::Forwards,
        count: 1,
        resolve_links: false,
        max_bytes: usize::MAX,
    };
    let link = client.read_stream(read).await?.into_first_event();
    Ok(link.and_then(|link| notes::<Notes>(&link.metadata).commit))
}

async fn page(
    client: &Client,
    scope: &Scope,
    after: Option<LogPosition>,
    end: Option<u64>,
) -> Result<LogPage, Error> {
    let naming = match scope {
        Scope::Category(_) => naming(client).await?,
        Scope::Type(_) => Naming::First,
    };
    let read = ReadLog {
        start: after.map_or(LogStart::Beginning, LogStart::At),
        filter: scope.filter(),
        count: PAGE,
        patience: SEARCH_TIME,
    };
    let keep = |record: LogRecord| {
        let wanted = scope.links(&record.event).then_some(record.event);
        let found = wanted.map(|event| (event.stream, event.revision));
        (record.position, found)
    };
    let page = client.read_log(&read, keep).await?;
    let last = page.last.filter(|last| Some(*last) != after);
    let is_before = |position: &LogPosition| end.is_none_or(|end| position.commit < end);
    let found: Vec<_> = page
        .records
        .into_iter()
        .filter(|(position, _)| is_before(position) && Some(*position) != after)
        .filter_map(|(_, found)| found)
        .collect();
    if let Some(why) = unclear(naming, &found) {
        return Ok(LogPage::Unsearchable(why));
    }
    let next = last.filter(|last| !page.ended && is_before(last));
    Ok(LogPage::Events { found, next })
}

/// Why these may not be streams of the category.
fn unclear(naming: Naming, found: &[(StreamName, u64)]) -> Option<String> {
    let dashes = |name: &StreamName| name.as_str().matches('-').count();
    match naming {
        Naming::First => None,
        Naming::Dash => {
            let (name, _) = found.iter().find(|(name, _)| dashes(name) > 1)?;
            Some(format!(
                "no link shows whether the projection $by_category puts stream {name} into this category"
            ))
        }
        Naming::Unknown => Some("no link shows how $by_category names categories".to_owned()),
        Naming::Other => Some(
            "$by_category does not name categories by the text before the first \"-\"".to_owned(),
        ),
    }
}

/// What the newest links of all categories show.
async fn naming(client: &Client) -> Result<Naming, Error> {
    let read = ReadLog {
        start: LogStart::End,
        filter: LogFilter::Streams("$ce-".to_owned()),
        count: EVIDENCE,
        patience: SEARCH_TIME,
    };
    let keep = |record: LogRecord| shown_by(&record.event);
    let page = client.read_log(&read, keep).await?;
    Ok(page.records.into_iter().max().unwrap_or(Naming::Unknown))
}

/// What one link of a category shows.
pub(super) fn shown_by(link: &Event) -> Naming {
    let Some(origin) = notes::<Notes>(&link.metadata).origin else {
        return Naming::Unknown;
    };
    let Some(category) = link.stream.as_str().strip_prefix("$ce-") else {
        return Naming::Unknown;
    };
    let rest = origin
        .strip_prefix(category)
        .and_then(|rest| rest.strip_prefix('-'));
    match rest {
        None => Naming::Other,
        Some(_) if category.contains('-') => Naming::Other,
        Some(rest) if rest.contains('-') => Naming::First,
        Some(_) => Naming::Dash,
    }
}

/// What the projection notes in a link's metadata.
#[derive(Default, Deserialize)]
struct Notes {
    #[serde(rename = "$c", default)]
    commit: Option<u64>,
    #[serde(rename = "$o", default)]
    origin: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::{Naming, Scope, shown_by, unclear};
    use bytes::Bytes;
    use ditto_core::event::{Event, StreamName};
    use uuid::Uuid;

    fn record(stream: &str, metadata: String) -> Event {
        Event {
            id: Uuid::nil(),
            stream: stream.into(),
            revision: 0,
            event_type: "$>".into(),
            is_json: false,
            data: Bytes::new(),
            metadata: metadata.into(),
            created: 0,
        }
    }

    #[test]
    fn links_show_how_categories_are_named() {
        for (category, origin, shown) in [
            ("a", "a-1", Naming::Dash),
            ("a", "a-", Naming::Dash),
            ("a", "a-b-c", Naming::First),
            ("a-b", "a-b-c", Naming::Other),
            ("a", "a:1", Naming::Other),
            ("a", "b-1", Naming::Other),
        ] {
            let metadata = format!(r#"{{"$v":"3:-1:1:4","$c":7,"$p":7,"$o":"{origin}"}}"#);
            let link = record(&format!("$ce-{category}"), metadata);
            assert_eq!(shown_by(&link), shown, "{category} {origin}");
        }
        assert_eq!(shown_by(&record("$ce-a", String::new())), Naming::Unknown);
    }

    #[test]
    fn one_other_naming_outweighs_all_that_fits() {
        let shown = [Naming::First, Naming::Other, Naming::Dash];
        assert_eq!(shown.into_iter().max(), Some(Naming::Other));
        let shown = [Naming::Dash, Naming::First, Naming::Unknown];
        assert_eq!(shown.into_iter().max(), Some(Naming::First));
    }

    #[test]
    fn streams_with_several_dashes_need_proof() {
        let plain = vec![(StreamName::from("a-1"), 0)];
        let dashed = vec![(StreamName::from("a-1-2"), 0)];
        for (naming, found, is_unclear) in [
            (Naming::First, &dashed, false),
            (Naming::Dash, &plain, false),
            (Naming::Dash, &dashed, true),
            (Naming::Unknown, &plain, true),
            (Naming::Other, &plain, true),
        ] {
            assert_eq!(unclear(naming, found).is_some(), is_unclear, "{naming:?}");
        }
    }

    #[test]
    fn only_what_a_projection_links_is_found() {
        let event = |stream: &str, event_type: &str, is_json: bool, data: &'static str| Event {
            event_type: event_type.into(),
            is_json,
            data: Bytes::from_static(data.as_bytes()),
            ..record(stream, String::new())
        };
        let category = Scope::of(&"$ce-a".into()).unwrap();
        let by_type = Scope::of(&"$et-t".into()).unwrap();
        for (scope, event, linked) in [
            (&category, event("a-1", "t", true, "{}"), true),
            (&category, event("a-1", "t", true, ""), false),
            (&category, event("a-1", "t", false, ""), true),
            (&by_type, event("a-1", "t", true, "{}"), true),
            (&by_type, event("a-1", "t2", true, "{}"), false),
            (&by_type, event("$x", "t", true, "{}"), false),
        ] {
            assert_eq!(scope.links(&event), linked, "{scope:?} {event:?}");
        }
        assert_eq!(Scope::of(&"$bc-1".into()), None);
    }
}
