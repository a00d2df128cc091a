//! How long things take under a model of the real server (its measurements: protocol §15.7).
//!
//! Without a model nothing ever waits here.

mod paced;
mod timer;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::options::Model;
pub(crate) use paced::{Meter, Paced};
use timer::Timer;

/// The pace of one server.
#[derive(Debug)]
pub(crate) struct Pace {
    model: Option<Model>,
    timer: Timer,
    busy: Mutex<Busy>,
}

/// Until when the writer and each reader have work.
#[derive(Debug)]
struct Busy {
    writer: Instant,
    readers: Vec<Instant>,
}

impl Pace {
    pub(crate) fn new(model: Option<Model>) -> Self {
        let now = Instant::now();
        Self {
            model,
            timer: Timer::default(),
            busy: Mutex::new(Busy {
                writer: now,
                readers: vec![now; model.map_or(1, |model| model.readers.max(1))],
            }),
        }
    }

    /// Whether there is anything to wait for at all.
    pub(crate) fn is_free(&self) -> bool {
        self.model.is_none()
    }

    /// Takes a write's turn at the one writer: when it is done, counted from now on.
    pub(crate) fn book_write(&self, events: usize) -> Option<Instant> {
        let model = self.model?;
        let cost = model.append_time(events);
        let writer = &mut self.busy().writer;
        *writer = (*writer).max(Instant::now()) + cost;
        Some(*writer)
    }

    /// Waits until a moment.
    pub(crate) async fn until(&self, moment: Instant) {
        self.timer.until(moment).await;
    }

    /// Waits until a write that was done at its turn is answered.
    pub(crate) async fn answer(&self, turn: Instant) {
        if let Some(model) = self.model {
            self.timer.until(turn + model.answer).await;
        }
    }

    /// Waits as long as a read takes.
    pub(crate) async fn read(&self) {
        let Some(model) = self.model else {
            return;
        };
        let done = {
            let mut busy = self.busy();
            let Some(reader) = busy.readers.iter_mut().min() else {
                return;
            };
            *reader = (*reader).max(Instant::now()) + model.read;
            *reader
        };
        self.timer.until(done).await;
    }

    /// The time between two events of one group.
    pub(crate) fn push_interval(&self) -> Option<Duration> {
        Duration::from_secs(1).checked_div(self.model?.pushes)
    }

    /// The time between two events of a subscription to a stream or to the log.
    pub(crate) fn bring_interval(&self) -> Option<Duration> {
        Duration::from_secs(1).checked_div(self.model?.brings)
    }

    /// What a subscription to the log takes to look at a record.
    pub(crate) fn look(&self) -> Duration {
        self.model.map_or(Duration::ZERO, |model| model.look)
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
