//! What a run has to know before it compares anything: how far the copy is, and where what leads to streams ends.
//!
//! Never reads a stream that is compared.

use tokio::time::sleep;

use super::backlog::{Backlog, mirror as backlog_of_mirror};
use super::by_ids::Part;
use super::exact::Links;
use super::links;
use super::log;
use super::point::{Cursor, Point};
use super::reading::{Failure, PAUSES, Pace, Reader};
use super::room::Room;
use super::run::{Job, Watcher};
use super::stream::Context;
use crate::config::settings::{MirrorSettings, PipelineSettings, SubscriptionSettings};
use crate::source::persistent::{Refusal, Subscription};
use ditto_core::port::{GroupSeen, JoinRefusal};

/// Looks at what copies, and at the end of what leads to streams.
pub(super) async fn prepare(
    job: &Job,
    point: &mut Point,
    watcher: &mut dyn Watcher,
) -> Result<Context, Failure> {
    match &job.settings {
        PipelineSettings::Subscription(settings) => {
            subscription(job, settings, point, watcher).await
        }
        PipelineSettings::Mirror(settings) => mirror(job, settings, point, watcher).await,
    }
}

/// Looks at the group and at the ends of its stream.
async fn subscription(
    job: &Job,
    settings: &SubscriptionSettings,
    point: &mut Point,
    watcher: &mut dyn Watcher,
) -> Result<Context, Failure> {
    let source = Reader::new(job.source.clone());
    let stream = &settings.stream;
    let group = group(job, settings, watcher).await?;
    let (backlog, notes) = Backlog::lookup(&source, settings, group.as_ref()).await?;
    notes.iter().for_each(|note| watcher.note(note));
    if point.end.is_none() && job.streams.is_empty() {
        point.end = source.last(stream).await?;
        if let (Some(end), Some(created)) = (point.end, job.scope.since) {
            let begin = links::since(&source, stream, created, end).await?;
            point.next = Cursor::number(begin);
            point.begin = Some(begin);
            point.tally.left_out_links = begin;
        }
    }
    let links = if stream.holds_links() {
        Links::Projected
    } else {
        Links::All
    };
    let by_ids = settings.replication.skip_version_check;
    Ok(Context {
        links,
        by_ids: by_ids.then(|| Part::of(stream)),
        ..context(job, source, backlog)
    })
}

/// Looks at the checkpoint, then at the end of the log: what comes in between is behind.
async fn mirror(
    job: &Job,
    settings: &MirrorSettings,
    point: &mut Point,
    watcher: &mut dyn Watcher,
) -> Result<Context, Failure> {
    let source = Reader::new(job.source.clone());
    let (backlog, note) = backlog_of_mirror::lookup(&source, &job.destination, settings).await?;
    note.iter().for_each(|note| watcher.note(note));
    if point.end.is_none() && job.streams.is_empty() {
        point.end = log::end(&source).await?;
    }
    Ok(context(job, source, backlog))
}

fn context(job: &Job, source: Reader, backlog: Backlog) -> Context {
    Context {
        source,
        destination: Reader::new(job.destination.clone()),
        backlog,
        links: Links::All,
        pace: Pace::new(job.scope.rate),
        room: Room::new(),
        may_ask: !job.settings.replication().read_only,
        by_ids: None,
    }
}

/// The group as it is; `None` if there is none yet.
async fn group(
    job: &Job,
    settings: &SubscriptionSettings,
    watcher: &mut dyn Watcher,
) -> Result<Option<GroupSeen>, Failure> {
    let subscription = Subscription::new(job.source.clone(), settings.clone());
    match seen(&subscription).await {
        Ok(seen) => Ok(Some(seen)),
        Err(refusal) if refusal.why == JoinRefusal::Missing => Ok(None),
        Err(refusal) if refusal.why == JoinRefusal::Denied => {
            watcher.note(&format!(
                "{}: the group's progress is not known: {}",
                settings.key(),
                refusal.text
            ));
            Ok(None)
        }
        Err(refusal) => Err(Failure::Unreachable(refusal.text)),
    }
}

/// Looks at the group, again where the source may answer soon, like every read of a comparison.
async fn seen(subscription: &Subscription) -> Result<GroupSeen, Refusal> {
    for pause in PAUSES {
        match subscription.lookup().await {
            Err(refusal) if refusal.why == JoinRefusal::Unavailable => sleep(pause).await,
            seen => return seen,
        }
    }
    subscription.lookup().await
}
