//! How a schedule begins: what the source holds, what the destination holds already, what will go wrong when.
//!
//! Decides everything from the options and the seed. Never runs anything.

use std::time::Duration;

use ditto_core::event::SkipReason;
use uuid::Uuid;

use crate::dice::Dice;
use crate::fault::Fault;
use crate::mutation::Mutation;
use crate::options::Options;
use crate::source::{Kind, Target, Writing, tagged};
use crate::world::{Happening, World};

/// Faults that come as moments, not as chances of single calls.
const MOMENTS: &[Fault] = &[
    Fault::CallEnds,
    Fault::DestinationDown,
    Fault::SourceDown,
    Fault::Drops,
    Fault::Stranger,
    Fault::SoftDelete,
    Fault::Tombstone,
    Fault::DestinationTruncated,
    Fault::SourceTruncated,
    Fault::SourceRecreated,
    Fault::SourceTombstoned,
    Fault::Foreign,
    Fault::CheckpointBack,
    Fault::CheckpointJump,
    Fault::Kill,
    Fault::Stop,
    Fault::Replay,
    Fault::BudgetChanges,
    Fault::GroupGone,
    Fault::ForeignTruncated,
    Fault::Scavenged,
    Fault::StalePages,
    Fault::RightsLost,
    Fault::Frozen,
    Fault::ParkedTombstoned,
    Fault::LinksTruncated,
];

/// The world of this seed, ready to run.
pub(crate) fn world(options: Options, mutation: Option<Mutation>, traced: bool) -> World {
    let mut world = World::empty(options, mutation, traced);
    let mut dice = Dice::new(world.options.seed, 3);
    describe_streams(&mut world, &mut dice);
    for _ in 0..world.options.initial_events {
        write(&mut world, &mut dice);
    }
    truncate_heads(&mut world, &mut dice);
    truncate_links(&mut world, &mut dice);
    fill_destination(&mut world, &mut dice);
    set_up_group(&mut world, &mut dice);
    plan(&mut world, &mut dice);
    world
}

/// Writes one event, or an entry of the subscription's stream that is never copied.
pub(crate) fn write(world: &mut World, dice: &mut Dice) {
    let faults = world.options.faults;
    let stream = dice.index(world.options.streams);
    if faults.has(Fault::NeverCopied) && dice.permille(150) {
        let reason = dice.pick(&[
            SkipReason::SystemStream,
            SkipReason::Deleted,
            SkipReason::Tombstone,
            SkipReason::Unresolved,
        ]);
        world.source.entries.push(Target::Never(reason));
    }
    let mut size = usize::try_from(dice.between(1, world.options.event_bytes)).unwrap_or(1);
    if faults.has(Fault::TooLarge) && dice.permille(60) {
        size = 1500;
    }
    let kind = if faults.has(Fault::Poison) && dice.permille(50) {
        Kind::Poison
    } else if faults.has(Fault::RefusedEvents) && dice.permille(50) {
        Kind::Refused
    } else {
        Kind::Ordinary
    };
    let how = Writing {
        unlinked: faults.has(Fault::Unlinked) && dice.permille(150),
        forward: faults.has(Fault::Forwards) && dice.permille(150),
        repeat_id: faults.has(Fault::DuplicateIds) && dice.permille(200),
    };
    let now = world.now;
    world.source.write(now, stream, size, kind, how);
}

/// Much at once, all of it ordinary.
pub(crate) fn write_backlog(world: &mut World) {
    let mut streams = (0..world.options.streams).cycle();
    for _ in 0..world.options.backlog {
        let stream = streams.next().unwrap_or(0);
        let how = Writing::default();
        world
            .source
            .write(world.now, stream, 10, Kind::Ordinary, how);
    }
}

fn describe_streams(world: &mut World, dice: &mut Dice) {
    let faults = world.options.faults;
    for index in 0..world.options.streams {
        let source = &mut world.source.streams[index];
        source.denied = faults.has(Fault::DeniedAtSource) && dice.permille(300);
        source.max_count =
            (faults.has(Fault::MaxCount) && dice.permille(400)).then(|| dice.between(1, 4));
        let destination = &mut world.destination.streams[index];
        destination.denied = faults.has(Fault::DeniedAtDestination) && dice.permille(300);
        let broken = |dice: &mut Dice| faults.has(Fault::BrokenStreams) && dice.permille(200);
        destination.broken = broken(dice);
        world.source.streams[index].broken = broken(dice);
        destination.metadata =
            (faults.has(Fault::MetadataBefore) && dice.permille(400)).then_some(None);
    }
}

fn truncate_heads(world: &mut World, dice: &mut Dice) {
    if !world.options.faults.has(Fault::HeadGone) {
        return;
    }
    for stream in &mut world.source.streams {
        if dice.permille(500) {
            stream.first = stream
                .first
                .max(dice.between(0, stream.events.len() as u64));
        }
    }
}

/// The category as somebody truncated it before ditto came.
fn truncate_links(world: &mut World, dice: &mut Dice) {
    let faults = world.options.faults;
    world.source.log_denied = faults.has(Fault::LogDenied);
    if faults.has(Fault::LinksGone) {
        world.source.links_from = dice.between(0, world.source.entries.len() as u64);
    }
}

/// An earlier copy: the beginning of a stream, sometimes with a stranger's event behind it, sometimes aged.
fn fill_destination(world: &mut World, dice: &mut Dice) {
    let faults = world.options.faults;
    if faults.has(Fault::ForeignTruncated) {
        for index in 0..world.options.streams {
            if dice.permille(600) {
                foreign_events_come_and_go(world, dice, index);
            }
        }
    }
    if !faults.has(Fault::CopiedBefore) {
        return;
    }
    for index in 0..world.options.streams {
        let length = world.source.streams[index].events.len();
        let there = &world.destination.streams[index];
        if !dice.permille(600) || there.denied || there.disturbed {
            continue;
        }
        let events = world.source.streams[index].events[..dice.index(length + 1)].to_vec();
        world.destination.store(Duration::ZERO, index, &events);
        if faults.has(Fault::Stranger) && dice.permille(300) {
            stranger_writes(world, index, tagged(4, index as u64, 0));
        }
        if faults.has(Fault::DestinationTruncated) && dice.permille(300) {
            let stored = world.destination.streams[index].events.len() as u64;
            world.destination.streams[index].first = dice.between(0, stored);
        }
    }
}

/// Somebody who is no ditto writes one event.
pub(crate) fn stranger_writes(world: &mut World, stream: usize, id: Uuid) {
    let Some(event) = world.source.streams[stream].events.first() else {
        return;
    };
    let mut event = event.clone();
    event.id = id;
    let now = world.now;
    world.destination.store_foreign(now, stream, event);
}

/// Somebody writes events of his own, and truncates all that is there.
pub(crate) fn foreign_events_come_and_go(world: &mut World, dice: &mut Dice, stream: usize) {
    let most = world.source.streams[stream].events.len() as u64 + 2;
    for number in 0..dice.between(1, most) {
        let id = tagged(5, stream as u64, (dice.below(1 << 30) << 8) | number);
        stranger_writes(world, stream, id);
    }
    let there = &mut world.destination.streams[stream];
    if there.disturbed && !there.tombstoned {
        there.first = there.events.len() as u64;
    }
}

fn set_up_group(world: &mut World, dice: &mut Dice) {
    let faults = world.options.faults;
    if faults.has(Fault::CheckpointBefore)
        && let Some(last) = world.source.last_number()
    {
        world.group.checkpoint = Some(dice.between(0, last));
    }
    if faults.has(Fault::ParkedBefore) {
        for _ in 0..dice.between(1, 3) {
            let number = dice.index(world.source.entries.len());
            let Some(target) = world.source.entries.get(number).copied() else {
                continue;
            };
            let reason = "Reached retry count of 10".to_owned();
            world.group.parking.add(target, reason, true);
        }
    }
    world.group.parking.denied = faults.has(Fault::ParkedDenied);
    world.group.reload(&world.source);
}

fn plan(world: &mut World, dice: &mut Dice) {
    let faulty = world.options.fault_time;
    for daemon in 0..world.options.daemons {
        let at = dice.time(Duration::ZERO, Duration::from_secs(2));
        world.agenda.plan(at, Happening::Start(daemon));
    }
    for _ in 0..world.options.live_events {
        let at = dice.time(Duration::ZERO, faulty);
        world.agenda.plan(at, Happening::Write);
    }
    for fault in MOMENTS
        .iter()
        .filter(|fault| world.options.faults.has(**fault))
    {
        for _ in 0..dice.between(1, 3) {
            let at = dice.time(Duration::ZERO, faulty);
            world.agenda.plan(at, Happening::Chaos(*fault));
        }
    }
    world.agenda.plan(Duration::from_secs(1), Happening::Second);
    world.agenda.plan(faulty, Happening::Heal);
}
