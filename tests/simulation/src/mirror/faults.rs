//! What goes wrong: servers away, processes killed or frozen, scavenges, leaders that come and go, a source that is another.
//!
//! Never touches what a promise is judged by.

use std::time::Duration;

use super::source::Source;
use super::world::{Happening, World, stream};

impl World {
    pub(super) fn fault(&mut self) {
        if self.healed {
            return;
        }
        if self.options.replaced && !self.exchanged && self.dice.permille(300) {
            self.exchanged = true;
            self.replace();
            return;
        }
        if self.options.widened && self.excluded > 0 && self.dice.permille(300) {
            self.widen();
            return;
        }
        match self.dice.below(9) {
            0 => {
                self.source_away = true;
                let pause = self
                    .dice
                    .time(Duration::from_secs(1), Duration::from_secs(40));
                self.agenda.plan(self.now + pause, Happening::Back(true));
            }
            1 => {
                self.destination_away = true;
                let pause = self
                    .dice
                    .time(Duration::from_secs(1), Duration::from_secs(60));
                self.agenda.plan(self.now + pause, Happening::Back(false));
            }
            2 => {
                let number = self.dice.index(self.daemons.len());
                self.kill(number);
            }
            3 => {
                let number = self.dice.index(self.daemons.len());
                let pause = self
                    .dice
                    .time(Duration::from_secs(1), Duration::from_secs(70));
                self.daemons[number].frozen_until = self.now + pause;
                self.note(|| format!("daemon {number} frozen for {pause:?}"));
            }
            4 => {
                self.note(|| "another leader".to_owned());
                self.source.begin_epoch();
            }
            5 => self.end_session(),
            6 => self.truncate(),
            7 => {
                self.note(|| "scavenged".to_owned());
                self.source.scavenge();
            }
            _ => self.cut(),
        }
    }

    /// The operator changes the rules: every daemon starts again with them.
    fn widen(&mut self) {
        self.note(|| "every stream is wanted".to_owned());
        self.excluded = 0;
        for number in 0..self.daemons.len() {
            self.kill(number);
        }
        // What follows soon meets daemons that begin again.
        for _ in 0..4 {
            let soon = self.dice.time(Duration::ZERO, Duration::from_secs(60));
            self.agenda.plan(self.now + soon, Happening::Fault);
        }
    }

    fn end_session(&mut self) {
        let number = self.dice.index(self.daemons.len());
        let generation = self.daemons[number].generation;
        if let Some(session) = self.daemons[number]
            .session
            .take_if(|session| session.opened)
        {
            let ended = ditto_core::port::log::LogInput::Ended {
                session: session.id,
                why: None,
            };
            self.input(number, generation, ditto_core::port::Input::Log(ended));
        }
    }

    fn truncate(&mut self) {
        let name = stream(self.dice.below(self.options.streams));
        let Some(last) = self.source.last(&name) else {
            return;
        };
        let first = self.dice.between(0, last + 1);
        if self.options.states.is_some() {
            return self.truncate_by_state(&name, first);
        }
        let before = self.source.truncated.entry(name.clone()).or_default();
        *before = (*before).max(first);
        let first = *before;
        self.note(|| format!("{name} truncated before {first}"));
    }

    /// The operator of the source hides what a stream has, often of one that is held.
    pub(super) fn hide(&mut self) {
        let held: Vec<_> = self.destination.held().into_keys().collect();
        let name = if held.is_empty() || self.hiding.permille(500) {
            stream(self.hiding.below(self.options.streams))
        } else {
            held[self.hiding.index(held.len())].clone()
        };
        let deleted = self.hiding.permille(400);
        self.note(|| format!("{name} hides all, deleted: {deleted}"));
        self.source.hide(&name, deleted);
    }

    /// A leader is lost with a tail that no other node has.
    fn cut(&mut self) {
        if self.dice.permille(700) || self.source.log.is_empty() {
            return;
        }
        let keep = self.source.log.len() - self.dice.index(self.source.log.len().min(4)) - 1;
        let scavenged = self.source.log[keep..]
            .iter()
            .any(|logged| logged.scavenged);
        if scavenged {
            // A chunk that is scavenged is complete, and on every node.
            return;
        }
        self.note(|| format!("cut after {keep} records"));
        self.promises
            .cut(self.source.log[keep..].iter().map(|logged| logged.event.id));
        self.source.cut(keep);
        self.log += 1;
    }

    /// The source lets no epochs be read, and no checkpoint names a record of it: a stranger that comes then is the source,
    /// unless the process that copied knows better.
    fn nothing_tells(&self) -> bool {
        !self.options.epochs && !self.destination.has_record()
    }

    /// Another source answers at the address: a stranger, or this one restored from its past, and gone on.
    fn replace(&mut self) {
        let restored = self.dice.permille(500) && !self.source.log.is_empty();
        self.note(|| format!("the source is replaced, restored: {restored}"));
        if restored {
            let keep = self.dice.index(self.source.log.len());
            let lost = self.source.log[keep..].iter().map(|logged| logged.event.id);
            self.promises.cut(lost);
            self.source.cut(keep);
        } else {
            if !self.destination.checkpoints.is_empty() && !self.nothing_tells() {
                self.promises.replace();
            }
            self.source = Source::new(self.options.skips, 2);
        }
        self.log += 1;
    }
}
