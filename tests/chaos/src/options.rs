//! What a seed chooses before anything starts: sizes, the group's settings, who takes part.
//!
//! Pure: the same seed, the same options. Never reads the environment.

use std::fmt;

use devstore::Generation;
use simulation::dice::Dice;

use crate::others::OTHERS;

/// Streams of the category.
pub(crate) const STREAMS: usize = 300;
/// Events written to them, all together.
pub(crate) const EVENTS: usize = 5_000;
/// Clients that write them.
pub(crate) const WRITERS: usize = 4;

/// What copies what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copying {
    /// A group has the category, and nothing else is written.
    Group,
    /// A mirror of everything.
    Mirror,
    /// A group has the category, a mirror the other streams.
    Both,
}

impl Copying {
    /// Goes round with the seed, three seeds of each in a row; two of five are as they were before there were mirrors.
    fn of(seed: u64) -> Self {
        match seed / 3 % 5 {
            1 | 4 => Self::Mirror,
            2 => Self::Both,
            _ => Self::Group,
        }
    }

    /// Whether a mirror takes part.
    pub(crate) fn mirrors(self) -> bool {
        self != Self::Group
    }

    /// Whether a group does.
    pub(crate) fn consumes(self) -> bool {
        self != Self::Mirror
    }
}

/// Who consumes the group. A mirror is held by one daemon at a time, however many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consumers {
    /// One daemon.
    One,
    /// Two, of which the group lets in one: the other stands by.
    Standby,
    /// Two at once, on a group with this strategy.
    Shared(Strategy),
}

/// How a group that several may consume shares its events out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    RoundRobin,
    Pinned,
}

impl Consumers {
    /// How many daemons run.
    pub(crate) fn daemons(self) -> usize {
        match self {
            Self::One => 1,
            Self::Standby | Self::Shared(_) => 2,
        }
    }
}

/// The choices of one seed.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) copying: Copying,
    pub(crate) source_server: Generation,
    pub(crate) destination_server: Generation,
    pub(crate) source_nodes: usize,
    pub(crate) destination_nodes: usize,
    pub(crate) consumers: Consumers,
    /// How long a delivery may take before the server takes it back, in the day's time; the group is told `time_scale`
    /// times as much, since the server's clock runs that much faster.
    pub(crate) message_timeout_ms: u64,
    pub(crate) max_retry_count: i32,
    /// Every acknowledgement moves the checkpoint at once; otherwise as in a group that ditto creates.
    pub(crate) eager_checkpoints: bool,
    pub(crate) buffer_size: Option<u64>,
    pub(crate) max_append_events: u64,
    /// Half of the events are large and wait before the first daemon starts, and the destination starts late: only the
    /// budget keeps them out of ditto's memory.
    pub(crate) flood: bool,
    /// The group loses events (a checkpoint that lies ahead). Nothing but the running daemon knows that they are missing, so
    /// it lives on to the end.
    pub(crate) lossy: bool,
    /// The destination wants a user with a password.
    pub(crate) users: bool,
    /// Troubles in the schedule beside those that every such seed has.
    pub(crate) more_troubles: usize,
}

impl Options {
    /// How many streams are written to.
    pub(crate) fn streams(&self) -> usize {
        match self.copying.mirrors() {
            true => STREAMS + OTHERS,
            false => STREAMS,
        }
    }

    /// The options of a seed, between servers of this generation if it is given.
    pub(crate) fn new(seed: u64, server: Option<Generation>) -> Self {
        // Dice of their own, so that the servers change nothing else of a seed.
        let mut servers = Dice::new(seed, 9);
        let mut generation = || server.unwrap_or(servers.pick(&Generation::ALL));
        let mut dice = Dice::new(seed, 1);
        // The kind of run goes round with the seed, so that any three seeds in a row have all that is special.
        let kind = seed % 3;
        let copying = Copying::of(seed);
        let lossy = kind == 2 && copying.consumes();
        let consumers = match kind {
            0 if !copying.consumes() => Consumers::Standby,
            0 => dice.pick(&[
                Consumers::Standby,
                Consumers::Shared(Strategy::RoundRobin),
                Consumers::Shared(Strategy::Pinned),
            ]),
            _ => Consumers::One,
        };
        let nodes = |dice: &mut Dice, always: bool| match always || kind == 2 && dice.permille(400)
        {
            true => 3,
            false => 1,
        };
        Self {
            copying,
            source_server: generation(),
            destination_server: generation(),
            source_nodes: nodes(&mut dice, kind == 0),
            destination_nodes: nodes(&mut dice, kind == 1),
            consumers,
            message_timeout_ms: dice.between(1_000, 2_000),
            max_retry_count: dice.pick(&[500, 1000]),
            eager_checkpoints: kind == 1 || dice.permille(500),
            buffer_size: dice
                .pick(&[None, None, Some(30), Some(300)])
                .filter(|_| kind != 1),
            max_append_events: dice.pick(&[500, 500, 3]),
            flood: kind == 1,
            lossy,
            users: kind == 2 || dice.permille(200),
            more_troubles: dice.index(8),
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}, {} source nodes of {} and {} destination nodes of {}, {:?}, message timeout {} ms, {} retries, {} checkpoints, buffer {:?}, \
             appends of {}{}{}{}, {} more troubles",
            self.copying,
            self.source_nodes,
            self.source_server.version(),
            self.destination_nodes,
            self.destination_server.version(),
            self.consumers,
            self.message_timeout_ms,
            self.max_retry_count,
            if self.eager_checkpoints {
                "eager"
            } else {
                "lazy"
            },
            self.buffer_size,
            self.max_append_events,
            if self.flood { ", flood" } else { "" },
            if self.lossy { ", lossy group" } else { "" },
            if self.users { ", password" } else { "" },
            self.more_troubles,
        )
    }
}
