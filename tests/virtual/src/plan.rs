//! What a seed expands into: sizes, lines, and everything that is done and goes wrong, each at its time.
//!
//! All of it is decided before anything begins, so that the same happens again whatever the servers and ditto make of it.

use std::time::Duration;

use devstore::{Ending, FaultKind, Generation};
use simulation::dice::Dice;

use crate::network::Lines;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Source,
    Destination,
}

/// One of the two machines that ditto may run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    First,
    Second,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Somebody appends events to the source.
    Write {
        stream: usize,
        events: u64,
        bytes: usize,
    },
    /// The operator hides the older events of a stream, in thousandths of them.
    Truncate {
        stream: usize,
        permille: u64,
    },
    /// Hidden events leave the source's log.
    Scavenge,
    /// Packets between ditto and a server pass no more, one way or both; or again.
    Cut {
        server: Server,
        there: bool,
        back: bool,
    },
    Heal(Server),
    /// Every connection between ditto and a server breaks.
    Break(Server),
    /// The lines get that much slower and worse; or as they were.
    Worse(u32),
    /// ditto is killed; `on`: where it is started again.
    Kill,
    Start(Host),
    /// ditto's process stands still; or goes on.
    Freeze,
    Thaw,
    /// A server's process stands still; or goes on.
    FreezeServer(Server),
    ThawServer(Server),
    /// A server ends, and comes back.
    Restart {
        server: Server,
        ending: Ending,
        down: Duration,
        /// Nodes that end; 0: all.
        nodes: usize,
    },
    /// Another node of the source leads.
    Lead(usize),
    /// A server answers wrongly for a time.
    Fault {
        server: Server,
        kind: FaultKind,
        times: u32,
        lasts: Duration,
    },
    /// Another database answers at the source's address.
    Exchange,
    /// The source is restored from a backup that lacks so many of its newest records.
    Restore(usize),
}

/// Everything about one seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) generation: Generation,
    /// Nodes of the source.
    pub(crate) nodes: usize,
    pub(crate) streams: usize,
    pub(crate) lines: Lines,
    /// Bytes that ditto may hold.
    pub(crate) budget: usize,
    pub(crate) max_append_events: u32,
    /// A time limit of calls in milliseconds; `None`: ditto's own.
    pub(crate) call_limit: Option<u32>,
    /// When everything is well again.
    pub(crate) healed: Duration,
    pub(crate) steps: Vec<(Duration, Step)>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let healed = dice.time(30 * SECOND, 4 * MINUTE);
        let latency = dice.pick(&[0, 1, 1, 5, 20, 50, 150]);
        let mut plan = Self {
            generation: dice.pick(&Generation::ALL),
            nodes: dice.pick(&[1, 1, 3]),
            streams: dice.index(12) + 1,
            lines: Lines {
                latency: Duration::from_millis(latency),
                jitter: Duration::from_millis(dice.pick(&[0, 0, 1, 10, 100])),
                lost: dice.pick(&[0, 0, 1, 10]),
            },
            budget: dice.pick(&[64 << 10, 1 << 20, 16 << 20]),
            max_append_events: dice.pick(&[1, 5, 500]),
            call_limit: dice.pick(&[None, Some(2_000), Some(5_000)]),
            healed,
            steps: Vec::new(),
        };
        plan.writes(&mut dice);
        plan.faults(&mut Dice::new(seed, 2));
        plan.steps.sort_by_key(|(at, _)| *at);
        plan
    }

    /// Whether the destination is told to end calls that bring appends.
    pub(crate) fn ends_calls(&self) -> bool {
        let ends = |step: &Step| {
            let Step::Fault { server, kind, .. } = step else {
                return false;
            };
            *server == Server::Destination
                && matches!(
                    kind,
                    FaultKind::BatchEnds { .. } | FaultKind::ConsumerTooSlow
                )
        };
        self.steps.iter().any(|(_, step)| ends(step))
    }

    /// What a copy of so many events may take if all are in one stream, one append after the other.
    pub(crate) fn slowest(&self, events: usize) -> Duration {
        let round = (self.lines.latency + self.lines.jitter) * 2;
        let appends = u32::try_from(events).unwrap_or(u32::MAX) / self.max_append_events;
        round.saturating_mul(appends)
    }

    fn at(&mut self, at: Duration, step: Step) {
        self.steps.push((at, step));
    }

    fn writes(&mut self, dice: &mut Dice) {
        let writes = dice.between(20, 150);
        let is_large = dice.permille(150);
        for _ in 0..writes {
            // Some are there before ditto begins.
            let at = if dice.permille(250) {
                Duration::ZERO
            } else {
                dice.time(Duration::ZERO, self.healed)
            };
            let bytes = if is_large && dice.permille(200) {
                dice.pick(&[10_000, 100_000, 400_000])
            } else {
                dice.index(200)
            };
            let step = Step::Write {
                stream: dice.index(self.streams),
                events: dice.pick(&[1, 1, 1, 2, 5, 20]),
                bytes,
            };
            self.at(at, step);
        }
    }

    fn faults(&mut self, dice: &mut Dice) {
        let often = dice.pick(&[4, 10, 25, 120]);
        let mut at = dice.time(Duration::ZERO, 5 * SECOND);
        while at < self.healed {
            self.fault(dice, at);
            at += dice.time(Duration::from_millis(200), often * SECOND);
        }
        if dice.permille(200) {
            let at = dice.time(5 * SECOND, self.healed);
            let other = if dice.permille(500) {
                Step::Exchange
            } else {
                Step::Restore(dice.index(20) + 1)
            };
            self.at(at, other);
        }
    }

    fn fault(&mut self, dice: &mut Dice, at: Duration) {
        let server = dice.pick(&[Server::Source, Server::Destination]);
        let lasts = dice.pick(&[
            SECOND / 10,
            SECOND,
            5 * SECOND,
            15 * SECOND,
            30 * SECOND,
            70 * SECOND,
        ]);
        let lasts = dice.time(lasts / 2, lasts);
        match dice.below(13) {
            0 | 1 => {
                let (there, back) =
                    dice.pick(&[(true, true), (true, true), (true, false), (false, true)]);
                self.at(
                    at,
                    Step::Cut {
                        server,
                        there,
                        back,
                    },
                );
                self.at(at + lasts, Step::Heal(server));
            }
            2 => self.at(at, Step::Break(server)),
            3 => {
                self.at(at, Step::Worse(dice.pick(&[3, 10, 50])));
                self.at(at + lasts, Step::Worse(1));
            }
            4 => {
                self.at(at, Step::Kill);
                let host = dice.pick(&[Host::First, Host::First, Host::Second]);
                self.at(at + lasts, Step::Start(host));
            }
            5 => {
                self.at(at, Step::Freeze);
                if dice.permille(400) {
                    let started = at + dice.time(Duration::ZERO, lasts);
                    self.at(started, Step::Start(Host::Second));
                }
                self.at(at + lasts, Step::Thaw);
            }
            6 => {
                self.at(at, Step::FreezeServer(server));
                self.at(at + lasts, Step::ThawServer(server));
            }
            other => self.trouble_at(server, other, lasts, dice, at),
        }
    }

    /// What goes wrong inside of a server.
    fn trouble_at(
        &mut self,
        server: Server,
        which: u64,
        lasts: Duration,
        dice: &mut Dice,
        at: Duration,
    ) {
        match which {
            7 | 8 => {
                let ending = dice.pick(&[Ending::Kill, Ending::Terminate, Ending::Shutdown]);
                let nodes = dice.pick(&[0, 0, 1]);
                self.at(
                    at,
                    Step::Restart {
                        server,
                        ending,
                        down: lasts,
                        nodes,
                    },
                );
            }
            9 => self.at(at, Step::Lead(dice.index(self.nodes))),
            10 => {
                self.at(
                    at,
                    Step::Truncate {
                        stream: dice.index(self.streams),
                        permille: dice.below(1001),
                    },
                );
                if dice.permille(600) {
                    self.at(at + dice.time(Duration::ZERO, lasts), Step::Scavenge);
                }
            }
            _ => {
                let kind = dice.index(KINDS.len());
                self.at(
                    at,
                    Step::Fault {
                        server,
                        kind: KINDS[kind].clone(),
                        times: u32::try_from(dice.between(1, 4)).unwrap_or(1),
                        lasts,
                    },
                );
            }
        }
    }
}

/// What a server does wrongly.
const KINDS: [FaultKind; 9] = [
    FaultKind::HalfOpen,
    FaultKind::Unavailable,
    FaultKind::Unanswered,
    FaultKind::ConsumerTooSlow,
    FaultKind::BatchEnds { written: true },
    FaultKind::BatchEnds { written: false },
    FaultKind::BatchLate { ms: 4_000 },
    FaultKind::BatchUndecided,
    FaultKind::BatchNotReady,
];
