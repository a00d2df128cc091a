//! Subscriptions to the log: opened at a node that may lag, and brought message by message, as the loop asks for them.
//!
//! Never brings what was scavenged.

use std::time::Duration;

use ditto_core::event::StreamName;
use ditto_core::port::log::LogInput;
use ditto_core::port::{Input, SessionId};

use super::daemon::Subscription;
use super::state::metadata;
use super::world::{Happening, World};

impl World {
    pub(super) fn subscribe(&mut self, number: usize, next: usize) -> Option<LogInput> {
        let lag = if self.dice.permille(200) && !self.healed {
            self.dice.index(4)
        } else {
            0
        };
        let of = self.log;
        if self.daemons[number].session.is_some() {
            self.promises
                .broke("a subscription is opened while another is open".to_owned());
        }
        let daemon = &mut self.daemons[number];
        daemon.sessions += 1;
        // Ids are never used twice, in no life of this daemon.
        let id = SessionId(u64::from(daemon.generation) << 32 | daemon.sessions);
        daemon.session = Some(Subscription {
            id,
            next,
            lag,
            opened: false,
            polled: false,
            brought: false,
            of,
        });
        let generation = daemon.generation;
        let opened = LogInput::Opened { session: id };
        // The first message cannot come before the word that it is open.
        let at = self.now + self.delay();
        let input = Happening::Input(number, generation, Box::new(Input::Log(opened)));
        self.agenda.plan(at, input);
        self.agenda.plan(at, Happening::Read(number, id));
        None
    }

    /// The subscription brings its next message, if the loop asks for one.
    pub(super) fn read(&mut self, number: usize, id: SessionId) {
        let generation = self.daemons[number].generation;
        let of = self.log;
        let filter = self.daemons[number].filter.clone();
        let copies_states = self.options.states.is_some();
        if self.daemons[number].frozen_until > self.now {
            let later = self.daemons[number].frozen_until;
            self.agenda.plan(later, Happening::Read(number, id));
            return;
        }
        let Some(session) = self.daemons[number].session.as_mut() else {
            return;
        };
        if session.id != id {
            return;
        }
        if session.of != of || self.source_away {
            self.daemons[number].session = None;
            let ended = LogInput::Ended {
                session: id,
                why: None,
            };
            self.input(number, generation, Input::Log(ended));
            return;
        }
        if session.brought && !session.polled {
            return;
        }
        let pause = self.dice.time(Duration::ZERO, Duration::from_millis(20));
        let shown = self.source.log.len().saturating_sub(session.lag);
        let next = self.source.log[..shown.max(session.next.min(shown))]
            .get(session.next)
            .cloned();
        if session.lag > 0 && self.dice.permille(100) {
            session.lag -= 1;
        }
        let Some(logged) = next else {
            // Live: looked at again soon.
            let at = self.now + Duration::from_millis(500) + pause;
            self.agenda.plan(at, Happening::Read(number, id));
            return;
        };
        session.next += 1;
        let of = logged.event.stream.described();
        let is_wanted = |name: &StreamName| !logged.scavenged && filter.wants(name);
        let message = if let Some(name) = of.filter(|name| copies_states && is_wanted(name)) {
            Some(LogInput::State {
                session: id,
                position: logged.position,
                stream: name,
                metadata: Box::new(metadata(&logged.event, None)),
            })
        } else if is_wanted(&logged.event.stream) {
            Some(LogInput::Record {
                session: id,
                position: logged.position,
                event: Box::new(logged.event),
            })
        } else if self.dice.permille(300) {
            Some(LogInput::LookedThrough {
                session: id,
                position: logged.position,
            })
        } else {
            None
        };
        if let Some(message) = message {
            session.brought = true;
            self.input(number, generation, Input::Log(message));
        }
        self.agenda
            .plan(self.now + pause, Happening::Read(number, id));
    }
}
