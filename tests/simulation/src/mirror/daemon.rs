//! The daemons of a schedule: their lives, their subscriptions, and what their cores are fed.
//!
//! Never decides what a server does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use ditto_core::event::Event;
use ditto_core::filter::StreamFilter;
use ditto_core::port::log::{Holder, LogInput};
use ditto_core::port::{AppendId, Input, LogPosition, Moment, PipelineState, ReadId, SessionId};
use ditto_core::{Core, LogSettings};
use uuid::Uuid;

use super::world::{Happening, World};

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) id: SessionId,
    /// Index of the next record.
    pub(super) next: usize,
    /// Records that its node does not have yet.
    pub(super) lag: usize,
    /// It brings one message, and more when it is asked to.
    /// The core was told of it.
    pub(super) opened: bool,
    pub(super) polled: bool,
    pub(super) brought: bool,
    /// Which of the source's logs it reads: one that was cut or replaced ends it.
    pub(super) of: u32,
}

#[derive(Debug)]
pub(super) struct Daemon {
    pub(super) core: Option<Core>,
    pub(super) generation: u32,
    pub(super) instance: Uuid,
    pub(super) filter: StreamFilter,
    pub(super) session: Option<Subscription>,
    pub(super) sessions: u64,
    /// Connections to the destination that were aborted: what was sent over an earlier one never arrives.
    pub(super) connection: u32,
    /// The first connection of each life that was not aborted.
    pub(super) aborted: BTreeMap<u32, u32>,
    pub(super) in_flight: BTreeSet<AppendId>,
    pub(super) frozen_until: Moment,
    /// The log that its connections to the source were judged by, and the one that a read of epochs saw.
    pub(super) trusted: Option<u32>,
    pub(super) seen: BTreeMap<ReadId, u32>,
    pub(super) warned: Option<u32>,
    pub(super) finished: bool,
    /// The last record that it was brought, the highest position, and the last revision of each append: for mistakes.
    pub(super) place: Option<(LogPosition, Event)>,
    pub(super) highest: LogPosition,
    pub(super) last_revisions: HashMap<AppendId, u64>,
}

impl Daemon {
    /// An append is sent.
    pub(super) fn flies(&mut self, append: AppendId, last: u64) {
        self.in_flight.insert(append);
        self.last_revisions.insert(append, last);
    }

    /// What success of this append would answer.
    pub(super) fn answers(&self, append: AppendId) -> u64 {
        self.last_revisions.get(&append).copied().unwrap_or(0)
    }
}

/// What a daemon calls itself in one of its lives.
pub(super) fn instance_of(number: usize, generation: u32) -> Uuid {
    Uuid::from_u128(u128::from(generation) << 8 | (number as u128 + 1))
}

fn short(input: &Input) -> String {
    let text = match input {
        Input::Log(LogInput::Record {
            position, event, ..
        }) => format!(
            "record {} {} #{}",
            position.commit, event.stream, event.revision
        ),
        other => format!("{other:?}"),
    };
    text.chars().take(300).collect()
}

impl World {
    pub(super) fn start(&mut self, number: usize) {
        if self.daemons[number].core.is_some() {
            return;
        }
        let instance = instance_of(number, self.daemons[number].generation + 1);
        let filter = self.filter();
        let settings = LogSettings {
            filter: filter.clone(),
            states: self.options.states,
            holder: Holder {
                name: format!("ditto/{number}"),
                instance,
            },
        };
        let core = Core::mirror(self.settings(), settings);
        let daemon = &mut self.daemons[number];
        daemon.generation += 1;
        daemon.instance = instance;
        daemon.filter = filter;
        daemon.core = Some(core);
        daemon.finished = false;
        let generation = daemon.generation;
        self.note(|| format!("daemon {number} starts"));
        let bytes = self.options.budget;
        self.input(number, generation, Input::Budget { bytes });
    }

    pub(super) fn kill(&mut self, number: usize) {
        let daemon = &mut self.daemons[number];
        if daemon.core.take().is_none() {
            return;
        }
        daemon.session = None;
        daemon.trusted = None;
        daemon.warned = None;
        daemon.seen.clear();
        daemon.in_flight.clear();
        let instance = daemon.instance;
        daemon.generation += 1;
        if self.dice.permille(500) {
            self.destination.gone.insert(instance, true);
        }
        let pause = self
            .dice
            .time(Duration::from_millis(100), Duration::from_secs(20));
        self.agenda.plan(self.now + pause, Happening::Start(number));
        self.note(|| format!("daemon {number} killed"));
    }

    /// Feeds a core, now or when it is no longer frozen, and carries out what it commands.
    pub(super) fn input(&mut self, number: usize, generation: u32, input: Input) {
        let daemon = &mut self.daemons[number];
        if daemon.generation != generation {
            return;
        }
        if daemon.frozen_until > self.now {
            if !matches!(input, Input::Tick) {
                let later = Happening::Input(number, generation, Box::new(input));
                self.agenda.plan(daemon.frozen_until, later);
            }
            return;
        }
        let Some(mut core) = daemon.core.take() else {
            return;
        };
        match &input {
            Input::Appended { append, .. } => drop(daemon.in_flight.remove(append)),
            Input::Log(LogInput::Record {
                position, event, ..
            }) => {
                daemon.place = Some((*position, (**event).clone()));
                daemon.highest = daemon.highest.max(*position);
            }
            Input::Log(LogInput::Opened { session }) => {
                if let Some(current) = daemon.session.as_mut().filter(|open| open.id == *session) {
                    current.opened = true;
                }
            }
            _ => {}
        }
        if !matches!(input, Input::Tick) {
            self.note(|| format!("{number} < {}", short(&input)));
        }
        self.inputs += 1;
        let input = self.spoil_input(number, input);
        let mut commands = Vec::new();
        core.handle(self.now, input, &mut commands);
        self.daemons[number].core = Some(core);
        for command in commands {
            let command = self.spoil_command(number, command);
            self.command(number, generation, command);
        }
    }

    /// What the core says of itself.
    pub(super) fn state(&self, number: usize) -> Option<PipelineState> {
        let core = self.daemons[number].core.as_ref()?;
        Some(core.status().state)
    }
}
