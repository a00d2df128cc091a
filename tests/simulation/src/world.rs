//! One schedule: everything that exists in it, and the loop that lets one thing happen after the other.
//!
//! Files beside it add what the world does: `setup` (how it begins), `commands` (what a core asks for), `serve` (what
//! the servers do), `chaos` (what goes wrong), `safety` and `liveness` (what must hold). Never uses real time.

use std::collections::BTreeSet;
use std::time::Duration;

use ditto_core::port::{Command, Input, LeaveReason, SessionId};

use crate::daemon::Daemon;
use crate::destination::Destination;
use crate::dice::Dice;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::group::{FOREIGN, Group};
pub(crate) use crate::happening::{Away, Happening, Lost, Outcome, Part, Phase, Send};
use crate::mutation::{Mutation, Subject};
use crate::options::Options;
use crate::queue::Agenda;
use crate::source::Source;

/// A schedule that takes more inputs than this does not end.
const MAX_INPUTS: u64 = 200_000;

/// The loop looks at the group so often, in seconds.
const GROUP_SEEN_EVERY: u64 = 5;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) now: Duration,
    pub(crate) agenda: Agenda<Happening>,
    pub(crate) dice: Dice,
    pub(crate) source: Source,
    pub(crate) group: Group,
    pub(crate) destination: Destination,
    pub(crate) source_away: Option<Away>,
    pub(crate) destination_away: Option<Away>,
    /// When it last went.
    pub(crate) destination_gone: Duration,
    pub(crate) daemons: Vec<Daemon>,
    pub(crate) phase: Phase,
    /// First number that the first process answered for.
    pub(crate) first_base: Option<u64>,
    /// Connections that carry nothing any more.
    pub(crate) broken: BTreeSet<SessionId>,
    pub(crate) last_conn: u64,
    /// By stream: some core said that it holds it.
    pub(crate) held_ever: Vec<bool>,
    /// By stream: an append of it was alone on a call that ended, so it may have been taken for the culprit.
    pub(crate) suspected: Vec<bool>,
    /// By stream: something of its own went wrong or was slow, so its deliveries may time out.
    pub(crate) slow: Vec<bool>,
    /// Looks at a destination that hung: when, and at which stream. One that it had taken before it was back stays unanswered.
    pub(crate) swallowed: Vec<(Duration, usize)>,
    /// Events that a core said it appended late.
    pub(crate) late: BTreeSet<(usize, u64)>,
    /// Somebody goes on writing until all numbers below this one are done.
    pub(crate) trickles_for: Option<u64>,
    /// What all cores have got done since the faults stopped, and since when it is that.
    pub(crate) moved: (u64, Duration),
    /// Something that is not ditto's doing made deliveries time out.
    pub(crate) group_disturbed: bool,
    pub(crate) inputs: u64,
    pub(crate) commands: u64,
    pub(crate) violation: Option<String>,
    pub(crate) trace: Option<Vec<String>>,
    /// What reached each port, if that was asked for.
    pub(crate) digest: Option<Digest>,
    out: Vec<Command>,
}

/// Adds a line to the trace, if there is one.
macro_rules! note {
    ($world:expr, $($text:tt)*) => {
        if $world.trace.is_some() {
            let line = format!("{:>12.6} {}", $world.now.as_secs_f64(), format_args!($($text)*));
            if let Some(trace) = $world.trace.as_mut() {
                trace.push(line);
            }
        }
    };
}
pub(crate) use note;

impl World {
    /// An empty world; `setup` fills it.
    pub(crate) fn empty(options: Options, mutation: Option<Mutation>, traced: bool) -> Self {
        let source = Source::new(options.streams, options.feed == crate::options::Feed::Plain);
        let append_only = options.settings.mode == ditto_core::port::Mode::AppendOnly;
        Self {
            mutation,
            now: Duration::ZERO,
            agenda: Agenda::new(),
            dice: Dice::new(options.seed, 2),
            group: Group::new(options.group, &source),
            destination: Destination::new(options.streams, append_only),
            source_away: None,
            destination_away: None,
            destination_gone: Duration::ZERO,
            daemons: (0..options.daemons).map(|_| Daemon::new()).collect(),
            phase: Phase::Faulty,
            first_base: None,
            broken: BTreeSet::new(),
            last_conn: FOREIGN,
            held_ever: vec![false; options.streams],
            suspected: vec![false; options.streams],
            slow: vec![false; options.streams],
            swallowed: Vec::new(),
            late: BTreeSet::new(),
            trickles_for: None,
            moved: (0, Duration::ZERO),
            group_disturbed: false,
            inputs: 0,
            commands: 0,
            violation: None,
            trace: traced.then(Vec::new),
            digest: None,
            out: Vec::with_capacity(16),
            source,
            options,
        }
    }

    /// Lets everything happen until the schedule is over or something is wrong.
    pub(crate) fn run(&mut self) {
        while self.phase != Phase::Done && self.violation.is_none() {
            let Some((at, what)) = self.agenda.next() else {
                self.violate(|| "nothing will ever happen again".to_owned());
                return;
            };
            self.now = at;
            match what.taken_by().map(|daemon| &self.daemons[daemon]) {
                // It keeps its order: what is planned for one moment does.
                Some(frozen) if frozen.is_frozen(at) => {
                    let thaws = frozen.frozen_until;
                    self.agenda.plan(thaws, what);
                }
                _ => self.happen(what),
            }
            if self.inputs > MAX_INPUTS {
                self.violate(|| format!("no end after {MAX_INPUTS} inputs"));
            }
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Input {
                daemon,
                generation,
                input,
            } => {
                let at = &self.daemons[daemon];
                // A confirmation that its connection did not outlive never comes.
                let lost = |session| {
                    at.membership
                        .as_ref()
                        .is_none_or(|membership| membership.session != session)
                };
                let comes = !matches!(input, Input::Joined { session, .. } if lost(session));
                if at.generation == generation && comes {
                    self.feed(daemon, input);
                }
            }
            Happening::Arrive {
                daemon,
                session,
                message,
            } => self.arrive(daemon, session, message),
            Happening::Drain { daemon, session } => self.drain(daemon, session),
            Happening::Serve {
                daemon,
                generation,
                command,
            } => {
                if self.daemons[daemon].generation == generation && self.daemons[daemon].runs() {
                    self.serve(daemon, command);
                }
            }
            Happening::Append {
                daemon,
                generation,
                call,
                send,
            } => self.serve_append(daemon, generation, call, send),
            Happening::Answer {
                daemon,
                generation,
                call,
                append,
                outcome,
            } => {
                if self.daemons[daemon].generation == generation {
                    self.answer(daemon, call, append, outcome);
                }
            }
            Happening::GiveUp {
                daemon,
                generation,
                call,
            } => {
                let at = &self.daemons[daemon];
                let waits = at.unanswered.iter().any(|(_, of)| *of == call);
                if at.generation == generation && waits {
                    self.end_call(daemon, call, true);
                }
            }
            Happening::Wake {
                daemon,
                generation,
                at,
            } => {
                let to = &mut self.daemons[daemon];
                if to.generation == generation && to.wake == Some(at) {
                    to.wake = None;
                    self.feed(daemon, Input::Tick);
                }
            }
            other => self.happen_to_all(other),
        }
    }

    /// What is not meant for one process of a ditto.
    fn happen_to_all(&mut self, what: Happening) {
        match what {
            Happening::Acks { session, ids } => self.serve_acks(session, &ids),
            Happening::Park {
                session,
                ids,
                reason,
            } => self.serve_park(session, &ids, &reason),
            Happening::Leave {
                daemon,
                session,
                why,
            } => self.serve_leave(daemon, session, why),
            Happening::Forget { session } => self.forget(session),
            Happening::Break { daemon, session } => {
                if let Some(membership) = self.daemons[daemon]
                    .membership
                    .as_ref()
                    .filter(|membership| membership.session == session)
                {
                    let why = membership.left.unwrap_or(LeaveReason::Ended);
                    self.end_session(daemon, session, why);
                }
            }
            Happening::Second => self.second(),
            Happening::Write => self.write_one(),
            Happening::Trickle => self.trickle(),
            Happening::Chaos(fault) => self.go_wrong(fault),
            Happening::ForeignActs { id, acknowledges } => self.foreign_acts(id, acknowledges),
            Happening::Back(part) => self.come_back(part),
            Happening::Start(daemon) => self.start(daemon),
            Happening::Heal => self.heal(),
            addressed => self.violate(|| format!("{addressed:?} is meant for a process")),
        }
    }

    /// Hands an input to a core and carries out what it commands.
    pub(crate) fn feed(&mut self, daemon: usize, input: Input) {
        if !self.daemons[daemon].runs() {
            return;
        }
        self.inputs += 1;
        note!(self, "{daemon} <- {}", crate::trace::input(&input));
        self.before_input(daemon, &input);
        let mut out = std::mem::take(&mut self.out);
        let now = self.now;
        if let Some(subject) = self.daemons[daemon].subject.as_mut() {
            subject.handle(now, input, &mut out);
        }
        for command in out.drain(..) {
            if self.violation.is_some() {
                break;
            }
            self.commands += 1;
            if let Some(digest) = self.digest.as_mut() {
                digest.note(daemon, self.daemons[daemon].generation, &command);
            }
            note!(self, "{daemon} -> {}", crate::trace::command(&command));
            self.carry_out(daemon, command);
        }
        out.clear();
        self.out = out;
    }

    /// Something is wrong. Only the first finding counts.
    pub(crate) fn violate(&mut self, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            note!(self, "VIOLATION {what}");
            self.violation = Some(what);
        }
    }

    /// Something may go wrong now: the faults have not stopped and this one is in the seed.
    pub(crate) fn goes_wrong(&mut self, fault: Fault) -> bool {
        self.phase == Phase::Faulty
            && self.options.faults.has(fault)
            && self.dice.permille(self.options.failure_permille)
    }

    /// The way of a message.
    pub(crate) fn way(&mut self) -> Duration {
        self.dice
            .time(Duration::from_micros(10), self.options.latency)
    }

    /// An input for this process, after `delay`.
    pub(crate) fn plan_input(&mut self, daemon: usize, delay: Duration, input: Input) {
        let generation = self.daemons[daemon].generation;
        self.agenda.plan(
            self.now + delay,
            Happening::Input {
                daemon,
                generation,
                input,
            },
        );
    }

    /// A new process.
    pub(crate) fn start(&mut self, daemon: usize) {
        let runs =
            self.daemons[daemon].subject.is_some() && self.daemons[daemon].finished.is_none();
        if runs || matches!(self.phase, Phase::Stopping(_)) {
            return;
        }
        note!(self, "{daemon} starts");
        let subject = Subject::new(self.options.settings.clone(), self.mutation);
        let budget = self.options.budget;
        self.daemons[daemon].restart(self.now, subject, budget);
        self.feed(daemon, Input::Budget { bytes: budget });
        self.feed(daemon, Input::Tick);
    }

    fn second(&mut self) {
        self.agenda
            .plan(self.now + Duration::from_secs(1), Happening::Second);
        if self.source_away.is_none() {
            self.group_tick();
        }
        for daemon in 0..self.daemons.len() {
            if self.daemons[daemon].is_frozen(self.now) {
                continue;
            }
            self.feed(daemon, Input::Tick);
            self.check_status(daemon);
            if self.now.as_secs().is_multiple_of(GROUP_SEEN_EVERY) && self.daemons[daemon].runs() {
                self.ask(daemon, Command::AskGroup);
            }
        }
        self.check_progress();
    }
}
