//! One schedule of mirrors in simulated time: a source's log, a destination, and the daemons that want to copy.
//!
//! Carries out what the cores command, late, lost or twice, and lets things go wrong. What must hold is in `promises`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use ditto_core::event::StreamName;
use ditto_core::filter::{Rule, StreamFilter};
use ditto_core::port::log::Epoch;
use ditto_core::port::{
    Command, CoreSettings, Feed, Input, LogPosition, Mode, Moment, OnConflict, OnMissingHistory,
    OnUnverified, PipelineState, SessionId,
};
use uuid::Uuid;

use super::daemon::Daemon;
use super::destination::Destination;
use super::mistake::Mistake;
use super::options::Options;
use super::promises::Promises;
use super::source::Source;
use crate::dice::Dice;
use crate::queue::Agenda;

/// After the faults: long enough for a take-over and for every pause to end.
const QUIET: Duration = Duration::from_secs(400);

/// The longest answer, and what follows it.
const ANSWERED: Duration = Duration::from_secs(30);

/// Where a stream was held: long enough for it to be looked at again.
const LOOKED_AT: Duration = Duration::from_secs(1_100);

#[derive(Debug)]
pub(super) enum Happening {
    /// A core gets an input.
    Input(usize, u32, Box<Input>),
    /// A server carries out a command.
    Serve(usize, u32, u32, Box<Command>, Moment),
    /// The loop hands on what a subscription brings.
    Read(usize, SessionId),
    /// A core wanted to be woken now.
    Wake(usize, u32),
    /// A second has passed.
    Second,
    /// Somebody writes at the source.
    Write,
    /// Somebody changes a stream's state at the source.
    Change,
    /// Something goes wrong.
    Fault,
    /// Somebody else does something at the destination.
    Meddle,
    /// A stream of the source is truncated whole, or soft-deleted.
    Hide,
    /// A stream is no longer refused.
    Allow(StreamName),
    /// A daemon starts.
    Start(usize),
    /// The source, or the destination, is back.
    Back(bool),
    /// The faults stop.
    Heal,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) dice: Dice,
    /// What others do is thrown with these.
    pub(super) others: Dice,
    /// What streams of the source hide is thrown with these.
    pub(super) hiding: Dice,
    /// Changes of states are thrown with these.
    pub(super) changes: Dice,
    /// Foreign events so far.
    pub(super) foreign: u128,
    pub(super) agenda: Agenda<Happening>,
    pub(super) now: Moment,
    pub(super) source: Source,
    pub(super) log: u32,
    pub(super) destination: Destination,
    pub(super) daemons: Vec<Daemon>,
    pub(super) source_away: bool,
    pub(super) destination_away: bool,
    /// Streams that are left out now.
    pub(super) excluded: u64,
    /// The source was replaced or restored, once.
    pub(super) exchanged: bool,
    pub(super) healed: bool,
    pub(super) written: u64,
    pub(super) promises: Promises,
    pub(super) mistake: Option<Mistake>,
    pub(super) first_epochs: Vec<Epoch>,
    pub(super) inputs: u64,
    pub(super) trace: Option<Vec<String>>,
}

/// The name of a stream.
pub(super) fn stream(number: u64) -> StreamName {
    StreamName::new(format!("s-{number}"))
}

impl World {
    pub(super) fn new(options: Options, mistake: Option<Mistake>, trace: bool) -> Self {
        let mut world = Self {
            options,
            dice: Dice::new(options.seed, 91),
            others: Dice::new(options.seed, 92),
            hiding: Dice::new(options.seed, 93),
            changes: Dice::new(options.seed, 94),
            foreign: 0,
            agenda: Agenda::new(),
            now: Moment::ZERO,
            source: Source::new(options.skips, 1),
            log: 0,
            destination: Destination::default(),
            daemons: Vec::new(),
            source_away: false,
            destination_away: false,
            excluded: options.excluded,
            exchanged: false,
            healed: false,
            written: 0,
            promises: Promises::default(),
            mistake: None,
            first_epochs: Vec::new(),
            inputs: 0,
            trace: trace.then(Vec::new),
        };
        for number in 0..options.daemons {
            world.daemons.push(Daemon {
                core: None,
                generation: 0,
                instance: Uuid::nil(),
                filter: StreamFilter::all(),
                session: None,
                sessions: 0,
                connection: 0,
                aborted: BTreeMap::new(),
                in_flight: BTreeSet::new(),
                frozen_until: Moment::ZERO,
                trusted: None,
                seen: BTreeMap::new(),
                warned: None,
                finished: false,
                place: None,
                highest: LogPosition {
                    commit: 0,
                    prepare: 0,
                },
                last_revisions: HashMap::new(),
            });
            let at = Duration::from_secs(number as u64 * 3);
            world.agenda.plan(at, Happening::Start(number));
        }
        world.mistake = mistake;
        world.first_epochs.clone_from(&world.source.epochs);
        world.plan_ahead();
        world
    }

    fn plan_ahead(&mut self) {
        let faulty = self.options.faulty;
        for _ in 0..self.options.writes {
            let at = self.dice.time(Duration::ZERO, faulty);
            self.agenda.plan(at, Happening::Write);
        }
        for _ in 0..self.options.changes {
            let at = self.changes.time(Duration::ZERO, faulty);
            self.agenda.plan(at, Happening::Change);
        }
        let faults = self.options.faults * faulty.as_secs() / 100;
        for _ in 0..faults + u64::from(self.options.replaced) {
            let at = self.dice.time(Duration::ZERO, faulty);
            self.agenda.plan(at, Happening::Fault);
        }
        for _ in 0..self.options.meddling * faulty.as_secs() / 100 {
            let at = self.others.time(Duration::ZERO, faulty);
            self.agenda.plan(at, Happening::Meddle);
        }
        for _ in 0..self.options.hidden * faulty.as_secs() / 100 {
            let at = self.hiding.time(Duration::ZERO, faulty);
            self.agenda.plan(at, Happening::Hide);
        }
        self.agenda.plan(faulty, Happening::Heal);
        self.agenda.plan(Duration::from_secs(1), Happening::Second);
    }

    /// The streams that are wanted: all but the first few.
    pub(super) fn filter(&self) -> StreamFilter {
        let excluded = (0..self.excluded)
            .map(|number| Rule::Name(stream(number).as_str().into()))
            .collect();
        StreamFilter::new(None, excluded)
    }

    pub(super) fn settings(&self) -> CoreSettings {
        CoreSettings {
            mode: Mode::Exact,
            buffer_size: None,
            appends_in_flight: None,
            throttle_interval: Duration::ZERO,
            max_append_events: 10,
            max_append_bytes: 1 << 20,
            time_to_live: None,
            on_conflict: OnConflict::Park,
            on_missing_history: if self.options.holds_gaps {
                OnMissingHistory::Park
            } else {
                OnMissingHistory::Fill
            },
            on_unverified: OnUnverified::Hold,
            known_streams: 1_000,
            feed: Feed::Plain,
            accept_unseen_below: 0,
        }
    }

    /// An answer that takes long may keep a checkpoint waiting at the very end: it comes.
    fn is_at_rest(&self, end: Moment) -> bool {
        let waits = |number| matches!(self.state(number), Some(PipelineState::Retrying(_)));
        self.now > end + ANSWERED || !(0..self.daemons.len()).any(waits)
    }

    /// Runs to the end, or to the first promise that is broken.
    pub(super) fn run(&mut self) {
        while let Some((at, what)) = self.agenda.next() {
            self.now = self.now.max(at);
            let quiet = if self.destination.record.is_empty() {
                QUIET
            } else {
                LOOKED_AT
            };
            let end = self.options.faulty + quiet;
            if self.promises.broken().is_some() || self.now > end && self.is_at_rest(end) {
                break;
            }
            self.happen(what);
        }
        if self.promises.broken().is_none() {
            self.judge_end();
        }
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10.3} {}", now.as_secs_f64(), line()));
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Input(daemon, generation, input) => self.input(daemon, generation, *input),
            Happening::Serve(daemon, generation, connection, command, sent) => {
                self.serve(daemon, generation, connection, *command, sent);
            }
            Happening::Read(daemon, session) => self.read(daemon, session),
            Happening::Wake(daemon, generation) => self.input(daemon, generation, Input::Tick),
            Happening::Second => self.second(),
            Happening::Write => self.write(),
            Happening::Change => self.change(),
            Happening::Fault => self.fault(),
            Happening::Meddle => self.meddle(),
            Happening::Hide => self.hide(),
            Happening::Allow(name) => drop(self.destination.refused.remove(&name)),
            Happening::Start(daemon) => self.start(daemon),
            Happening::Back(source) => {
                if source {
                    self.source_away = false;
                } else {
                    self.destination_away = false;
                }
            }
            Happening::Heal => self.heal(),
        }
    }

    fn second(&mut self) {
        for daemon in 0..self.daemons.len() {
            let generation = self.daemons[daemon].generation;
            self.input(daemon, generation, Input::Tick);
            self.judge_state(daemon);
        }
        self.agenda
            .plan(self.now + Duration::from_secs(1), Happening::Second);
    }

    fn write(&mut self) {
        let name = stream(self.dice.below(self.options.streams));
        self.written += 1;
        self.write_to(&name);
    }

    /// Somebody writes one event, unless the stream was deleted for good.
    fn write_to(&mut self, name: &StreamName) {
        if self.source.is_tombstoned(name) {
            return;
        }
        self.source.write(name);
        if let Some(logged) = self.source.log.last() {
            let event = logged.event.clone();
            self.promises.wrote(event.clone());
            self.source.revive(name, event.revision);
            self.note(|| format!("written {} #{}", event.stream, event.revision));
        }
    }

    fn heal(&mut self) {
        self.note(|| "healed".to_owned());
        self.healed = true;
        self.source_away = false;
        self.destination_away = false;
        self.leave_alone();
        for daemon in 0..self.daemons.len() {
            self.daemons[daemon].frozen_until = self.now;
            if self.daemons[daemon].core.is_none() {
                self.agenda.plan(self.now, Happening::Start(daemon));
            }
        }
        for number in 0..self.options.streams {
            let name = stream(number);
            if self.source.is_deleted(&name) && self.hiding.permille(500) {
                // It stays as it is.
                continue;
            }
            self.write_to(&name);
        }
        for _ in 0..self.options.changes.div_ceil(10) {
            self.change();
        }
    }

    pub(super) fn plan_input(&mut self, number: usize, generation: u32, input: Input) {
        let delay = self.delay();
        let what = Happening::Input(number, generation, Box::new(input));
        self.agenda.plan(self.now + delay, what);
    }

    pub(super) fn delay(&mut self) -> Duration {
        let longest = if self.dice.permille(20) { 4_000 } else { 30 };
        self.dice
            .time(Duration::from_millis(1), Duration::from_millis(longest))
    }
}
