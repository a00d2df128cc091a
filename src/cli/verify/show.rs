//! What a comparison found, for people and for programs, and the exit code that it means.
//!
//! Never shows data of an event, only its sizes.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::Arguments;
use super::progress::Indicator;
use crate::cli::table::{Side, grouped, table};
use crate::cli::{Exit, complain, say_json, say_lines};
use crate::escape;
use crate::verify::{
    Class, End, Finding, Job, KEPT_FINDINGS, Point, Progress, Scope, Tally, Watcher, resume,
};
use ditto_values::units::show_duration;

/// How the results are shown.
pub(super) struct Shown {
    json: bool,
    strict: bool,
    file: Option<PathBuf>,
    scope: Scope,
}

impl Shown {
    pub(super) fn new(arguments: &Arguments, scope: Scope) -> Self {
        Self {
            json: arguments.json,
            strict: arguments.strict,
            file: arguments.resume.clone(),
            scope,
        }
    }

    /// For the run over one subscription or mirror, between those that are done and those to come.
    pub(super) fn watch<'s>(
        &'s self,
        job: &Job,
        before: &'s [Point],
        behind: &'s [Point],
    ) -> Watching<'s> {
        let name = job.settings.key().to_string();
        Watching {
            shown: self,
            before,
            behind,
            indicator: Indicator::new(name.clone()),
            name,
        }
    }

    /// Writes the file to go on from before anything is compared: that it cannot be written is not to be known after hours.
    pub(super) fn begin(&self, points: &[Point]) -> anyhow::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let all: Vec<&Point> = points.iter().collect();
        resume::save(file, &self.scope, &all)
    }

    /// The end: prints everything, keeps what is needed to go on, and says what it means.
    pub(super) fn finish(
        &self,
        points: &[Point],
        end: &End,
        took: Duration,
    ) -> anyhow::Result<Exit> {
        let mut tally = Tally::default();
        points.iter().for_each(|point| tally.merge(&point.tally));
        let exit = match end {
            End::Complete if tally.has_gaps() => Exit::Incomplete,
            End::Complete if tally.has_faults() => Exit::Failed,
            End::Complete if self.strict && tally.events.uncopied() > 0 => Exit::Failed,
            End::Complete => Exit::Ok,
            End::Interrupted | End::Failed(_) => Exit::Incomplete,
        };
        if self.json {
            say_json(&summary(&tally, end, took).to_string());
        } else {
            say_lines(&report(points, &tally, took));
        }
        let kept = self.keep(points, end);
        self.conclude(&tally, end, kept.is_ok());
        kept.map(|()| exit)
    }

    /// The file for the next run, which only one that came to no end needs.
    fn keep(&self, points: &[Point], end: &End) -> anyhow::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| *end == End::Complete) else {
            return self.begin(points);
        };
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| {
                let file = file.display();
                format!("failed to remove {file}, from which the next comparison would continue")
            }),
            _ => Ok(()),
        }
    }

    fn conclude(&self, tally: &Tally, end: &End, is_kept: bool) {
        let go_on = match &self.file {
            Some(file) if is_kept => {
                format!(
                    "; the same command continues from there ({})",
                    file.display()
                )
            }
            Some(_) => String::new(),
            None => "; with --resume FILE it could continue from there".to_owned(),
        };
        match end {
            End::Interrupted => complain(&format!(
                "interrupted: this is what was compared so far{go_on}"
            )),
            End::Failed(why) => {
                complain(why);
                complain(&format!("this is what was compared so far{go_on}"));
            }
            End::Complete => {
                if tally.refused > 0 {
                    complain(&format!(
                        "{} streams could not be compared: grant the user the permission to read them on both sides",
                        grouped(tally.refused)
                    ));
                }
                if self.strict {
                    tell_uncopied(tally);
                }
                let unverified = tally.streams.of(Class::Unverified);
                if unverified > 0 {
                    complain(&format!(
                        "{} streams are unverified: nothing of them can be read at the destination, and nothing proves \
                         that they are copies",
                        grouped(unverified)
                    ));
                }
            }
        }
    }
}

/// What `--strict` counts as a failure.
fn tell_uncopied(tally: &Tally) {
    for class in Class::ALL.into_iter().filter(|class| class.is_uncopied()) {
        let (events, streams) = (tally.events.of(class), tally.streams.of(class));
        if events > 0 {
            complain(&format!(
                "{}: {} {} of {} {}, which --strict counts as a failure",
                class.label(),
                grouped(events),
                if events == 1 { "event" } else { "events" },
                grouped(streams),
                if streams == 1 { "stream" } else { "streams" },
            ));
        }
    }
}

/// Watches the run over one subscription or mirror.
pub(super) struct Watching<'s> {
    shown: &'s Shown,
    before: &'s [Point],
    behind: &'s [Point],
    indicator: Indicator,
    name: String,
}

impl Watcher for Watching<'_> {
    fn finding(&mut self, finding: &Finding) {
        if self.shown.json {
            say_json(&finding_json(&self.name, finding).to_string());
        }
    }

    fn progress(&mut self, progress: Progress) {
        self.indicator.progress(progress);
    }

    fn note(&mut self, text: &str) {
        self.indicator.say(text);
    }

    fn save(&mut self, point: &Point) {
        let Some(file) = &self.shown.file else {
            return;
        };
        let all: Vec<&Point> = self
            .before
            .iter()
            .chain([point])
            .chain(self.behind)
            .collect();
        if let Err(error) = resume::save(file, &self.shown.scope, &all) {
            self.indicator.say(&format!("{error:#}"));
        }
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.indicator.end();
    }
}

fn finding_json(subscription: &str, finding: &Finding) -> serde_json::Value {
    json!({ "finding": {
        "subscription": subscription,
        "stream": finding.stream.as_str(),
        "revision": finding.revision,
        "events": finding.events,
        "class": finding.class.word(),
        "what": finding.what,
        "text": finding.text,
        "advice": finding.advice(),
    }})
}

fn summary(tally: &Tally, end: &End, took: Duration) -> serde_json::Value {
    let by_class = |count: &dyn Fn(Class) -> u64| -> HashMap<&str, u64> {
        Class::ALL
            .into_iter()
            .map(|class| (class.word(), count(class)))
            .collect()
    };
    json!({ "summary": {
        "complete": *end == End::Complete && !tally.has_gaps(),
        "why": match end {
            End::Failed(why) => why.as_str(),
            End::Interrupted => "interrupted",
            End::Complete => "",
        },
        "compared_streams": tally.compared,
        "streams": by_class(&|class| tally.streams.of(class)),
        "events": by_class(&|class| tally.events.of(class)),
        "refused_streams": tally.refused,
        "not_looked_at": {
            "streams": tally.left_out_streams,
            "events": tally.left_out_events,
            "links": tally.left_out_links,
        },
        "seconds": took.as_secs_f64(),
        "events_per_second": rate(tally, took),
    }})
}

fn rate(tally: &Tally, took: Duration) -> f64 {
    let seconds = took.as_secs_f64();
    if seconds > 0.0 {
        (tally.events.sum() as f64 / seconds).round()
    } else {
        0.0
    }
}

fn report(points: &[Point], tally: &Tally, took: Duration) -> String {
    let mut parts = Vec::new();
    let findings: Vec<String> = points
        .iter()
        .flat_map(|point| &point.findings)
        .take(KEPT_FINDINGS)
        .map(|finding| {
            let reported = finding.to_string();
            format!("{}\n    {}", escape::line(&reported), finding.advice())
        })
        .collect();
    if !findings.is_empty() {
        parts.push(findings.join("\n"));
        if findings.len() == KEPT_FINDINGS {
            parts.push(format!(
                "These are the first {KEPT_FINDINGS}; --json prints all."
            ));
        }
    }
    let mut rows = vec![["", "STREAMS", "EVENTS"].map(str::to_owned)];
    for class in Class::ALL {
        rows.push([
            class.label().to_owned(),
            grouped(tally.streams.of(class)),
            grouped(tally.events.of(class)),
        ]);
    }
    parts.push(table(&rows, [Side::Left, Side::Right, Side::Right]));
    let took_text = show_duration(Duration::from_millis(
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    ));
    parts.push(format!(
        "{} streams, {} events compared in {took_text} ({:.0} events/s){}",
        grouped(tally.compared),
        grouped(tally.events.sum()),
        rate(tally, took),
        left_out(tally)
    ));
    let is_held = |of_mirror: bool| {
        let mut points = points
            .iter()
            .filter(|point| point.key.is_mirror() == of_mirror);
        points.any(|point| point.tally.events.of(Class::HeldOrParked) > 0)
    };
    if is_held(false) {
        parts.push("ditto parked list tells why events are held or parked.".to_owned());
    }
    if is_held(true) {
        parts.push(
            "ditto status --json lists the streams that a mirror holds, with the reasons."
                .to_owned(),
        );
    }
    if tally.events.of(Class::NeverLinked) > 0 {
        parts.push(
            "Never linked: flagged JSON and is not; comes with the stream's next event.".to_owned(),
        );
    }
    parts.join("\n\n")
}

fn left_out(tally: &Tally) -> String {
    let parts = [
        (tally.left_out_streams > 0)
            .then(|| format!("{} streams (--sample)", grouped(tally.left_out_streams))),
        (tally.left_out_links > 0).then(|| {
            format!(
                "{} older entries of what streams are found through and {} older events of these streams (--since)",
                grouped(tally.left_out_links),
                grouped(tally.left_out_events)
            )
        }),
        (tally.refused > 0).then(|| format!("{} streams (no permission)", grouped(tally.refused))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("; not looked at: {}", parts.join(", "))
    }
}
