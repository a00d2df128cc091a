//! The whole state as one document: what `/status` shows and `ditto status` reads.
//!
//! Never holds a secret: of the configuration it knows addresses and names only.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::advice::advice;
use crate::config::settings::Settings;
use crate::status::{ProcessStatus, SubscriptionView, answers};
use ditto_core::port::Side;

/// Without a sign of life from the pipelines' runtime for this long, the process is not healthy.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Facts {
    file: String,
    source: String,
    destination: String,
    started: SystemTime,
    running_since: Instant,
}

impl Facts {
    /// Taken from the settings that the process was started with.
    #[must_use]
    pub fn new(file: &Path, settings: &Settings) -> Self {
        Self {
            file: file.display().to_string(),
            source: settings.source.nodes.addresses(),
            destination: settings.destination.address(),
            started: SystemTime::now(),
            running_since: Instant::now(),
        }
    }
}

/// The state of the process, as `/status` shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// ditto's version, as `ditto --version` prints it.
    pub version: String,
    /// Id of the process.
    pub pid: u32,
    /// Time when the process started, RFC 3339.
    pub started: String,
    /// Seconds since the process started.
    pub uptime_seconds: u64,
    /// The configuration file.
    pub file: String,
    /// Addresses of the source.
    pub source: String,
    /// Addresses of the destination.
    pub destination: String,
    /// Whether the source answers; absent if nobody calls it.
    #[serde(default)]
    pub source_answers: Option<bool>,
    /// Whether the destination answers; absent if nobody calls it.
    #[serde(default)]
    pub destination_answers: Option<bool>,
    /// The line that systemd shows.
    pub summary: String,
    /// Reasons why the process is not healthy; empty if it is.
    pub unhealthy: Vec<String>,
    /// Reasons why the process is not ready; empty if it is.
    pub unready: Vec<String>,
    /// The last reload of the configuration; absent before the first.
    #[serde(default)]
    pub last_reload: Option<ReloadReport>,
    /// Subscriptions, by stream and group.
    pub subscriptions: Vec<SubscriptionReport>,
}

/// State, lag and counts of one subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubscriptionReport {
    /// Stream of the subscription.
    pub stream: String,
    /// Group of the subscription.
    pub group: String,
    /// connecting, running, searching, retrying, standby or stopped.
    pub state: String,
    /// Reason for the state; empty if it needs none.
    pub reason: String,
    /// Seconds since the state began.
    pub state_seconds: u64,
    /// Events of the stream after the point up to which all are acknowledged; absent while that is not known.
    pub lag_events: Option<u64>,
    /// Age of the oldest event that is not acknowledged, in seconds; absent while the lag is not known.
    pub lag_seconds: Option<f64>,
    /// Bytes of the source's log after a mirror's mark; absent of a subscription, and while that is not known.
    #[serde(default)]
    pub lag_bytes: Option<u64>,
    /// Whether a mirror has copied all that the source had; absent of a subscription, and while that is not known.
    #[serde(default)]
    pub caught_up: Option<bool>,
    /// Position in the source's log up to which a mirror has copied everything; absent of a subscription, and before the first.
    #[serde(default)]
    pub mark: Option<Position>,
    /// Seconds since a mirror's last checkpoint at the destination; absent of a subscription, and before the first.
    #[serde(default)]
    pub checkpoint_seconds: Option<f64>,
    /// Seconds since the group and the stream's end, or the end of the log, were last read; absent before the first time.
    pub looked_seconds_ago: Option<f64>,
    /// Events sent to the destination and not answered.
    pub in_flight_events: usize,
    /// Events in memory, in flight or waiting.
    pub buffered_events: usize,
    /// Bytes of the events in memory.
    pub buffered_bytes: usize,
    /// Buffer size of the session; absent before the first reading.
    pub credit: Option<u32>,
    /// Highest event number up to which everything is acknowledged; absent before the first.
    pub done_up_to: Option<u64>,
    /// Last event number in the stream; absent while that is not known.
    pub last_number: Option<u64>,
    /// Events copied since the process started.
    pub copied: u64,
    /// Events copied in a second, over the last ten seconds or so.
    #[serde(default)]
    pub rate: f64,
    /// Events in the group's parked queue; absent while that is not known.
    pub parked: Option<u64>,
    /// Streams with a gap that is being read from the source now.
    pub repairs: usize,
    /// Events copied that were read from the source to close a gap, since the process started.
    #[serde(default)]
    pub repaired: u64,
    /// Number of streams that are held.
    pub held: usize,
    /// The first hundred of the held streams.
    pub held_streams: Vec<HeldStream>,
    /// Restarts after a panic or a stall.
    pub restarts: u64,
    /// Reason of the last restart; absent before the first.
    pub last_failure: Option<String>,
    /// Last error, of a server or of ditto itself; its cause might be gone.
    #[serde(default)]
    pub last_error: Option<LastError>,
    /// What the operator can do about the state.
    #[serde(default)]
    pub advice: Vec<String>,
}

/// A position in a log, as its server names it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Bytes from the log's beginning to the commit of the record.
    pub commit: u64,
    /// Bytes from the log's beginning to the record itself.
    pub prepare: u64,
}

/// A reload of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Counts from 1 since the start of the process.
    pub number: u64,
    /// applied, unchanged or refused.
    pub result: String,
    /// Seconds since the reload ended.
    pub seconds_ago: u64,
    /// Reasons of the refusal; empty if it was not refused.
    pub problems: Vec<String>,
}

/// An error, and its age.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastError {
    /// Text of the error.
    pub text: String,
    /// Seconds since the error.
    pub seconds_ago: u64,
}

/// A held stream: ditto does not write to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldStream {
    /// Name of the stream.
    pub stream: String,
    /// First revision that is not copied.
    pub revision: u64,
    /// conflict, missing_history, refused or unverified.
    pub reason: String,
    /// The reason in full.
    pub text: String,
}

impl Report {
    pub(super) fn of(facts: &Facts, status: &ProcessStatus) -> Self {
        let views = status.views();
        let mut unhealthy: Vec<String> = views
            .iter()
            .filter(|view| view.is_stalled())
            .map(|view| format!("{}: stood still and has not moved since", view.key))
            .collect();
        if status.silence() > LONGEST_SILENCE {
            unhealthy.push("the pipelines' threads do not answer".to_owned());
        }
        let unready = views
            .iter()
            .filter(|view| !view.is_ready())
            .map(|view| {
                let text = format!("{}: {} {}", view.key, view.state.as_str(), view.reason());
                text.trim_end().to_owned()
            })
            .collect();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: humantime::format_rfc3339_seconds(facts.started).to_string(),
            uptime_seconds: facts.running_since.elapsed().as_secs(),
            file: facts.file.clone(),
            source: facts.source.clone(),
            destination: facts.destination.clone(),
            source_answers: answers(&views, Side::Source),
            destination_answers: answers(&views, Side::Destination),
            summary: status.summary(),
            unhealthy,
            unready,
            last_reload: status.last_reload().map(|last| ReloadReport {
                number: last.number,
                result: last.verdict.as_str().to_owned(),
                seconds_ago: last.at.elapsed().as_secs(),
                problems: last.problems().to_vec(),
            }),
            subscriptions: views.iter().map(subscription).collect(),
        }
    }
}

fn subscription(view: &SubscriptionView) -> SubscriptionReport {
    let status = view.status.as_ref();
    let log = view.log();
    let looked = view.group.as_ref().map(|(_, at)| *at);
    let looked = looked.or(view.log_end.map(|(_, at)| at));
    let held_streams = status.map_or_else(Vec::new, |status| {
        let held = status.held_streams.iter();
        held.map(|(stream, revision, reason, text)| HeldStream {
            stream: stream.to_string(),
            revision: *revision,
            reason: reason.as_str().to_owned(),
            text: text.clone(),
        })
        .collect()
    });
    SubscriptionReport {
        stream: view.key.stream.to_string(),
        group: view.key.group.to_string(),
        state: view.state.as_str().to_owned(),
        reason: view.reason().to_owned(),
        state_seconds: view.since.elapsed().as_secs(),
        lag_events: view.lag_events(),
        lag_seconds: view
            .lag_time(SystemTime::now())
            .map(|lag| lag.as_secs_f64()),
        lag_bytes: view.lag_bytes(),
        caught_up: view.is_caught_up(),
        mark: log.and_then(|log| log.mark).map(|mark| Position {
            commit: mark.commit,
            prepare: mark.prepare,
        }),
        checkpoint_seconds: log
            .and_then(|log| log.checkpoint_age)
            .map(|age| age.as_secs_f64()),
        looked_seconds_ago: looked.map(|at| Instant::now().duration_since(at).as_secs_f64()),
        in_flight_events: status.map_or(0, |status| status.events_in_flight),
        buffered_events: status.map_or(0, |status| status.events_buffered),
        buffered_bytes: status.map_or(0, |status| status.bytes_buffered),
        credit: status.map(|status| status.buffer_size),
        done_up_to: status.and_then(|status| status.done_up_to),
        last_number: status.and_then(|status| status.last_number),
        copied: view.copied,
        rate: view.rate,
        parked: view.parked(),
        repairs: status.map_or(0, |status| status.repairs),
        repaired: view.repaired,
        held: status.map_or(0, |status| status.held.iter().sum()),
        held_streams,
        restarts: view.restarts,
        last_failure: view.failure.as_ref().map(|failure| failure.text.clone()),
        last_error: view.last_error.as_ref().map(|(text, at)| LastError {
            text: text.clone(),
            seconds_ago: at.elapsed().as_secs(),
        }),
        advice: advice(view),
    }
}
