//! A comparison of both sides by ditto itself, and everything that it told.

use ditto::config::settings::PipelineSettings;
use ditto::eventstore::Side;
use ditto::verify::{self, End, Finding, Job, Point, Progress, Scope, Watcher};
use tokio::sync::watch;

use super::servers::client;
use support::servers::Servers;

/// What it told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<String>,
    pub(crate) progress: Vec<Progress>,
}

impl Watcher for Told {
    fn finding(&mut self, finding: &Finding) {
        self.findings.push(finding.clone());
    }

    fn progress(&mut self, progress: Progress) {
        self.progress.push(progress);
    }

    fn note(&mut self, text: &str) {
        self.notes.push(text.to_owned());
    }

    fn save(&mut self, _point: &Point) {}
}

/// All streams of a subscription or a mirror, or what else the change makes of it.
pub(crate) fn job(
    servers: &Servers,
    settings: &(impl Clone + Into<PipelineSettings>),
    change: impl FnOnce(&mut Job),
) -> Job {
    let mut job = Job {
        settings: settings.clone().into(),
        source: client(Side::Source, &servers.source),
        destination: client(Side::Destination, &servers.destination),
        streams: Vec::new(),
        scope: Scope::default(),
    };
    change(&mut job);
    job
}

/// Compares to the end.
pub(crate) async fn run(job: &Job) -> (End, Point, Told) {
    let (_stop, mut asked) = watch::channel(false);
    let mut point = Point::new(job.settings.key());
    point.keeps_repairs = true;
    let mut reported = Told::default();
    let end = verify::run(job, &mut point, &mut reported, &mut asked).await;
    (end, point, reported)
}

/// Compares all: a server that was given up in between is told, and not taken for a count that is too low.
pub(crate) async fn complete(job: &Job) -> (Point, Told) {
    let (end, point, reported) = run(job).await;
    assert_eq!(end, End::Complete, "{reported:?}");
    (point, reported)
}
