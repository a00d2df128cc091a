//! What is written to the source: decided by the seed, written by several clients that repeat what was not answered.
//!
//! Never leaves a stream's end unlinked: a category does not show such an event until the next one comes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use ditto_protocol::ids::{self, IdForm};
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::append_req::ProposedMessage;
use ditto_protocol::streams::append_req::options::ExpectedStreamRevision;
use simulation::dice::Dice;
use support::store::{Proposed, Store};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::options::{EVENTS, Options, STREAMS, WRITERS};
use crate::others;

/// A writer's call is given up after this time and made again.
const CALL: Duration = Duration::from_millis(800);
/// Before that it waits.
const PAUSE: Duration = Duration::from_millis(50);
/// Size of a large event.
const LARGE: u64 = 20 * 1024;

/// Category of all streams that a group may copy.
pub(crate) const CATEGORY: &str = "chaos";

/// Everything that is to be written.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Before the first daemon starts.
    pub(crate) first: Vec<Planned>,
    /// While everything goes wrong.
    pub(crate) meanwhile: Vec<Planned>,
    /// Events that the category links.
    pub(crate) linked: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Planned {
    stream: usize,
    first: u64,
    messages: Vec<ProposedMessage>,
}

impl Planned {
    pub(crate) fn new(stream: usize, first: u64, messages: Vec<ProposedMessage>) -> Self {
        Self {
            stream,
            first,
            messages,
        }
    }
}

/// The name of a stream: those of the category, and then the others.
pub(crate) fn stream(number: usize) -> String {
    match number.checked_sub(STREAMS) {
        None => format!("{CATEGORY}-{number}"),
        Some(other) => others::name(other),
    }
}

/// What this seed writes.
pub(crate) fn plan(seed: u64, options: &Options) -> Plan {
    let mut dice = Dice::new(seed, 2);
    let mut left = lengths(&mut dice);
    let mut next = vec![0; STREAMS];
    let mut open: Vec<usize> = (0..STREAMS).collect();
    let (mut all, mut linked, mut written) = (Vec::new(), 0, 0);
    while !open.is_empty() {
        let at = dice.index(open.len());
        let stream = open[at];
        let count = left[stream].min(dice.between(1, 6));
        left[stream] -= count;
        if left[stream] == 0 {
            open.swap_remove(at);
        }
        let mut messages = Vec::new();
        for of in 1..=count {
            let is_last = left[stream] == 0 && of == count;
            let unlinked = !is_last && dice.permille(60);
            linked += u64::from(!unlinked);
            let large = options.flood && written < EVENTS * 2 / 5 && dice.permille(700);
            messages.push(message(&mut dice, unlinked, large));
            written += 1;
        }
        all.push(Planned::new(stream, next[stream], messages));
        next[stream] += count;
    }
    let meanwhile = all.split_off(all.len() * 2 / 5);
    let mut plan = Plan {
        first: all,
        meanwhile,
        linked,
    };
    if options.copying.mirrors() {
        others::add(seed, &mut plan);
    }
    plan
}

/// How many events each stream gets: every stream one at least, some many.
fn lengths(dice: &mut Dice) -> Vec<u64> {
    let mut lengths = vec![1; STREAMS];
    for _ in STREAMS..EVENTS {
        // Squared: the first streams get most.
        let (one, other) = (dice.index(STREAMS), dice.index(STREAMS));
        lengths[one.min(other)] += 1;
    }
    lengths
}

/// Flagged JSON and empty, an event is not linked by its category (protocol §6.2).
pub(crate) fn message(dice: &mut Dice, unlinked: bool, large: bool) -> ProposedMessage {
    let json = unlinked || dice.permille(600);
    let size = match (unlinked, large) {
        (true, _) => 0,
        (false, true) => dice.between(LARGE / 2, LARGE),
        (false, false) => dice.between(0, 400),
    };
    let data = if unlinked {
        String::new()
    } else {
        let filler: String = (0..size)
            .map(|_| dice.pick(&['a', 'b', 'c', 'é', '"']))
            .collect();
        if json {
            serde_json::json!({ "filler": filler }).to_string()
        } else {
            filler
        }
    };
    let metadata = dice.pick(&["", r#"{"$correlationId":"x"}"#, "no JSON"]);
    let content_type = if json {
        "application/json"
    } else {
        "application/octet-stream"
    };
    let event_type = dice.pick(&["registered", "renamed", "größer"]);
    let id = Uuid::from_u64_pair(dice.below(u64::MAX), dice.below(u64::MAX));
    ProposedMessage {
        id: Some(ids::to_wire(id, IdForm::Text)),
        metadata: HashMap::from([
            ("type".to_owned(), event_type.to_owned()),
            ("content-type".to_owned(), content_type.to_owned()),
        ]),
        custom_metadata: metadata.as_bytes().to_vec().into(),
        data: data.into_bytes().into(),
    }
}

/// Writes these appends with several clients, evenly over this time, each of them until it succeeds. Streams belong to
/// one writer, so an append that was not answered is written again exactly (protocol §14.3). Once `hurry` is set
/// nobody waits any more.
///
/// # Errors
/// Never because a server fails.
pub(crate) async fn write(
    addresses: &[String],
    appends: &[Planned],
    over: Duration,
    hurry: &Arc<AtomicBool>,
) -> Result<()> {
    let begin = Instant::now();
    let writers = (0..WRITERS).map(|writer| async move {
        let mut client = None;
        let mine = appends
            .iter()
            .enumerate()
            .filter(|(_, append)| append.stream % WRITERS == writer);
        for (index, append) in mine {
            let part = u32::try_from(index).unwrap_or(u32::MAX);
            let of = u32::try_from(appends.len().max(1)).unwrap_or(u32::MAX);
            if !hurry.load(Ordering::Relaxed) {
                sleep_until(begin + over.mul_f64(f64::from(part) / f64::from(of))).await;
            }
            let mut attempt = writer;
            while !try_to(&mut client, addresses, attempt, append).await {
                client = None;
                attempt += 1;
                sleep(PAUSE).await;
            }
        }
    });
    futures_util::future::join_all(writers).await;
    Ok(())
}

async fn try_to(
    client: &mut Option<Store>,
    addresses: &[String],
    attempt: usize,
    append: &Planned,
) -> bool {
    let connected = match client.take() {
        Some(connected) => connected,
        None => match Store::connect_within(&addresses[attempt % addresses.len()], CALL).await {
            Ok(connected) => connected,
            Err(_) => return false,
        },
    };
    let expected = match append.first.checked_sub(1) {
        None => ExpectedStreamRevision::NoStream(Empty {}),
        Some(last) => ExpectedStreamRevision::Revision(last),
    };
    let proposed = Proposed {
        stream: stream(append.stream),
        expected,
        messages: append.messages.clone(),
    };
    let written = connected.append(proposed).await.is_ok();
    *client = Some(connected);
    written
}
