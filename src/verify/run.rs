//! The run over one subscription or mirror: streams are met in the order of links or records, and compared many at once.
//!
//! Everything is bounded: pages read ahead, streams under comparison, and what is kept of those that are done. Never
//! goes on after a server was given up: what was compared until then stays.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::class::Finding;
use super::links::{self, Link, Met};
use super::log;
use super::outcome::Outcome;
use super::point::{Cursor, Point};
use super::prepare::prepare;
use super::reading::Failure;
use super::seen::Fingerprint;
use super::stream::{self, Context};
use crate::config::settings::PipelineSettings;
use crate::eventstore::client::Client;
use ditto_core::event::StreamName;

/// Streams compared at once; fewer where events are large ([`Room`]).
const STREAMS_AT_ONCE: usize = 16;

/// Pages of links that wait.
const PAGES_AHEAD: usize = 2;

const PROGRESS_EVERY: Duration = Duration::from_millis(250);
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// What to compare.
#[derive(Clone, Debug)]
pub struct Job {
    /// What is compared: the streams that a group delivers, or those of a mirror.
    pub settings: PipelineSettings,
    /// Where the events come from.
    pub source: Client,
    /// Where they went.
    pub destination: Client,
    /// Only these; empty: all that the subscription links to, or that the mirror wants.
    pub streams: Vec<StreamName>,
    /// What to leave out.
    pub scope: Scope,
}

/// What to leave out of a large store.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scope {
    /// Only events that were stored from this time on: ticks of 100 ns since 1970.
    pub since: Option<i64>,
    /// Only this part of the streams, between 0 and 1.
    pub sample: Option<f64>,
    /// At most so many events a second.
    pub rate: Option<u32>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Numbers of the subscription's stream that are done, or bytes of the log, of `of`.
    pub done: u64,
    /// All of them.
    pub of: u64,
    /// Events that were compared so far, each once.
    pub events: u64,
    /// Streams that were compared so far.
    pub streams: u64,
}

/// Told what happens. Must be quick.
pub trait Watcher: Send {
    /// Some events are not simply equal or behind.
    fn finding(&mut self, finding: &Finding);
    /// It goes on.
    fn progress(&mut self, progress: Progress);
    /// What an operator should know.
    fn note(&mut self, text: &str);
    /// A good moment to keep the point.
    fn save(&mut self, point: &Point);
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All was compared.
    Complete,
    /// It was told to stop.
    Interrupted,
    /// A server was given up.
    Failed(String),
}

/// Goes on from `point` to the end.
pub async fn run(
    job: &Job,
    point: &mut Point,
    watcher: &mut dyn Watcher,
    stop: &mut watch::Receiver<bool>,
) -> End {
    if *stop.borrow_and_update() {
        return End::Interrupted;
    }
    let running = async {
        let context = prepare(job, point, watcher).await?;
        Ok::<_, Failure>(Run::new(job, point, watcher, context).await)
    };
    let running = tokio::select! {
        running = running => running,
        () = stopped(stop) => return End::Interrupted,
    };
    let mut running = match running {
        Ok(running) => running,
        Err(failure) => return End::Failed(failure.text().to_owned()),
    };
    tokio::select! {
        end = running.go() => match end {
            Ok(()) => {
                point.is_complete = true;
                End::Complete
            }
            Err(failure) => End::Failed(failure.text().to_owned()),
        },
        () = stopped(stop) => End::Interrupted,
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone can stop nothing any more.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A stream to compare.
#[derive(Debug)]
struct Wanted {
    place: Cursor,
    fingerprint: Fingerprint,
    stream: StreamName,
    from: u64,
}

/// A stream that was compared.
type Compared = (Wanted, Result<Outcome, Failure>);

struct Run<'r> {
    point: &'r mut Point,
    watcher: &'r mut dyn Watcher,
    scope: Scope,
    context: Arc<Context>,
    waiting: VecDeque<Wanted>,
    comparing: JoinSet<Compared>,
    /// Reads links or the log ahead. Ends with this value.
    _reading: JoinSet<()>,
    pages: Option<mpsc::Receiver<Result<Met, Failure>>>,
    events: u64,
}

impl<'r> Run<'r> {
    async fn new(
        job: &Job,
        point: &'r mut Point,
        watcher: &'r mut dyn Watcher,
        context: Context,
    ) -> Self {
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        let mut reading = JoinSet::new();
        let mut waiting = VecDeque::new();
        let mut has_pages = false;
        if job.streams.is_empty() {
            if let Some(end) = point.end {
                read_ahead(&mut reading, job, &context, (point.next, end), sender);
                has_pages = true;
            }
        } else {
            for (number, stream) in job.streams.iter().enumerate() {
                let place = Cursor::number(number as u64);
                let fingerprint = Fingerprint::of(stream);
                if point.meet(place, fingerprint) {
                    waiting.push_back(Wanted {
                        place,
                        fingerprint,
                        stream: stream.clone(),
                        from: 0,
                    });
                }
            }
        }
        Self {
            point,
            watcher,
            scope: job.scope,
            context: Arc::new(context),
            waiting,
            comparing: JoinSet::new(),
            _reading: reading,
            pages: has_pages.then_some(pages),
            events: 0,
        }
    }

    async fn go(&mut self) -> Result<(), Failure> {
        let mut progress = tokio::time::interval(PROGRESS_EVERY);
        let mut save = tokio::time::interval(SAVE_EVERY);
        loop {
            self.begin();
            let wants_pages = self.waiting.is_empty();
            if wants_pages && self.pages.is_none() && self.comparing.is_empty() {
                self.tell_progress();
                return Ok(());
            }
            tokio::select! {
                Some(compared) = self.comparing.join_next() => match compared {
                    Ok(compared) => self.compared(compared)?,
                    Err(error) => return Err(Failure::Unreachable(format!("a comparison failed: {error}"))),
                },
                page = next_page(self.pages.as_mut()), if wants_pages => match page {
                    Some(page) => self.meet(page?),
                    None => self.pages = None,
                },
                _ = progress.tick() => self.tell_progress(),
                _ = save.tick() => self.watcher.save(self.point),
            }
        }
    }

    /// Begins as many comparisons as may run.
    fn begin(&mut self) {
        while self.comparing.len() < STREAMS_AT_ONCE {
            let Some(wanted) = self.waiting.pop_front() else {
                return;
            };
            let context = self.context.clone();
            self.comparing.spawn(async move {
                let outcome = stream::compare(context, wanted.stream.clone(), wanted.from).await;
                (wanted, outcome)
            });
        }
    }

    fn meet(&mut self, met: Met) {
        for link in met.streams {
            let Link {
                place,
                fingerprint,
                stream,
                revision,
            } = link;
            if !self.point.meet(place, fingerprint) {
                continue;
            }
            if self.is_left_out(fingerprint) {
                self.point.close(place, fingerprint);
                self.point.tally.left_out_streams += 1;
                continue;
            }
            // Only with `--since` is what lies before the first link left out.
            let from = self.scope.since.and(revision).unwrap_or_default();
            self.waiting.push_back(Wanted {
                place,
                fingerprint,
                stream,
                from,
            });
        }
        if let Some(text) = met.not_seen {
            self.point.tally.refused += 1;
            self.watcher.note(&text);
        }
        self.point.tally.left_out_links += met.left_out;
        self.point.next = met.next;
    }

    fn is_left_out(&self, fingerprint: Fingerprint) -> bool {
        self.scope.sample.is_some_and(|part| {
            let lot = f64::from(fingerprint.lot(self.point.salt)) / f64::from(u32::MAX);
            lot > part
        })
    }

    fn compared(&mut self, (wanted, outcome): Compared) -> Result<(), Failure> {
        match outcome {
            Ok(outcome) => {
                self.events += outcome.read;
                for finding in self.point.absorb(outcome, wanted.from) {
                    self.watcher.finding(&finding);
                }
            }
            Err(Failure::Refused(text)) => {
                self.point.tally.refused += 1;
                self.watcher
                    .note(&format!("{}: not compared: {text}", wanted.stream));
            }
            Err(failure) => return Err(failure),
        }
        self.point.close(wanted.place, wanted.fingerprint);
        Ok(())
    }

    fn tell_progress(&mut self) {
        let begin = self.point.begin.unwrap_or_default();
        let end = self.point.end.map_or(0, |end| end + 1);
        self.watcher.progress(Progress {
            done: self.point.resume_at().at.min(end).saturating_sub(begin),
            of: end.saturating_sub(begin),
            events: self.events,
            streams: self.point.tally.compared,
        });
    }
}

/// Starts reading what leads to streams, from `next` to `end`.
fn read_ahead(
    reading: &mut JoinSet<()>,
    job: &Job,
    context: &Context,
    (next, end): (Cursor, u64),
    to: mpsc::Sender<Result<Met, Failure>>,
) {
    let source = context.source.clone();
    match &job.settings {
        PipelineSettings::Subscription(subscription) => {
            let stream = subscription.stream.clone();
            reading.spawn(links::read(source, stream, next.at, end, to));
        }
        PipelineSettings::Mirror(mirror) => {
            let wanted = log::Wanted {
                filter: mirror.filter.clone(),
                since: job.scope.since,
                end,
            };
            reading.spawn(log::read(source, wanted, next, to));
        }
    }
}

async fn next_page(
    pages: Option<&mut mpsc::Receiver<Result<Met, Failure>>>,
) -> Option<Result<Met, Failure>> {
    match pages {
        Some(pages) => pages.recv().await,
        None => std::future::pending().await,
    }
}
