//! The newest event that a server is known to have stored: what tells whether its log was set back.
//!
//! An answer to an append names the position of its last event (protocol §5.1.5). A server that was restored from a backup, or
//! that lost its leader with a tail that no other node has, no longer has that event there. Never decides what follows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ditto_core::port::LogPosition;
use uuid::Uuid;

use super::super::error::{Class, Error};
use super::Client;

/// An event, and where the log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Landmark {
    /// The event's position in the server's log.
    pub(super) position: LogPosition,
    /// The event's id: a restored log has another one at that position.
    pub(super) id: Uuid,
}

/// The highest one that answers have named. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Landmarks(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    highest: Option<Landmark>,
    /// So many connections had been begun when it was noted.
    openings: u64,
    /// The highest one of connections before those: to be tested, whatever is noted meanwhile.
    untested: Option<Landmark>,
}

impl Landmarks {
    /// An answer named this one, when so many connections had been begun.
    pub(super) fn note(&self, landmark: Option<Landmark>, openings: u64) {
        let mut state = self.lock();
        if state.openings != openings {
            state.openings = openings;
            state.untested = state.untested.or(state.highest);
        }
        state.highest = state.highest.max(landmark);
    }

    /// Nothing half-done is ever left behind a lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// Whether the server still has the newest event that it said to have stored, as far as its leader lets the log be read.
    /// Asked anew each time: a connection that is gone shows only when it is used. If the event is gone, what the server said
    /// before counts no more.
    ///
    /// # Errors
    /// No answer.
    pub async fn is_as_it_was(&self) -> Result<bool, Error> {
        let asked = {
            let state = self.landmarks.lock();
            state.untested.or(state.highest)
        };
        let Some(landmark) = asked else {
            return Ok(true);
        };
        let is_there = match self.record_at(landmark.position).await {
            Ok(found) => found.is_some_and(|found| found.event.id == landmark.id),
            Err(error) if *error.class() == Class::InvalidPosition => false,
            // Nothing tells.
            Err(error) if *error.class() == Class::Denied => true,
            Err(error) => return Err(error),
        };
        let mut state = self.landmarks.lock();
        if is_there {
            state.untested = state.untested.filter(|other| *other != landmark);
        } else {
            *state = State::default();
        }
        Ok(is_there)
    }
}
