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

/// The document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// ditto's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// When it started, RFC 3339.
    pub started: String,
    /// Seconds since then.
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
    /// What speaks against the process being healthy; empty: it is.
    pub unhealthy: Vec<String>,
    /// What speaks against it being ready; empty: it is.
    pub unready: Vec<String>,
    /// The last reload of the configuration; absent before the first.
    #[serde(default)]
    pub last_reload: Option<ReloadReport>,
    /// By stream and group.
    pub subscriptions: Vec<SubscriptionReport>,
}

/// One subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubscriptionReport {
    /// Its stream.
    pub stream: String,
    /// Its group.
    pub group: String,
    /// connecting, running, searching, retrying, standby or stopped.
    pub state: String,
    /// Why, if that needs a reason.
    pub reason: String,
    /// Seconds in this state.
    pub state_seconds: u64,
    /// Events of the stream that are not done; absent while that is not known.
    pub lag_events: Option<u64>,
    /// Age of the oldest event that is not acknowledged; absent while the lag is not known.
    pub lag_seconds: Option<f64>,
    /// How long ago the group and the stream's end were looked at.
    pub looked_seconds_ago: Option<f64>,
    /// Events sent to the destination and not answered.
    pub in_flight_events: usize,
    /// Events in memory, in flight or waiting.
    pub buffered_events: usize,
    /// Their bytes.
    pub buffered_bytes: usize,
    /// Buffer size asked for.
    pub credit: Option<u32>,
    /// Highest number in the stream up to which everything is done.
    pub done_up_to: Option<u64>,
    /// Last number in the stream.
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
    /// Streams that are not written to, all of them.
    pub held: usize,
    /// The first hundred of those.
    pub held_streams: Vec<HeldStream>,
    /// Times that it failed and was started again.
    pub restarts: u64,
    /// How it failed last.
    pub last_failure: Option<String>,
    /// What was last said against it, by a server or by ditto itself; it may be over.
    #[serde(default)]
    pub last_error: Option<LastError>,
    /// What somebody can do about its state.
    #[serde(default)]
    pub advice: Vec<String>,
}

/// A reload of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReloadReport {
    /// Counts from 1 since the start of the process.
    pub number: u64,
    /// applied, unchanged or refused.
    pub result: String,
    /// How long ago it ended.
    pub seconds_ago: u64,
    /// Why it was refused; empty if it was not.
    pub problems: Vec<String>,
}

/// An error, and its age.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastError {
    /// In words.
    pub text: String,
    /// How long ago.
    pub seconds_ago: u64,
}

/// A stream that is not written to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldStream {
    /// Which.
    pub stream: String,
    /// First revision that is not copied.
    pub revision: u64,
    /// conflict, missing_history or refused.
    pub reason: String,
    /// In words.
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
    let group = view.group.as_ref();
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
        looked_seconds_ago: group.map(|(_, at)| Instant::now().duration_since(*at).as_secs_f64()),
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
