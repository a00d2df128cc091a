//! Streams beside the category, which only a mirror copies: another category, plain streams, links that a user wrote, streams
//! without their beginning; and system streams, which nothing may copy. Decided by the seed.
//!
//! Never changes what a seed writes into the category.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use ditto_protocol::ids::{self, IdForm};
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::append_req::ProposedMessage;
use ditto_protocol::streams::append_req::options::ExpectedStreamRevision;
use serde_json::json;
use simulation::dice::Dice;
use support::store::{Proposed, Store, json_message};
use uuid::Uuid;

use crate::control;
use crate::options::STREAMS;
use crate::writing::{Plan, Planned, message, stream};

/// How many there are, in equal parts.
pub(crate) const OTHERS: usize = 60;
/// What their names begin with.
const NAMES: [&str; 5] = ["mirrored-", "plain", LINKS, TRUNCATED, SYSTEM];
const LINKS: &str = "favourites";
const TRUNCATED: &str = "truncated-";
const SYSTEM: &str = "$system";
/// Events of a truncated stream that are gone before the first daemon starts.
const GONE: u64 = 4;
/// A call of this file may take this long.
const CALL: Duration = Duration::from_secs(5);

/// The type of what stands at the destination for an event that is gone.
pub(crate) const PLACEHOLDER: &str = "ditto-missing";

/// The name of one of them.
pub(crate) fn name(number: usize) -> String {
    format!("{}{number}", NAMES[number % NAMES.len()])
}

/// The streams of a mirror beside a group that has the category, as they stand in the configuration.
pub(crate) fn rules() -> String {
    let wanted = NAMES.iter().filter(|name| **name != SYSTEM);
    let rules: Vec<String> = wanted.map(|name| format!("\"{name}*\"")).collect();
    rules.join(", ")
}

/// Whether nothing may copy this stream.
pub(crate) fn is_system(stream: &str) -> bool {
    stream.starts_with('$')
}

/// Puts what these streams get between the rest of a plan.
pub(crate) fn add(seed: u64, plan: &mut Plan) {
    let mut dice = Dice::new(seed, 10);
    let (mut first, mut meanwhile) = (Vec::new(), Vec::new());
    for number in 0..OTHERS {
        let mut next = 0;
        let mut append = |dice: &mut Dice, low, high| {
            let count = dice.between(low, high);
            let messages = (0..count).map(|_| other(dice, number)).collect();
            let planned = Planned::new(STREAMS + number, next, messages);
            next += count;
            planned
        };
        first.push((0, append(&mut dice, GONE + 1, GONE + 4)));
        let appends = dice.index(4);
        let mut places: Vec<usize> = (0..appends)
            .map(|_| dice.index(plan.meanwhile.len()))
            .collect();
        // The appends of a stream follow each other.
        places.sort_unstable();
        for place in places {
            meanwhile.push((place, append(&mut dice, 1, 3)));
        }
    }
    between(&mut plan.first, first);
    between(&mut plan.meanwhile, meanwhile);
}

/// Each before what stands at its place.
fn between(appends: &mut Vec<Planned>, others: Vec<(usize, Planned)>) {
    let placed = std::mem::take(appends).into_iter().enumerate();
    let mut all: Vec<(usize, Planned)> = others.into_iter().chain(placed).collect();
    all.sort_by_key(|(place, _)| *place);
    appends.extend(all.into_iter().map(|(_, append)| append));
}

fn other(dice: &mut Dice, number: usize) -> ProposedMessage {
    if !name(number).starts_with(LINKS) {
        return message(dice, false, false);
    }
    let id = Uuid::from_u64_pair(dice.below(u64::MAX), dice.below(u64::MAX));
    ProposedMessage {
        id: Some(ids::to_wire(id, IdForm::Text)),
        metadata: HashMap::from([
            ("type".to_owned(), "$>".to_owned()),
            (
                "content-type".to_owned(),
                "application/octet-stream".to_owned(),
            ),
        ]),
        custom_metadata: Vec::new().into(),
        data: format!("0@{}", stream(dice.index(STREAMS))).into(),
    }
}

/// Takes away the beginning of some streams: `$tb`, and then a scavenge.
///
/// # Errors
/// The server refuses it.
pub(crate) async fn truncate(address: &str) -> Result<()> {
    let store = Store::connect_within(address, CALL).await?;
    for name in (0..OTHERS).map(name) {
        if !name.starts_with(TRUNCATED) {
            continue;
        }
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes());
        let metadata = json_message(id, "$metadata", &json!({ "$tb": GONE }), &json!({}));
        let proposed = Proposed {
            stream: format!("$${name}"),
            expected: ExpectedStreamRevision::NoStream(Empty {}),
            messages: vec![metadata],
        };
        store.append(proposed).await?;
    }
    let answer = control::request(address, "POST", "/admin/scavenge", None).await?;
    let removed = answer["removed"].as_u64().filter(|removed| *removed > 0);
    removed.context("the scavenge removed nothing")?;
    Ok(())
}
