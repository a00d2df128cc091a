//! `ditto verify`: is the destination a copy of the source, as far as the subscriptions and mirrors go?
//!
//! Exit codes: 0 it is, 1 something is different or missing (with `--strict` also held or behind), 2 not everything could be compared or proven. Never writes
//! to a server (an append that asks whose a stream is cannot succeed in writing), and only where a repair is asked for does anything here lead to a write.

mod progress;
mod repair;
mod select;
mod show;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::select::{Selected, select};
use self::show::Shown;
use super::{ConfigurationFile, Exit, complain};
use crate::config::cluster::ClusterSettings;
use crate::config::settings::{Destination, Settings};
use crate::daemon::{Control, watch_signals};
use crate::eventstore::Side;
use crate::eventstore::client::Client;
use crate::verify::{self, End, Job, Point, Scope, resume};

/// Options of the command.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Only this subscription: its stream, or STREAM::GROUP. Can be given several times.
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Vec<String>,
    /// Only this mirror, by its name. Can be given several times.
    #[arg(long, value_name = "NAME")]
    mirror: Vec<String>,
    /// Only this stream. Can be given several times.
    #[arg(long, value_name = "STREAM", conflicts_with_all = ["since", "sample", "resume"])]
    stream: Vec<String>,
    /// Only events that the source stored this long ago or later.
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    since: Option<Duration>,
    /// Only this part of the streams, chosen at random.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    sample: Option<f64>,
    /// Compare at most this many events a second, to spare the servers.
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// File that keeps how far the comparison is; if it exists, the comparison continues from there.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Also count streams that are held, parked or behind as failures: exit code 1 unless everything is copied.
    #[arg(long)]
    strict: bool,
    /// Print JSON lines: each finding as it is made, and a summary.
    #[arg(long)]
    json: bool,
    /// Append the events missing at the end of streams, after showing them and asking. Never overwrites or deletes.
    #[arg(long, conflicts_with = "resume")]
    repair: bool,
    /// Do not ask before a repair.
    #[arg(long, requires = "repair")]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    let settings = match super::settings(&arguments.file) {
        Ok(settings) => settings,
        Err(exit) => return exit,
    };
    let Some(destination) = event_store(&settings) else {
        complain(
            "the destination is a Kinesis data stream, which cannot be read back by stream and revision: there is nothing \
             to verify against",
        );
        return Exit::Configuration;
    };
    let selected = match select(&settings, arguments) {
        Ok(selected) => selected,
        Err(text) => {
            complain(&text);
            return Exit::Usage;
        }
    };
    let clients = (settings.source.clone(), destination.clone());
    let outcome = super::block_on(async {
        let stop = Stop::on_signals()?;
        compare(arguments, selected, clients, stop).await
    });
    outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        Exit::Incomplete
    })
}

/// The destination, if it is one that can be compared.
pub(super) fn event_store(settings: &Settings) -> Option<&ClusterSettings> {
    match &settings.destination {
        Destination::EventStore(cluster) => Some(cluster),
        Destination::Kinesis(_) => None,
    }
}

async fn compare(
    arguments: &Arguments,
    selected: Selected,
    (source, destination): (ClusterSettings, ClusterSettings),
    mut stop: Stop,
) -> anyhow::Result<Exit> {
    let mut scope = Scope {
        since: arguments.since.map(ticks_ago),
        sample: arguments.sample,
        rate: arguments.rate,
    };
    let keys: Vec<_> = selected.iter().map(|(one, _)| one.key()).collect();
    let mut points: Vec<Point> = keys.iter().cloned().map(Point::new).collect();
    if let Some(file) = arguments.resume.as_deref().filter(|file| file.exists()) {
        (scope, points) = resume::load(file, &scope, &keys)?;
    }
    for point in &mut points {
        point.keeps_repairs = arguments.repair;
        point.is_strict = arguments.strict;
    }
    let source = Client::connect(Side::Source, source);
    let destination = Client::connect(Side::Destination, destination);
    let began = Instant::now();
    let shown = Shown::new(arguments, scope);
    shown.begin(&points)?;
    let mut end = End::Complete;
    for at in 0..points.len() {
        if points[at].is_complete {
            continue;
        }
        let (settings, streams) = selected[at].clone();
        let job = Job {
            settings,
            source: source.clone(),
            destination: destination.clone(),
            streams,
            scope,
        };
        let (before, rest) = points.split_at_mut(at);
        let Some((point, behind)) = rest.split_first_mut() else {
            break;
        };
        let mut watcher = shown.watch(&job, before, behind);
        end = verify::run(&job, point, &mut watcher, stop.asked()).await;
        if end != End::Complete {
            break;
        }
    }
    let exit = shown.finish(&points, &end, began.elapsed())?;
    if !arguments.repair || end != End::Complete {
        return Ok(exit);
    }
    let clients = (source, destination);
    let pipelines = selected.into_iter().map(|(pipeline, _)| pipeline);
    let work: Vec<_> = pipelines.zip(points).collect();
    repair::repair(arguments, exit, work, clients, &mut stop).await
}

/// Told to stop by Ctrl-C or SIGTERM.
pub(super) struct Stop {
    asked: watch::Receiver<bool>,
    _tasks: JoinSet<()>,
}

impl Stop {
    /// From now on.
    pub(super) fn on_signals() -> anyhow::Result<Self> {
        let (mut control, forward) = watch_signals().context("failed to handle signals")?;
        let (stop, asked) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(forward);
        tasks.spawn(async move {
            while let Some(control) = control.recv().await {
                if control == Control::Stop {
                    stop.send_replace(true);
                }
            }
        });
        Ok(Self {
            asked,
            _tasks: tasks,
        })
    }

    /// True once it is asked.
    pub(super) fn asked(&mut self) -> &mut watch::Receiver<bool> {
        &mut self.asked
    }
}

/// That long ago, in the servers' measure: ticks of 100 ns since 1970.
fn ticks_ago(ago: Duration) -> i64 {
    let then = SystemTime::now().checked_sub(ago);
    let since = then.and_then(|then| then.duration_since(SystemTime::UNIX_EPOCH).ok());
    i64::try_from(since.unwrap_or_default().as_nanos() / 100).unwrap_or(i64::MAX)
}

fn percent(text: &str) -> Result<f64, String> {
    let form = "expected a percentage above 0 and up to 100, such as 5%";
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    match number.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err(form.to_owned()),
    }
}
