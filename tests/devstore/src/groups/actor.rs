//! The task that runs one group: hands the state machine what happens and does what it asks for. Never decides
//! anything about events itself.

use super::clock::Clock;
use super::consumers::{Consumer, ConsumerId};
use super::effect::{Effect, Nack};
use super::group::Group;
use super::info::Info;
use super::item::Item;
use super::mischief::{Fate, Mischief};
use super::position::Position;
use super::settings::Settings;
use super::source::{Live, Payload, Reader, Source, parked_entries};
use super::streams::Streams;
use crate::faults::Faults;
use crate::generation::Generation;
use crate::store::Store;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use uuid::Uuid;

/// Events written to the source that are handed over between two looks at the commands.
const LIVE_AT_ONCE: usize = 500;

/// What the real server takes for the last number of a parked stream once a park has failed (protocol §8.8).
const FAILED_PARK: i64 = i32::MIN as i64;

/// An event on its way to a consumer's call.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// What is delivered.
    pub(crate) payload: Payload,
    /// How often it was delivered before.
    pub(crate) retry: i32,
}

/// One more consumer was refused: the group has as many as it allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

/// What a group is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// A consumer joins. Its channel ends when the group drops it.
    Join {
        consumer: Consumer,
        deliveries: mpsc::Sender<Delivery>,
        reply: oneshot::Sender<Result<(), Full>>,
    },
    /// Events are done with.
    Ack(Vec<Uuid>),
    /// Events are given back.
    Nack {
        ids: Vec<Uuid>,
        action: Nack,
        reason: String,
    },
    /// What does it look like?
    Info(oneshot::Sender<Info>),
    /// Deliver the parked events again, up to this revision.
    Replay {
        stop_at: Option<i64>,
        reply: oneshot::Sender<()>,
    },
    /// Drop the consumers and end.
    Stop,
}

/// A way to reach the task of a group.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    /// Bounded: a client that acknowledges faster than the group works waits.
    pub(crate) commands: mpsc::Sender<Command>,
    /// Consumers that are gone. Each sends one, so there are never more than consumers.
    pub(crate) leaves: mpsc::UnboundedSender<ConsumerId>,
}

/// What the task of a group is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) store: Store,
    pub(crate) server: Generation,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) leader: Arc<AtomicUsize>,
    pub(crate) source: Source,
    pub(crate) group: String,
    pub(crate) settings: Settings,
}

/// Whether the task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// The task of a group, not yet running.
#[derive(Debug)]
pub(crate) struct Actor {
    group: Group<Payload>,
    settings: Settings,
    reader: Reader,
    streams: Streams,
    store: Store,
    server: Generation,
    clock: Clock,
    mischief: Mischief,
    written: watch::Receiver<u64>,
    calls: HashMap<ConsumerId, mpsc::Sender<Delivery>>,
    commands: mpsc::Receiver<Command>,
    leaves: mpsc::UnboundedReceiver<ConsumerId>,
}

impl Actor {
    /// A group that goes on from its stored checkpoint, if it has one.
    pub(crate) fn new(setup: Setup) -> (Actor, Mailbox) {
        let Setup {
            store,
            server,
            clock,
            faults,
            leader,
            source,
            group,
            settings,
        } = setup;
        let (commands, command_queue) = mpsc::channel(256);
        let (leaves, leave_queue) = mpsc::unbounded_channel();
        let streams = Streams::new(store.clone(), server, source.name(), &group);
        let mischief = Mischief::new(faults, leader, source.name());
        // From here on what is written is live: only then is the checkpoint read and history begun.
        let reader = Reader::new(store.clone(), source, &settings);
        let written = reader.watch();
        let mut machine = Group::new(settings.clone());
        machine.loaded(streams.load_checkpoint(), streams.parked_range());
        let actor = Actor {
            group: machine,
            settings,
            reader,
            streams,
            store,
            server,
            clock,
            mischief,
            written,
            calls: HashMap::new(),
            commands: command_queue,
            leaves: leave_queue,
        };
        (actor, Mailbox { commands, leaves })
    }

    /// Runs until it is told to stop or nobody can reach it any more.
    pub(crate) async fn run(mut self) {
        let second = self.clock.real(Duration::from_secs(1));
        let mut ticks = interval_at(Instant::now() + second, second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut faults = self.mischief.watch();
        self.misbehave();
        self.perform();
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Stop) | None => break,
                    Some(command) => self.handle(command),
                },
                Some(consumer) = self.leaves.recv() => {
                    if self.leave(consumer) == Next::Stop {
                        break;
                    }
                }
                Ok(()) = self.written.changed() => self.catch_live(),
                Ok(()) = faults.changed() => self.misbehave(),
                _ = ticks.tick() => self.tick(),
            }
            self.perform();
        }
        self.group.drop_consumers();
        self.perform();
    }

    fn tick(&mut self) {
        for (consumer, late) in self.mischief.release_all() {
            self.send(consumer, late);
        }
        self.misbehave();
        self.group.tick(self.clock.now_ms());
    }

    /// Does what faults ask for that strike no single event.
    fn misbehave(&mut self) {
        let withheld = self.mischief.withholds();
        self.group.withhold(self.clock.now_ms(), withheld);
        if !self.calls.is_empty() && self.mischief.drops_consumers() {
            self.group.drop_consumers();
        }
    }

    /// A consumer is gone; what it answered before that counts.
    fn leave(&mut self, consumer: ConsumerId) -> Next {
        while let Ok(command) = self.commands.try_recv() {
            if matches!(command, Command::Stop) {
                return Next::Stop;
            }
            self.handle(command);
        }
        self.calls.remove(&consumer);
        self.group.leave(self.clock.now_ms(), consumer);
        Next::GoOn
    }

    fn handle(&mut self, command: Command) {
        let now_ms = self.clock.now_ms();
        match command {
            Command::Join {
                consumer,
                deliveries,
                reply,
            } => self.join(now_ms, consumer, deliveries, reply),
            Command::Ack(ids) => self.group.ack(now_ms, &ids),
            Command::Nack {
                ids,
                action,
                reason,
            } => self.group.nack(now_ms, &ids, action, &reason),
            // Nobody waits for an answer any more if the call was cancelled; nothing to do then.
            Command::Info(reply) => drop(reply.send(self.group.info(now_ms))),
            Command::Replay { stop_at, reply } => {
                self.group.replay(stop_at);
                reply.send(()).ok();
            }
            Command::Stop => {}
        }
    }

    fn join(
        &mut self,
        now_ms: i64,
        consumer: Consumer,
        deliveries: mpsc::Sender<Delivery>,
        reply: oneshot::Sender<Result<(), Full>>,
    ) {
        if !self.group.has_place() {
            reply.send(Err(Full)).ok();
        } else if reply.send(Ok(())).is_ok() {
            self.calls.insert(consumer.id, deliveries);
            self.group.join(now_ms, consumer);
        }
    }

    /// Hands over what was written since the last time.
    fn catch_live(&mut self) {
        while let Some(batch) = self.reader.live(LIVE_AT_ONCE) {
            let now_ms = self.clock.now_ms();
            for live in batch {
                match live {
                    Live::Item(item) => self.group.live(now_ms, item),
                    Live::Skipped(position) => self.group.skipped_live(now_ms, position),
                }
            }
        }
    }

    fn perform(&mut self) {
        while let Some(effect) = self.group.next_effect() {
            match effect {
                Effect::Push {
                    consumer,
                    item,
                    retry,
                } => self.push(consumer, item, retry),
                // The end of its channel tells the call.
                Effect::Drop(consumer) => drop(self.calls.remove(&consumer)),
                Effect::ReadPage { from, count } => {
                    let page = self.reader.page(from, count);
                    // The page may show what the live feed has not brought yet: that goes first, so nothing comes twice.
                    self.catch_live();
                    match page {
                        Some(page) => self.group.page(self.clock.now_ms(), page),
                        None => self.group.page_failed(),
                    }
                }
                Effect::WriteCheckpoint(position) => self.write_checkpoint(position),
                Effect::Park { item, reason } => self.park(&item.payload, &reason),
                Effect::ReadParked { from, count } => self.read_parked(from, count),
                Effect::TruncateParked { before } => {
                    note(
                        self.streams.truncate_parked(before),
                        "failed to truncate a parked stream",
                    );
                }
            }
        }
    }

    fn push(&mut self, consumer: ConsumerId, item: Item<Payload>, retry: i32) {
        let (id, payload) = (item.id, item.payload);
        let delivery = Delivery { payload, retry };
        match self.mischief.fate() {
            Fate::Once => {}
            Fate::Twice => self.send(consumer, delivery.clone()),
            Fate::Late => {
                if let Some(earlier) = self.mischief.hold(consumer, delivery) {
                    self.send(consumer, earlier);
                }
                return;
            }
            Fate::Parked => return self.group.park_by_itself(self.clock.now_ms(), id),
        }
        self.send(consumer, delivery);
        if let Some(late) = self.mischief.release(consumer) {
            self.send(consumer, late);
        }
    }

    fn send(&self, consumer: ConsumerId, delivery: Delivery) {
        let Some(call) = self.calls.get(&consumer) else {
            return;
        };
        // A consumer that does not read loses the delivery, as on the real server (protocol §8.3): the event stays
        // in flight and its time runs out. One that is gone says so by itself.
        if let Err(error) = call.try_send(delivery) {
            tracing::debug!(%error, "a consumer's queue took no delivery");
        }
    }

    fn write_checkpoint(&mut self, mut position: Position) {
        if let Some(by) = self.mischief.checkpoint_ahead() {
            position = self.reader.ahead(position, by);
            self.group.checkpoint_written(position);
        }
        note(
            self.streams.write_checkpoint(position),
            "failed to write a checkpoint",
        );
    }

    fn park(&mut self, payload: &Payload, reason: &str) {
        let number = match self.streams.park(payload, reason) {
            Ok(number) => number.and_then(|number| i64::try_from(number).ok()),
            Err(refused) => {
                tracing::warn!(?refused, "failed to park an event");
                Some(FAILED_PARK)
            }
        };
        if let Some(number) = number {
            self.group.parked(number);
        }
    }

    fn read_parked(&mut self, from: i64, count: usize) {
        let (records, next, end) = self
            .streams
            .read_parked(u64::try_from(from).unwrap_or(0), count);
        let mut entries = parked_entries(&self.store, records, self.settings.strategy);
        if !self.server.replays_absent_targets() {
            entries.retain(|(_, item)| item.payload.event.is_some());
        }
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        self.group
            .parked_page(self.clock.now_ms(), entries, next, end);
    }
}

fn note(outcome: Result<(), crate::store::Refused>, failure: &'static str) {
    if let Err(refused) = outcome {
        tracing::warn!(?refused, "{failure}");
    }
}
