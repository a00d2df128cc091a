//! One persistent subscription as a state machine: events, acknowledgements and time go in, effects come out
//! (protocol §8). Never does I/O and has no clock of its own.

mod mischief;
mod replay;
mod view;

use super::buffer::{Buffer, Queue};
use super::checkpoint::Progress;
use super::consumers::{Choice, Consumer, ConsumerId, Consumers};
use super::effect::{Effect, Nack, Page, ParkedRange};
use super::in_flight::{Held, InFlight};
use super::item::{Item, Message};
use super::position::Position;
use super::settings::Settings;
use std::collections::VecDeque;
use uuid::Uuid;

#[derive(Debug)]
pub(crate) struct Group<E> {
    settings: Settings,
    /// Nothing before the checkpoint has been loaded.
    ready: bool,
    page_requested: bool,
    faulted: bool,
    withheld: bool,
    /// History ended before it met the live events: try again at the next tick or event.
    waits_for_history: bool,
    next: Position,
    skip_first: bool,
    buffer: Buffer<E>,
    in_flight: InFlight<E>,
    consumers: Consumers,
    progress: Progress,
    last_known: Option<Position>,
    total_items: i64,
    /// How many items there were when somebody last asked, and when that was.
    measured: (i64, i64),
    parked: Option<ParkedRange>,
    replay: Option<replay::Replay>,
    effects: VecDeque<Effect<E>>,
}

impl<E: Clone> Group<E> {
    /// A group that waits for its checkpoint.
    pub(crate) fn new(settings: Settings) -> Group<E> {
        Group {
            ready: false,
            page_requested: false,
            faulted: false,
            withheld: false,
            waits_for_history: false,
            next: settings.start,
            skip_first: false,
            buffer: Buffer::new(
                settings.history_buffer_size,
                settings.live_buffer_size,
                false,
            ),
            in_flight: InFlight::new(),
            consumers: Consumers::new(settings.strategy),
            progress: Progress::new(None),
            last_known: None,
            total_items: 0,
            measured: (0, 0),
            parked: None,
            replay: None,
            effects: VecDeque::new(),
            settings,
        }
    }

    /// The stored checkpoint, if any, and with it what the parked stream holds: without a checkpoint that is not looked at.
    pub(crate) fn loaded(&mut self, checkpoint: Option<Position>, parked: Option<ParkedRange>) {
        let live = checkpoint.is_none() && self.settings.start.is_end();
        self.ready = true;
        self.buffer = Buffer::new(
            self.settings.history_buffer_size,
            self.settings.live_buffer_size,
            live,
        );
        self.progress = Progress::new(checkpoint);
        self.next = checkpoint.unwrap_or(self.settings.start);
        self.skip_first = checkpoint.is_some();
        self.parked = checkpoint.and(parked);
        self.read_on();
    }

    /// The next thing to be done.
    pub(crate) fn next_effect(&mut self) -> Option<Effect<E>> {
        self.effects.pop_front()
    }

    /// A page of the source. Live events the page already contains must have been handed in before.
    pub(crate) fn page(&mut self, now_ms: i64, page: Page<E>) {
        self.page_requested = false;
        if let Some((position, count)) = page.skipped {
            self.skipped(now_ms, position, count);
        }
        for item in page.items {
            self.last_known = self.last_known.max(item.position);
            if !std::mem::take(&mut self.skip_first) {
                self.buffer.add_read(item);
            }
        }
        self.next = page.next;
        if page.end && !self.buffer.move_to_live() {
            self.waits_for_history = true;
        } else {
            self.read_on();
        }
        self.push(now_ms);
    }

    /// The source cannot be read: every consumer is dropped, now and later (protocol §8.10).
    pub(crate) fn page_failed(&mut self) {
        self.faulted = true;
        self.drop_consumers();
    }

    /// An event was written to the source.
    pub(crate) fn live(&mut self, now_ms: i64, item: Item<E>) {
        if !self.ready || item.position.is_some_and(|at| at < self.settings.start) {
            return;
        }
        self.last_known = self.last_known.max(item.position);
        let position = item.position;
        if !self.buffer.add_live(item) {
            self.next = position.unwrap_or(self.next);
        }
        self.waits_for_history = false;
        self.read_on();
        self.push(now_ms);
    }

    /// Events of the source were left out by the filter, up to this position.
    pub(crate) fn skipped(&mut self, now_ms: i64, position: Position, count: i64) {
        if self.ready {
            self.progress.skipped(position, count);
            self.mark_checkpoint(now_ms, false);
        }
    }

    /// A live event was left out by the filter. While history is being read it says nothing about progress.
    pub(crate) fn skipped_live(&mut self, now_ms: i64, position: Position) {
        if self.buffer.is_live() {
            self.skipped(now_ms, position, 1);
        }
    }

    /// Whether one more consumer may join.
    pub(crate) fn has_place(&self) -> bool {
        let most = usize::try_from(self.settings.max_subscriber_count).unwrap_or(0);
        most == 0 || self.consumers.list().len() < most
    }

    /// A consumer joins; its confirmation has been sent.
    pub(crate) fn join(&mut self, now_ms: i64, consumer: Consumer) {
        let id = consumer.id;
        if self.faulted {
            self.effects.push_back(Effect::Drop(id));
            return;
        }
        self.consumers.join(consumer);
        self.push(now_ms);
    }

    /// A consumer is gone: what it held comes again, with no look at the retry limit (protocol §8.6).
    pub(crate) fn leave(&mut self, now_ms: i64, id: ConsumerId) {
        if !self.consumers.leave(id) {
            return;
        }
        for held in self.in_flight.take_of(id) {
            self.buffer.add_retry(held.message.again());
        }
        self.push(now_ms);
    }

    /// Events are done with. Unknown ids are ignored.
    pub(crate) fn ack(&mut self, now_ms: i64, ids: &[Uuid]) {
        for id in ids {
            if let Some(held) = self.release(now_ms, *id) {
                self.done(&held.message);
            }
        }
        self.after_answer(now_ms);
    }

    /// Events are given back.
    pub(crate) fn nack(&mut self, now_ms: i64, ids: &[Uuid], action: Nack, reason: &str) {
        for id in ids {
            let Some(held) = self.release(now_ms, *id) else {
                continue;
            };
            match action {
                Nack::Retry => self.retry(held.message),
                Nack::Park => self.park(
                    held.message,
                    format!("Client explicitly NAK'ed message.\n{reason}"),
                ),
                Nack::Skip => self.done(&held.message),
            }
        }
        self.after_answer(now_ms);
    }

    /// A second has passed: events held too long come back, and a checkpoint may be due.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        for held in self.in_flight.take_expired(now_ms) {
            self.free_slot(now_ms, &held);
            self.retry(held.message);
        }
        if self.ready {
            self.mark_checkpoint(now_ms, true);
        }
        self.waits_for_history = false;
        self.read_on();
        self.push(now_ms);
    }

    /// Ends every consumer's call.
    pub(crate) fn drop_consumers(&mut self) {
        let ids: Vec<ConsumerId> = self
            .consumers
            .list()
            .iter()
            .map(|consumer| consumer.id)
            .collect();
        for id in ids {
            self.consumers.leave(id);
            for held in self.in_flight.take_of(id) {
                self.buffer.add_retry(held.message.again());
            }
            self.effects.push_back(Effect::Drop(id));
        }
    }

    fn read_on(&mut self) {
        let idle = self.ready && !self.page_requested && !self.faulted && !self.waits_for_history;
        if !idle || self.buffer.is_live() || !self.buffer.has_room_for(self.batch()) {
            return;
        }
        self.page_requested = true;
        self.effects.push_back(Effect::ReadPage {
            from: self.next,
            count: self.settings.page_size(),
        });
    }

    fn batch(&self) -> usize {
        usize::try_from(self.settings.read_batch_size).unwrap_or(0)
    }

    fn after_answer(&mut self, now_ms: i64) {
        self.mark_checkpoint(now_ms, false);
        self.read_on();
        self.push(now_ms);
    }

    fn mark_checkpoint(&mut self, now_ms: i64, by_time: bool) {
        if let Some(position) = self.progress.due(now_ms, by_time, &self.settings) {
            self.effects.push_back(Effect::WriteCheckpoint(position));
        }
    }

    fn release(&mut self, now_ms: i64, id: Uuid) -> Option<Held<E>> {
        let held = self.in_flight.take(id)?;
        self.free_slot(now_ms, &held);
        Some(held)
    }

    fn free_slot(&mut self, now_ms: i64, held: &Held<E>) {
        let held_ms = u64::try_from(now_ms - held.since_ms).unwrap_or(0);
        self.consumers
            .freed(held.consumer, held.message.item.bucket, held_ms);
    }

    fn done(&mut self, message: &Message<E>) {
        if let Some(position) = message.item.position.filter(|_| message.counted) {
            self.progress.done(position);
        }
    }

    fn retry(&mut self, message: Message<E>) {
        if message.retry < self.settings.max_retry_count {
            self.buffer.add_retry(message.again());
        } else {
            let reason = self.out_of_retries();
            self.park(message, reason);
        }
    }

    fn out_of_retries(&self) -> String {
        format!("Reached retry count of {}", self.settings.max_retry_count)
    }

    fn park(&mut self, message: Message<E>, reason: String) {
        self.done(&message);
        self.effects.push_back(Effect::Park {
            item: message.item,
            reason,
        });
    }

    /// Hands out what waits, as long as somebody has a slot for it.
    fn push(&mut self, now_ms: i64) {
        if !self.ready || self.withheld {
            return;
        }
        for queue in [Queue::Retries, Queue::Replayed, Queue::Fresh] {
            let mut index = 0;
            while let Some(bucket) = self
                .buffer
                .peek(queue, index)
                .map(|message| message.item.bucket)
            {
                match self.consumers.choose(bucket) {
                    Choice::To(consumer) => self.push_one(now_ms, queue, index, consumer),
                    Choice::OwnerFull => {
                        if queue == Queue::Fresh {
                            self.buffer.pass_over(index, self.progress.last_known());
                        }
                        index += 1;
                    }
                    Choice::AllFull => return,
                }
            }
        }
        // What was handed out made room.
        self.read_on();
    }

    fn push_one(&mut self, now_ms: i64, queue: Queue, index: usize, consumer: ConsumerId) {
        let Some(mut message) = self.buffer.take(queue, index) else {
            return;
        };
        let tracked = !self.in_flight.contains(message.item.id);
        self.total_items += 1;
        self.consumers
            .pushed(consumer, message.item.bucket, tracked);
        match message.item.position {
            Some(position) if !message.counted => {
                message.counted = true;
                self.progress
                    .first_delivery(position, message.before, tracked);
            }
            _ if !tracked => self.done(&message),
            _ => {}
        }
        self.effects.push_back(Effect::Push {
            consumer,
            item: message.item.clone(),
            retry: message.retry,
        });
        if tracked {
            self.in_flight.start(
                message,
                consumer,
                now_ms,
                i64::from(self.settings.message_timeout_ms),
            );
        }
    }
}

#[cfg(test)]
mod tests;
