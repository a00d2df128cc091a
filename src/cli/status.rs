//! `ditto status`: how is the running daemon?
//!
//! Asks over HTTP, at the configured address or another. Never reads more of the configuration than that address.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::StatusCode;
use indicatif::HumanBytes;
use tokio::time::{Instant, sleep};

use super::daemon::{Address, answer, ask};
use super::table::Side;
use super::{Exit, complain_lines, say_json, say_lines};
use crate::escape;
use crate::http::report::{Report, SubscriptionReport};

const POLL: Duration = Duration::from_millis(500);

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    address: Address,
    /// Print the whole report as JSON.
    #[arg(long)]
    json: bool,
    /// Wait until every subscription and mirror has caught up; fails if a stream is held
    #[arg(long, value_name = "STATE")]
    wait: Option<Wait>,
    /// Only check whether the process works (/healthz), as a container's health check does: an unreachable server is no
    /// failure.
    #[arg(long, conflicts_with_all = ["json", "wait"])]
    health: bool,
    /// Give up waiting after this long.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = super::duration, requires = "wait")]
    timeout: Duration,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Wait {
    /// Lag 0 and nothing in flight, everywhere.
    CaughtUp,
}

pub(super) fn run(arguments: &Arguments) -> Exit {
    super::daemon::run(&arguments.address, async |address| {
        ask_and_show(arguments, address).await
    })
}

async fn ask_and_show(arguments: &Arguments, address: &str) -> anyhow::Result<Exit> {
    if arguments.health {
        return health(address).await;
    }
    let (report, failure) = match arguments.wait {
        None => {
            let report = ask(address).await?;
            let failure = complaints(&report);
            (report, failure)
        }
        Some(Wait::CaughtUp) => wait_caught_up(address, arguments.timeout).await?,
    };
    if arguments.json {
        say_json(&serde_json::to_string_pretty(&report).context("failed to write the report")?);
    } else {
        say_lines(&shown(&report));
    }
    if failure.is_empty() {
        return Ok(Exit::Ok);
    }
    complain_lines(&escaped(&failure).join("\n"));
    Ok(Exit::Failed)
}

fn escaped(lines: &[String]) -> Vec<Cow<'_, str>> {
    lines.iter().map(|line| escape::line(line)).collect()
}

/// What is not as it should be.
fn complaints(report: &Report) -> Vec<String> {
    let mut all = report.unhealthy.clone();
    all.extend(report.unready.iter().cloned());
    all.extend(report.subscriptions.iter().filter_map(held));
    if let Some(reload) = &report.last_reload {
        let refused = |problem| format!("the last reload was refused: {problem}");
        all.extend(reload.problems.iter().map(refused));
    }
    all
}

/// How many streams of a subscription are held; `None` if none is.
fn held(one: &SubscriptionReport) -> Option<String> {
    let streams = if one.held == 1 { "stream" } else { "streams" };
    (one.held > 0).then(|| format!("{}::{}: {} {streams} held", one.stream, one.group, one.held))
}

/// Asks until everything is copied; a report counts only if its readings are younger than the wait.
async fn wait_caught_up(address: &str, limit: Duration) -> anyhow::Result<(Report, Vec<String>)> {
    let began = Instant::now();
    loop {
        let report = match ask(address).await {
            Ok(report) => report,
            // It may be starting.
            Err(error) if began.elapsed() >= limit => return Err(error),
            Err(_) => {
                sleep(POLL).await;
                continue;
            }
        };
        let waited = began.elapsed().as_secs_f64();
        let behind: Vec<String> = report
            .subscriptions
            .iter()
            .filter_map(|one| behind(one, waited))
            .collect();
        if behind.is_empty() {
            // A held stream is caught up with only as far as it is copied.
            let held = report.subscriptions.iter().filter_map(held).collect();
            return Ok((report, held));
        }
        if began.elapsed() >= limit {
            return Ok((report, behind));
        }
        sleep(POLL).await;
    }
}

/// Why a subscription has not caught up; `None` if it has.
fn behind(one: &SubscriptionReport, waited: f64) -> Option<String> {
    let name = format!("{}::{}", one.stream, one.group);
    if one.state != "running" {
        return Some(
            format!("{name}: {} {}", one.state, one.reason)
                .trim_end()
                .to_owned(),
        );
    }
    let is_recent = one.looked_seconds_ago.is_some_and(|ago| ago < waited);
    if let Some(caught_up) = one.caught_up.filter(|_| is_recent) {
        return (!caught_up).then(|| format!("{name}: not caught up yet"));
    }
    match (one.lag_events, one.looked_seconds_ago) {
        (Some(lag), _) if lag > 0 => Some(format!("{name}: lag of {lag} events")),
        (Some(_), Some(ago)) if ago < waited => {
            let left = one.in_flight_events.max(one.buffered_events);
            (left > 0).then(|| format!("{name}: {left} events on their way"))
        }
        _ => Some(format!("{name}: lag not known yet")),
    }
}

/// What `/healthz` answers: "ok", or a reason a line.
async fn health(address: &str) -> anyhow::Result<Exit> {
    let (status, body) = answer(address, "/healthz").await?;
    match status {
        StatusCode::OK => {
            say_lines(body.trim_end());
            Ok(Exit::Ok)
        }
        StatusCode::SERVICE_UNAVAILABLE => bail!("{}", body.trim_end()),
        _ => bail!("{address} answered {status}: check that ditto listens there"),
    }
}

/// Events of a subscription; of a mirror, the log that it has yet to look through.
fn lag(one: &SubscriptionReport) -> String {
    match (one.caught_up, one.lag_bytes, one.lag_events) {
        (Some(true), ..) => "0".to_owned(),
        (_, Some(bytes), _) => HumanBytes(bytes).to_string(),
        (.., Some(events)) => events.to_string(),
        _ => "?".to_owned(),
    }
}

/// A mirror has no parked queue; that of a subscription is not known.
fn no_queue(one: &SubscriptionReport) -> String {
    let is_mirror = one.caught_up.is_some() || one.lag_bytes.is_some();
    if is_mirror { "-" } else { "?" }.to_owned()
}

fn shown(report: &Report) -> String {
    let header = [
        "STREAM",
        "GROUP",
        "STATE",
        "COPIED",
        "LAG",
        "IN FLIGHT",
        "PARKED",
        "HELD",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    for one in &report.subscriptions {
        rows.push([
            one.stream.clone(),
            one.group.clone(),
            one.state.clone(),
            one.copied.to_string(),
            lag(one),
            one.in_flight_events.to_string(),
            one.parked
                .map_or_else(|| no_queue(one), |parked| parked.to_string()),
            one.held.to_string(),
        ]);
    }
    let mut text = format!(
        "ditto {} (pid {}), up since {}: {} → {}\n{}\n",
        escape::line(&report.version),
        report.pid,
        escape::line(&report.started),
        escape::line(&report.source),
        escape::line(&report.destination),
        escape::line(&report.summary)
    );
    if report.subscriptions.is_empty() {
        return text.trim_end().to_owned();
    }
    text.push('\n');
    text.push_str(&super::table::table(&rows, [Side::Left; 8]));
    text
}
