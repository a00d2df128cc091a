//! `ditto verify --repair`: shows what is lacking at the end of streams, asks, brings it, and compares again.
//!
//! Never writes before it was answered with a yes, and nothing but what it showed.

use serde_json::json;

use super::{Arguments, Stop};
use crate::cli::confirm::{Answer, confirm};
use crate::cli::table::grouped;
use crate::cli::{Exit, complain, say_json};
use crate::config::settings::PipelineSettings;
use crate::eventstore::client::Client;
use crate::source::persistent::selected::{Choice, Outcome};
use crate::verify::{self, End, Finding, Job, Point, Progress, Repair, Scope, Watcher, bring};

/// Streams of the plan that are shown by name.
const SHOWN: usize = 20;

/// Repairs what the points have noted; `before` is what the comparison alone came to.
pub(super) async fn repair(
    arguments: &Arguments,
    before: Exit,
    work: Vec<(PipelineSettings, Point)>,
    clients: (Client, Client),
    stop: &mut Stop,
) -> anyhow::Result<Exit> {
    let all: Vec<&Repair> = work.iter().flat_map(|(_, point)| &point.repairs).collect();
    if all.is_empty() {
        complain("there is nothing that a repair could append");
        return Ok(before);
    }
    let question = show_plan(&all);
    match confirm(&question, arguments.yes) {
        Answer::Yes => {}
        Answer::No => {
            complain("nothing is repaired");
            return Ok(before);
        }
        Answer::Nobody => {
            complain("nothing is repaired: there is no terminal to ask on; give --yes");
            return Ok(before);
        }
    }
    let mut left: u64 = work
        .iter()
        .map(|(_, point)| {
            let events = &point.tally.events;
            events.faults()
                + if arguments.strict {
                    events.uncopied()
                } else {
                    0
                }
        })
        .sum();
    for (pipeline, point) in work {
        if point.repairs.is_empty() {
            continue;
        }
        if pipeline.replication().read_only {
            complain(&format!(
                "{}: not repaired: read_only = true",
                pipeline.key()
            ));
            continue;
        }
        let (before, after) = one(arguments, &pipeline, point.repairs, &clients, stop).await?;
        left = left.saturating_sub(before) + after;
    }
    // What one side refused to show is not known to be mended.
    Ok(match (left, before) {
        (_, Exit::Incomplete) => Exit::Incomplete,
        (0, _) => Exit::Ok,
        _ => Exit::Failed,
    })
}

/// Says what would be done, and the question.
fn show_plan(all: &[&Repair]) -> String {
    for repair in all.iter().take(SHOWN) {
        complain(&format!(
            "would append {} #{} to #{}",
            repair.stream, repair.from, repair.to
        ));
    }
    if all.len() > SHOWN {
        complain(&format!(
            "and {} streams more",
            grouped((all.len() - SHOWN) as u64)
        ));
    }
    let events: u64 = all.iter().map(|repair| repair.to + 1 - repair.from).sum();
    format!(
        "Append up to {} events to {} streams at the destination?",
        grouped(events),
        grouped(all.len() as u64)
    )
}

/// Repairs the streams of one subscription or mirror and compares them again; their faults before and after.
async fn one(
    arguments: &Arguments,
    pipeline: &PipelineSettings,
    repairs: Vec<Repair>,
    clients: &(Client, Client),
    stop: &mut Stop,
) -> anyhow::Result<(u64, u64)> {
    let choices = repairs.iter().map(|repair| Choice {
        stream: repair.stream.clone(),
        revision: repair.to,
    });
    let brought = bring(pipeline, clients.clone(), choices.collect(), stop.asked()).await;
    let mut there = Vec::new();
    for ((_, outcome), repair) in brought.fates.iter().zip(repairs) {
        report(arguments, &repair, outcome);
        if *outcome == Outcome::There {
            there.push(repair);
        }
    }
    if let Some(why) = brought.cut_short {
        complain(&format!(
            "{}: {why}; what was copied stays, and the same command continues",
            pipeline.key()
        ));
    }
    if there.is_empty() {
        return Ok((0, 0));
    }
    let job = Job {
        settings: pipeline.clone(),
        source: clients.0.clone(),
        destination: clients.1.clone(),
        streams: there.iter().map(|repair| repair.stream.clone()).collect(),
        scope: Scope::default(),
    };
    let mut point = Point::new(pipeline.key());
    let end = verify::run(&job, &mut point, &mut Again, stop.asked()).await;
    let after = point.tally.events.faults();
    complain(&format!(
        "{}: {} streams repaired and compared again: {}",
        pipeline.key(),
        grouped(there.len() as u64),
        match (&end, after) {
            (End::Complete, 0) => "nothing is missing there any more".to_owned(),
            (End::Complete, events) =>
                format!("{} events are still missing or different", grouped(events)),
            _ => "not to the end".to_owned(),
        }
    ));
    let before: u64 = there.iter().map(|repair| repair.faults).sum();
    Ok(if end == End::Complete {
        (before, after)
    } else {
        (0, 0)
    })
}

fn report(arguments: &Arguments, repair: &Repair, outcome: &Outcome) {
    let (done, why) = match outcome {
        Outcome::There => (true, ""),
        Outcome::Refused(why) => (false, why.as_str()),
        Outcome::Open => (false, "not decided"),
    };
    if arguments.json {
        let line = json!({ "repair": {
            "stream": repair.stream.as_str(),
            "from": repair.from,
            "to": repair.to,
            "done": done,
            "why": why,
        }});
        say_json(&line.to_string());
    } else if !done {
        complain(&format!("{} is not repaired: {why}", repair.stream));
    }
}

/// Passes on only what an operator has to know: the tally has all else.
struct Again;

impl Watcher for Again {
    fn finding(&mut self, _finding: &Finding) {}

    fn progress(&mut self, _progress: Progress) {}

    fn note(&mut self, text: &str) {
        complain(text);
    }

    fn save(&mut self, _point: &Point) {}
}
