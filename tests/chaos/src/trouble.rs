//! Everything that may go wrong, by name: each fault of the development server on the sides where ditto meets it, ends and
//! starts of the servers, leadership, and what is done to ditto's own process.
//!
//! Only describes; `nemesis` carries it out. Never makes a conflict: after all of it both sides can be equal.

use std::time::Duration;

use devstore::{Fault, FaultKind};
use serde_json::{Value, json};
use simulation::dice::Dice;

use crate::options::{Copying, Options};

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}
use Side::{Destination, Source};

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Fault(Side, Fault),
    /// Calls are sent to this node, which may or may not lead.
    NotLeader {
        side: Side,
        node: usize,
    },
    Restart(Side, Value),
    Lead {
        side: Side,
        node: usize,
    },
    /// `kill -9`, and a new start after this time.
    Kill {
        daemon: usize,
        away: Duration,
    },
    /// SIGSTOP, and SIGCONT after this time.
    Freeze {
        daemon: usize,
        time: Duration,
    },
    /// SIGHUP; with a configuration that differs, or the same.
    Reload {
        daemon: usize,
        changed: bool,
    },
    /// The user's password is another one for this time.
    Password(Duration),
    /// A node that does not lead has nothing of what is written in this time, until it is over.
    Lag {
        side: Side,
        node: usize,
        time: Duration,
    },
}

/// A trouble: its name, when it may be chosen, and what chance makes of it.
pub(crate) struct Trouble {
    pub(crate) name: &'static str,
    /// Nothing gets through while it lasts. A few of these are enough: else nothing is left for the others to strike.
    outage: bool,
    pub(crate) possible: fn(&Options) -> bool,
    pub(crate) make: fn(&mut Dice, &Options) -> Action,
}

/// What a source denied needs an operator, or a long wait.
pub(crate) const DENIED: &str = "source: access_denied";
const PASSWORD_CHANGED: &str = "destination: password changed";

/// In a flood the destination is away this long when the first daemon starts, and nothing else happens yet.
pub(crate) const LATE: Duration = Duration::from_millis(2_500);

/// Where two daemons run, this counts that the second one had its part.
pub(crate) const SECOND: &str = "ditto: a second daemon";

fn always(_: &Options) -> bool {
    true
}

fn with_group(options: &Options) -> bool {
    options.copying.consumes()
}

fn may_lag(options: &Options) -> bool {
    options.copying.mirrors() && options.source_nodes > 1
}

fn may_kill(options: &Options) -> bool {
    !options.lossy
}

fn nodes(options: &Options, side: Side) -> usize {
    match side {
        Source => options.source_nodes,
        Destination => options.destination_nodes,
    }
}

fn ms(dice: &mut Dice, low: u64, high: u64) -> Duration {
    Duration::from_millis(dice.between(low, high))
}

fn for_a_while(dice: &mut Dice, side: Side, kind: FaultKind) -> Action {
    Action::Fault(side, Fault::new(kind).lasting(ms(dice, 400, 1_200)))
}

fn times(dice: &mut Dice, side: Side, kind: FaultKind, most: u64) -> Action {
    let times = u32::try_from(dice.between(1, most)).unwrap_or(1);
    Action::Fault(side, Fault::new(kind).times(times))
}

fn in_call(dice: &mut Dice, side: Side, kind: FaultKind, calls: &[&'static str]) -> Action {
    let call = dice.pick(calls);
    let times = if dice.permille(250) { 2 } else { 1 };
    let fault = Fault::new(kind).times(times);
    Action::Fault(
        side,
        if call.is_empty() {
            fault
        } else {
            fault.in_call(call)
        },
    )
}

fn not_leader(dice: &mut Dice, options: &Options, side: Side) -> Action {
    Action::NotLeader {
        side,
        node: dice.index(nodes(options, side)),
    }
}

fn restart(dice: &mut Dice, options: &Options, side: Side, ending: &str) -> Action {
    let nodes = nodes(options, side);
    let node = (nodes > 1 && dice.permille(700)).then(|| dice.index(nodes));
    let slow = dice.permille(400);
    Action::Restart(
        side,
        json!({
            "as": ending,
            "down_ms": dice.between(0, 700),
            "without_leader_ms": if slow { dice.between(0, 400) } else { 0 },
            "subsystems_ms": if slow { dice.between(0, 500) } else { 0 },
            "node": node,
        }),
    )
}

fn lead(dice: &mut Dice, options: &Options, side: Side) -> Action {
    Action::Lead {
        side,
        node: dice.index(nodes(options, side)),
    }
}

fn daemon(dice: &mut Dice, options: &Options) -> usize {
    dice.index(options.consumers.daemons())
}

/// The next connections, whosever they are.
fn half_open(dice: &mut Dice, side: Side) -> Action {
    let times = u32::try_from(dice.between(1, 3)).unwrap_or(1);
    let fault = Fault::new(FaultKind::HalfOpen).times(times);
    Action::Fault(side, fault.lasting(ms(dice, 1_000, 3_000)))
}

/// No event is larger than this by itself, but many together are.
fn size_limit(dice: &mut Dice, options: &Options) -> Action {
    let bytes = if options.flood { 64 * 1024 } else { 3 * 1024 };
    times(dice, Destination, FaultKind::SizeLimit { bytes }, 20)
}

/// What ditto calls at the source, all of it or a part. A mirror only reads.
type Calls = &'static [&'static str];

fn source_calls(options: &Options) -> Calls {
    match options.copying {
        Copying::Group | Copying::Both => &[
            "",
            "PersistentSubscriptions/Read",
            "GetInfo",
            "Streams/Read",
        ],
        Copying::Mirror => &["", READING],
    }
}

fn consuming(options: &Options) -> Calls {
    match options.copying {
        Copying::Group => &[CONSUMING],
        Copying::Mirror => &[READING],
        Copying::Both => &[CONSUMING, READING],
    }
}

/// A read that is denied to a subscription parks an event; a mirror looks again when it starts.
fn joining(options: &Options) -> Calls {
    match options.copying {
        Copying::Group | Copying::Both => &[CONSUMING, "GetInfo"],
        Copying::Mirror => &[READING],
    }
}

const CONSUMING: &str = "PersistentSubscriptions/Read";
const READING: &str = "Streams/Read";
const DESTINATION_CALLS: [&str; 3] = ["", "BatchAppend", "Streams/Read"];
const ANY_CALL: [&str; 1] = [""];
const APPENDING: [&str; 1] = ["BatchAppend"];

const OUTAGE: bool = true;
const LIGHT: bool = false;

macro_rules! troubles {
    ($($name:expr, $outage:expr, $possible:expr, $make:expr;)*) => {
        &[$(Trouble { name: $name, outage: $outage, possible: $possible, make: $make },)*]
    };
}

/// All troubles. A write that is denied by itself (`access_denied` at the destination) is left out: ditto holds such a stream
/// and parks its deliveries, as it should.
#[rustfmt::skip]
pub(crate) const ALL: &[Trouble] = troubles![
    "source: refuse_connections", OUTAGE, always, |d, _| for_a_while(d, Source, FaultKind::RefuseConnections);
    "source: half_open", OUTAGE, always, |d, _| half_open(d, Source);
    "source: unavailable", LIGHT, always, |d, o| in_call(d, Source, FaultKind::Unavailable, source_calls(o));
    "source: not_leader", LIGHT, always, |d, o| not_leader(d, o, Source);
    DENIED, LIGHT, may_kill, |d, o| in_call(d, Source, FaultKind::AccessDenied, joining(o));
    "source: unanswered", LIGHT, always, |d, o| in_call(d, Source, FaultKind::Unanswered, source_calls(o));
    "source: end_cleanly", LIGHT, may_kill, |d, o| in_call(d, Source, FaultKind::EndCleanly, consuming(o));
    "source: consumer_too_slow", LIGHT, always, |d, o| in_call(d, Source, FaultKind::ConsumerTooSlow, consuming(o));
    "source: slow_append", LIGHT, always, |d, _| times(d, Source, FaultKind::SlowAppend { ms: 20 }, 60);
    "source: deliver_twice", LIGHT, with_group, |d, _| times(d, Source, FaultKind::DeliverTwice, 8);
    "source: deliver_out_of_order", LIGHT, with_group, |d, _| times(d, Source, FaultKind::DeliverOutOfOrder, 8);
    "source: checkpoint_ahead", LIGHT, |o| o.lossy, |d, _| { let by = d.between(1, 20); times(d, Source, FaultKind::CheckpointAhead { by }, 2) };
    "source: push_nothing", LIGHT, with_group, |d, _| for_a_while(d, Source, FaultKind::PushNothing);
    "source: drop_consumers", LIGHT, with_group, |d, _| times(d, Source, FaultKind::DropConsumers, 2);
    "source: park_instead", LIGHT, with_group, |d, _| times(d, Source, FaultKind::ParkInstead, 3);
    "source: killed", OUTAGE, always, |d, o| restart(d, o, Source, "kill");
    "source: terminated", OUTAGE, always, |d, o| restart(d, o, Source, "terminate");
    "source: shut down", OUTAGE, always, |d, o| restart(d, o, Source, "shutdown");
    "source: leader moves", LIGHT, |o| o.source_nodes > 1, |d, o| lead(d, o, Source);
    "destination: refuse_connections", OUTAGE, always, |d, _| for_a_while(d, Destination, FaultKind::RefuseConnections);
    "destination: half_open", OUTAGE, always, |d, _| half_open(d, Destination);
    "destination: unavailable", LIGHT, always, |d, _| in_call(d, Destination, FaultKind::Unavailable, &DESTINATION_CALLS);
    "destination: not_leader", LIGHT, always, |d, o| not_leader(d, o, Destination);
    "destination: unanswered", OUTAGE, always, |d, _| in_call(d, Destination, FaultKind::Unanswered, &ANY_CALL);
    "destination: end_cleanly", LIGHT, always, |d, _| in_call(d, Destination, FaultKind::EndCleanly, &APPENDING);
    "destination: consumer_too_slow", LIGHT, always, |d, _| in_call(d, Destination, FaultKind::ConsumerTooSlow, &APPENDING);
    "destination: batch_ends, written", LIGHT, always, |d, _| times(d, Destination, FaultKind::BatchEnds { written: true }, 2);
    "destination: batch_ends, not written", LIGHT, always, |d, _| times(d, Destination, FaultKind::BatchEnds { written: false }, 2);
    "destination: batch_late", LIGHT, always, |d, _| { let ms = d.between(50, 900); times(d, Destination, FaultKind::BatchLate { ms }, 15) };
    "destination: batch_reordered", LIGHT, always, |d, _| times(d, Destination, FaultKind::BatchReordered, 8);
    "destination: batch_stray", LIGHT, always, |d, _| times(d, Destination, FaultKind::BatchStray, 8);
    "destination: batch_not_ready", LIGHT, always, |d, _| times(d, Destination, FaultKind::BatchNotReady, 2);
    "destination: slow_append", LIGHT, always, |d, _| times(d, Destination, FaultKind::SlowAppend { ms: 15 }, 60);
    "destination: size_limit", LIGHT, always, |d, o| size_limit(d, o);
    "destination: killed", OUTAGE, always, |d, o| restart(d, o, Destination, "kill");
    "destination: terminated", OUTAGE, always, |d, o| restart(d, o, Destination, "terminate");
    "destination: shut down", OUTAGE, always, |d, o| restart(d, o, Destination, "shutdown");
    "destination: leader moves", LIGHT, |o| o.destination_nodes > 1, |d, o| lead(d, o, Destination);
    PASSWORD_CHANGED, OUTAGE, |o| o.users, |d, _| Action::Password(ms(d, 500, 1_500));
    "ditto: kill -9", LIGHT, may_kill, |d, o| Action::Kill { daemon: daemon(d, o), away: ms(d, 50, 600) };
    "ditto: SIGSTOP and SIGCONT", LIGHT, always, |d, o| Action::Freeze { daemon: daemon(d, o), time: ms(d, 200, 2_500) };
    "ditto: SIGHUP", LIGHT, always, |d, o| Action::Reload { daemon: daemon(d, o), changed: false };
    "ditto: SIGHUP with changes", LIGHT, may_kill, |d, o| Action::Reload { daemon: daemon(d, o), changed: true };
    "source: node lags", LIGHT, may_lag, |d, o| Action::Lag { side: Source, node: d.index(nodes(o, Source)), time: ms(d, 400, 2_500) };
];

/// When the light troubles begin and end, and when the outages do. Light ones come first: they need something to strike.
const LIGHT_ONES: (Duration, Duration) =
    (Duration::from_millis(1_000), Duration::from_millis(6_500));
const OUTAGES: (Duration, Duration) = (Duration::from_millis(3_500), Duration::from_millis(8_000));

/// A schedule: what is done when, and under which name it is counted.
pub(crate) fn schedule(seed: u64, options: &Options) -> Vec<(Duration, &'static str, Action)> {
    let mut dice = Dice::new(seed, 3);
    let begin = if options.flood { LATE } else { Duration::ZERO };
    let mut schedule = Vec::new();
    let mut add = |dice: &mut Dice, trouble: &Trouble, (from, to): (Duration, Duration)| {
        let at = begin + dice.time(from, to);
        schedule.push((at, trouble.name, (trouble.make)(dice, options)));
    };
    for trouble in outages(seed, options) {
        add(&mut dice, trouble, OUTAGES);
    }
    for trouble in light_ones(seed, options) {
        add(&mut dice, trouble, LIGHT_ONES);
    }
    let possible = |trouble: &&Trouble| !trouble.outage && (trouble.possible)(options);
    let possible: Vec<&Trouble> = ALL.iter().filter(possible).collect();
    for _ in 0..options.more_troubles {
        let trouble = possible[dice.index(possible.len())];
        add(&mut dice, trouble, LIGHT_ONES);
    }
    schedule.sort_by_key(|(at, _, _)| *at);
    schedule
}

/// A third of the outages each, so that three seeds in a row have all of them; and a changed password wherever there is one.
fn outages(seed: u64, options: &Options) -> impl Iterator<Item = &'static Trouble> {
    let all = ALL.iter().filter(|trouble| trouble.outage);
    let password = options.users;
    all.zip(0..).filter_map(move |(trouble, number)| {
        let chosen = match trouble.name {
            PASSWORD_CHANGED => password,
            _ => number % 3 == seed % 3,
        };
        chosen.then_some(trouble)
    })
}

/// Two thirds of the light ones each: too many at once only leave nothing to strike for each other. Those that are possible in
/// some seeds only are there whenever they are possible.
fn light_ones(seed: u64, options: &Options) -> impl Iterator<Item = &'static Trouble> {
    let otherwise = Options {
        lossy: !options.lossy,
        source_nodes: 1,
        destination_nodes: 1,
        ..options.clone()
    };
    let options = options.clone();
    let all = ALL.iter().filter(|trouble| !trouble.outage);
    all.zip(0..).filter_map(move |(trouble, number)| {
        let special = !(trouble.possible)(&otherwise);
        let chosen = (special || number % 3 != seed % 3) && (trouble.possible)(&options);
        chosen.then_some(trouble)
    })
}
