//! The persistent subscription's group on the source server, as protocol §8 and §14.3 describe it.
//!
//! Slots, redelivery and retry counts; what it reads and how far it is, is in `reading`, parking in `parking`. Never
//! delays anything: the world does.

mod reading;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use ditto_core::event::Item;
use ditto_core::port::{GroupSeen, JoinRefusal};
use uuid::Uuid;

use crate::dice::Dice;
use crate::options::GroupOptions;
use crate::parking::Parking;
use crate::source::{Source, Target};

/// The key of a consumer that is not ditto and takes what it likes.
pub(crate) const FOREIGN: u64 = 0;
const READ_AHEAD: usize = 6;

/// One delivery on its way through the group.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Number in the subscription's stream; `None`: a replayed parked entry.
    pub(crate) number: Option<u64>,
    /// What is acknowledged.
    pub(crate) ack: Uuid,
    /// What it points to.
    pub(crate) target: Target,
    /// What it resolved to when the group read it.
    pub(crate) item: Item,
    /// How often it was delivered before.
    pub(crate) retry: u32,
    /// The number that the group read before it; `None`: it was the first.
    previous: Option<u64>,
}

#[derive(Debug)]
struct Outstanding {
    message: Message,
    pushed: Duration,
    consumer: u64,
}

#[derive(Debug)]
struct Consumer {
    key: u64,
    buffer_size: u32,
    held: u32,
}

/// Whether the group can be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It can.
    Present,
    /// It cannot, for this reason.
    Refused(JoinRefusal),
}

/// A delivery that the server took back because its time was over.
#[derive(Debug)]
pub(crate) struct TakenBack {
    /// Who had it.
    pub(crate) consumer: u64,
    /// What it points to.
    pub(crate) target: Target,
    /// It was parked instead of being delivered again.
    pub(crate) parked: bool,
}

#[derive(Debug)]
pub(crate) struct Group {
    options: GroupOptions,
    /// Whether it can be joined.
    pub(crate) presence: Presence,
    /// The parked stream.
    pub(crate) parking: Parking,
    /// Last number that the stored checkpoint covers.
    pub(crate) checkpoint: Option<u64>,
    consumers: Vec<Consumer>,
    buffer: VecDeque<Message>,
    retries: Vec<Message>,
    outstanding: Vec<Outstanding>,
    next: u64,
    last_read: Option<u64>,
    last_pushed: Option<u64>,
    /// The tombstone of the stream itself was delivered.
    ended: bool,
    /// It has to read a stream that is tombstoned: it delivers nothing, and drops whoever joins.
    faulted: bool,
    /// Numbers that were pushed while another event of the same id was outstanding (protocol §8.6): whether they arrive
    /// or not, the group never delivers them again and counts them as done.
    pub(crate) untracked: BTreeSet<u64>,
}

impl Group {
    /// A group that was just created.
    pub(crate) fn new(options: GroupOptions, source: &Source) -> Self {
        let mut group = Self {
            options,
            presence: Presence::Present,
            parking: Parking::default(),
            checkpoint: None,
            consumers: Vec::new(),
            buffer: VecDeque::new(),
            retries: Vec::new(),
            outstanding: Vec::new(),
            next: 0,
            last_read: None,
            last_pushed: None,
            ended: false,
            faulted: false,
            untracked: BTreeSet::new(),
        };
        group.reload(source);
        group
    }

    /// Deleted and created again.
    pub(crate) fn recreate(&mut self, source: &Source) {
        self.checkpoint = None;
        self.parking.delete();
        self.reload(source);
    }

    /// A consumer joins with so many slots.
    pub(crate) fn join(&mut self, key: u64, buffer_size: u32) -> Result<(), JoinRefusal> {
        if let Presence::Refused(why) = self.presence {
            return Err(why);
        }
        if self.options.max_subscribers != 0 && self.consumers.len() >= self.options.max_subscribers
        {
            return Err(JoinRefusal::Taken);
        }
        self.consumers.push(Consumer {
            key,
            buffer_size,
            held: 0,
        });
        Ok(())
    }

    /// Is this consumer known here?
    pub(crate) fn has(&self, key: u64) -> bool {
        self.consumers.iter().any(|consumer| consumer.key == key)
    }

    /// A consumer is gone: what it had comes again, first, with a higher retry count and no check of it.
    pub(crate) fn leave(&mut self, key: u64) {
        self.consumers.retain(|consumer| consumer.key != key);
        let mut index = 0;
        while index < self.outstanding.len() {
            if self.outstanding[index].consumer == key {
                let mut message = self.outstanding.remove(index).message;
                message.retry += 1;
                self.requeue(message);
            } else {
                index += 1;
            }
        }
    }

    /// The next delivery and who gets it, if anybody has a free slot.
    pub(crate) fn push(
        &mut self,
        source: &Source,
        now: Duration,
        dice: &mut Dice,
        reorder: bool,
    ) -> Option<(u64, Message)> {
        let free = self
            .consumers
            .iter()
            .position(|consumer| consumer.held < consumer.buffer_size)?;
        let message = self.next_message(source, dice, reorder)?;
        let key = self.consumers[free].key;
        if self.track(&message, now, key) {
            self.consumers[free].held += 1;
        } else {
            self.untracked.extend(message.number);
        }
        Some((key, message))
    }

    /// Another consumer gets the next delivery, whatever ditto's slots are.
    pub(crate) fn push_to_foreign(
        &mut self,
        source: &Source,
        now: Duration,
        dice: &mut Dice,
    ) -> Option<Uuid> {
        let message = self.next_message(source, dice, false)?;
        self.track(&message, now, FOREIGN);
        Some(message.ack)
    }

    /// Acknowledged by whomever. Unknown ids are ignored.
    pub(crate) fn ack(&mut self, id: Uuid) {
        if self.remove(id).is_some() {
            self.checkpoint_if(self.options.max_checkpoint);
        }
    }

    /// Parked by a consumer.
    pub(crate) fn park(&mut self, id: Uuid, reason: &str) {
        if let Some(message) = self.remove(id) {
            self.parking.add(
                message.target,
                format!("Client explicitly NAK'ed message.\n{reason}"),
                false,
            );
        }
        self.checkpoint_if(self.options.max_checkpoint);
    }

    /// The server's own second: takes back what waited too long, writes a checkpoint if one is due.
    pub(crate) fn tick(&mut self, now: Duration) -> Vec<TakenBack> {
        let mut taken = Vec::new();
        let mut index = 0;
        while index < self.outstanding.len() {
            if now.saturating_sub(self.outstanding[index].pushed) <= self.options.message_timeout {
                index += 1;
                continue;
            }
            let Outstanding {
                mut message,
                consumer,
                ..
            } = self.outstanding.remove(index);
            self.free_slot(consumer);
            let parked = message.retry >= self.options.max_retry_count;
            taken.push(TakenBack {
                consumer,
                target: message.target,
                parked,
            });
            if parked {
                let reason = format!("Reached retry count of {}", self.options.max_retry_count);
                self.parking.add(message.target, reason, true);
            } else {
                message.retry += 1;
                self.requeue(message);
            }
        }
        self.checkpoint_if(self.options.min_checkpoint);
        taken
    }

    /// An operator replays everything that is parked: it is queued behind the other retries.
    pub(crate) fn replay(&mut self, source: &Source) {
        for (entry, parked) in self.parking.take_all() {
            self.retries.push(Message {
                number: None,
                ack: Parking::ack_id(entry),
                target: parked.target,
                item: source.resolve(parked.target),
                retry: 0,
                previous: None,
            });
        }
    }

    /// Nothing is delivered and not acknowledged, nothing waits to be delivered.
    pub(crate) fn is_drained(&self, source: &Source) -> bool {
        self.outstanding.is_empty()
            && self.retries.is_empty()
            && self.buffer.is_empty()
            && self.next >= source.entries.len() as u64
            && (self.ended || !source.is_tombstoned())
    }

    /// What is not done yet, in words.
    pub(crate) fn waiting(&self) -> String {
        let (with, retries) = (self.outstanding.len(), self.retries.len());
        let ahead = self.buffer.len();
        format!("{with} with consumers, {retries} retries, {ahead} read ahead")
    }

    /// What GetInfo says.
    pub(crate) fn seen(&self, source: &Source) -> GroupSeen {
        GroupSeen {
            message_timeout: self.options.message_timeout,
            max_retry_count: self.options.max_retry_count,
            checkpoint: self.checkpoint,
            start: self.options.start,
            parked: self.parking.count(),
            parked_readable: None,
            last_number: source.last_number_seen(),
        }
    }

    /// An id that is in flight already is pushed but not tracked (protocol §8.6).
    fn track(&mut self, message: &Message, now: Duration, consumer: u64) -> bool {
        if self
            .outstanding
            .iter()
            .any(|other| other.message.ack == message.ack)
        {
            return false;
        }
        self.outstanding.push(Outstanding {
            message: message.clone(),
            pushed: now,
            consumer,
        });
        true
    }

    fn remove(&mut self, id: Uuid) -> Option<Message> {
        let index = self
            .outstanding
            .iter()
            .position(|held| held.message.ack == id)?;
        let held = self.outstanding.remove(index);
        self.free_slot(held.consumer);
        Some(held.message)
    }

    fn free_slot(&mut self, key: u64) {
        if let Some(consumer) = self
            .consumers
            .iter_mut()
            .find(|consumer| consumer.key == key)
        {
            consumer.held -= 1;
        }
    }

    /// Retries go by number; replayed ones last.
    fn requeue(&mut self, message: Message) {
        let place = |message: &Message| message.number.unwrap_or(u64::MAX);
        let index = self
            .retries
            .partition_point(|other| place(other) <= place(&message));
        self.retries.insert(index, message);
    }
}
