//! What a seed expands into: sizes, settings, policies and faults of one schedule.
//!
//! Everything here is decided before the schedule begins and printed with it. Never changed while it runs.

use std::fmt;
use std::time::Duration;

use ditto_core::port::{CoreSettings, Mode, OnConflict, OnMissingHistory, OnUnverified};

use crate::dice::Dice;
use crate::fault::{Fault, Faults};

/// Seconds that a quiet schedule takes longer: twice what the stall detector waits.
const QUIET: u64 = 130;

/// Events of a backlog: so many that a copy of one event a round trip would take far too long.
const BACKLOG: u32 = 1_000;

/// Which kind of stream is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// A category stream: links to events of many streams.
    Links,
    /// One ordinary stream: numbers are revisions, acknowledged by the events' own ids.
    Plain,
}

/// The group as it was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupOptions {
    /// How long a delivery may wait for its acknowledgement.
    pub message_timeout: Duration,
    /// After how many take-backs the server parks.
    pub max_retry_count: u32,
    /// First number; `None`: the end.
    pub start: Option<u64>,
    /// How many consumers at once; 0: no limit.
    pub max_subscribers: usize,
    /// Checkpoint on the tick after this many.
    pub min_checkpoint: u64,
    /// Checkpoint at once after this many.
    pub max_checkpoint: u64,
}

/// Everything that a seed decides in advance.
#[derive(Clone, Debug)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// What the core is made for.
    pub settings: CoreSettings,
    /// What is subscribed to.
    pub feed: Feed,
    /// Number of source streams.
    pub streams: usize,
    /// Events there at the beginning.
    pub initial_events: u64,
    /// Events written while it runs.
    pub live_events: u64,
    /// Largest payload.
    pub event_bytes: u64,
    /// The group.
    pub group: GroupOptions,
    /// How many dittos.
    pub daemons: usize,
    /// Bytes that each may hold.
    pub budget: usize,
    /// Faults stop at this time.
    pub fault_time: Duration,
    /// Longest ordinary way of a message.
    pub latency: Duration,
    /// How often per thousand a call fails where its fault is in the set.
    pub failure_permille: u64,
    /// What may go wrong.
    pub faults: Faults,
    /// Between two deliveries on their way to ditto.
    pub spacing: Duration,
    /// Events that are written when the faults stop.
    pub backlog: u64,
    /// After the faults somebody goes on writing, so often, until all that was there before has arrived.
    pub trickle: Option<Duration>,
}

impl Options {
    /// Expands a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let dice = &mut Dice::new(seed, 1);
        let feed = if dice.permille(150) {
            Feed::Plain
        } else {
            Feed::Links
        };
        let mode = match dice.below(100) {
            0..=79 => Mode::Exact,
            80..=92 => Mode::Unversioned,
            _ => Mode::AppendOnly,
        };
        let budget = dice.pick(&[1, 300, 2000, 64 << 20, 64 << 20]);
        let mut faults = sensible(faults(seed, dice), mode, feed, budget);
        // They take a hundred times as long as others to run.
        if dice.permille(600) {
            faults.remove(Fault::Backlog);
        } else if faults.has(Fault::Backlog) && dice.permille(700) {
            faults.insert(Fault::ThinLine);
        }
        let group = group(dice, faults);
        let mut settings = settings(dice, mode, feed, group.message_timeout);
        let streams = if feed == Feed::Plain {
            1
        } else {
            usize::try_from(dice.between(1, 5)).unwrap_or(1)
        };
        if settings.known_streams < streams {
            // Each time a broken stream was forgotten it takes seconds to learn that it is one.
            faults.remove(Fault::BrokenStreams);
            if is_narrow(budget, faults) {
                // So does what a stranger truncated, and one event of it fills the budget meanwhile.
                faults.remove(Fault::ForeignTruncated);
            }
        }
        let backlog = if faults.has(Fault::Backlog) {
            leave_choices_to_ditto(&mut settings);
            u64::from(BACKLOG)
        } else {
            0
        };
        // All of a backlog needs a few message timeouts for the line.
        let spacing = if faults.has(Fault::ThinLine) {
            group.message_timeout * 6 / BACKLOG
        } else {
            Duration::ZERO
        };
        let quiet = if faults.has(Fault::Quiet) { QUIET } else { 0 };
        Self {
            seed,
            settings,
            feed,
            streams,
            initial_events: dice.between(1, 30),
            live_events: dice.pick(&[0, 0, 5, 20]),
            event_bytes: dice.pick(&[10, 200]),
            group,
            daemons: if faults.has(Fault::Rival) { 2 } else { 1 },
            budget: if backlog > 0 { 64 << 20 } else { budget },
            fault_time: Duration::from_secs(dice.between(1, 40) + quiet),
            latency: Duration::from_micros(dice.pick(&[100, 5_000, 100_000])),
            failure_permille: dice.pick(&[30, 150, 400]),
            faults,
            spacing,
            backlog,
            trickle: dice
                .pick(&[None, None, None, Some(2), Some(7)])
                .map(Duration::from_secs),
        }
    }
}

/// The measure of a backlog is about what ditto chooses, not about what somebody has set.
fn leave_choices_to_ditto(settings: &mut CoreSettings) {
    settings.buffer_size = None;
    settings.appends_in_flight = None;
    settings.throttle_interval = Duration::ZERO;
    settings.max_append_events = 500;
    settings.max_append_bytes = 1_000;
}

/// Those of the first days come from the seed's own dice, each later one from a dice of its own: a new fault leaves the
/// schedules as they are that do not contain it.
fn faults(seed: u64, dice: &mut Dice) -> Faults {
    let permille = dice.pick(&[0, 40, 80, 80, 150, 300]);
    let mut faults = Faults::default();
    for fault in Fault::ALL {
        let later = *fault as u64 > Fault::ParkedTombstoned as u64;
        let drawn = if later {
            Dice::new(seed, 100 + *fault as u64).permille(permille)
        } else {
            dice.permille(permille)
        };
        if drawn {
            faults.insert(*fault);
        }
    }
    // What shows only together comes together more often than chance would have it.
    for (one, other) in [
        (Fault::FewRetries, Fault::DestinationDown),
        (Fault::ForeignTruncated, Fault::Scavenged),
        (Fault::StalePages, Fault::HeadGone),
    ] {
        if faults.has(one) && dice.permille(500) {
            faults.insert(other);
        }
    }
    faults
}

/// An event that waits long may leave no room for others.
fn is_narrow(budget: usize, faults: Faults) -> bool {
    budget < 1 << 20 || faults.has(Fault::BudgetChanges)
}

/// Takes away what contradicts itself, or what a mode does not promise to survive.
fn sensible(mut faults: Faults, mode: Mode, feed: Feed, budget: usize) -> Faults {
    let without: &[Fault] = match mode {
        Mode::Exact => &[],
        // Behind looks for copies by id, backwards from the tail: an id used twice, or a copy that cannot be read any
        // more, is beyond it. Each event is looked for, so a backlog takes a round trip for each.
        Mode::Unversioned => &[
            Fault::DuplicateIds,
            Fault::DestinationTruncated,
            Fault::ForeignTruncated,
            Fault::Backlog,
        ],
        // A destination without streams of its own: nothing to look at, to delete or to begin with, and one event of a
        // stream at a time.
        Mode::AppendOnly => &[
            Fault::CopiedBefore,
            Fault::MetadataBefore,
            Fault::Stranger,
            Fault::SoftDelete,
            Fault::Tombstone,
            Fault::DestinationTruncated,
            Fault::OddAnswers,
            Fault::ForeignTruncated,
            Fault::Scavenged,
            Fault::Backlog,
        ],
    };
    without.iter().for_each(|fault| faults.remove(*fault));
    if is_narrow(budget, faults) {
        // Until a stream that can never be read is held, what waits in it leaves no room for others.
        faults.remove(Fault::BrokenStreams);
    }
    if feed == Feed::Plain {
        let links = [
            Fault::NeverCopied,
            Fault::Forwards,
            Fault::Unlinked,
            Fault::LinksGone,
            Fault::LinksTruncated,
        ];
        links.iter().for_each(|fault| faults.remove(*fault));
    }
    faults
}

fn group(dice: &mut Dice, faults: Faults) -> GroupOptions {
    let max_checkpoint = dice.pick(&[1, 4, 1000]);
    GroupOptions {
        message_timeout: Duration::from_secs(dice.pick(&[4, 10, 30])),
        max_retry_count: if faults.has(Fault::FewRetries) {
            u32::try_from(dice.below(4)).unwrap_or(0)
        } else {
            1000
        },
        start: if faults.has(Fault::StartAtEnd) {
            None
        } else {
            Some(dice.pick(&[0, 0, 0, 3]))
        },
        max_subscribers: dice.pick(&[1, 1, 1, 0]),
        min_checkpoint: dice.pick(&[1, 4]).min(max_checkpoint),
        max_checkpoint,
    }
}

fn settings(dice: &mut Dice, mode: Mode, feed: Feed, message_timeout: Duration) -> CoreSettings {
    CoreSettings {
        mode,
        buffer_size: dice.pick(&[None, None, Some(1), Some(2), Some(8), Some(1000)]),
        appends_in_flight: dice.pick(&[None, None, Some(1), Some(2), Some(64)]),
        throttle_interval: match dice.below(100) {
            0..=87 => Duration::ZERO,
            88..=98 => Duration::from_millis(dice.pick(&[1, 50, 400])),
            _ => message_timeout / 4 + Duration::from_millis(1),
        },
        max_append_events: dice.pick(&[1, 2, 3, 500]),
        max_append_bytes: dice.pick(&[1, 300, 1 << 20]),
        time_to_live: dice.pick(&[None, None, None, Some(Duration::from_secs(86_400))]),
        on_conflict: match dice.below(10) {
            0..=6 => OnConflict::Park,
            7..=8 => OnConflict::Skip,
            _ => OnConflict::Stop,
        },
        on_missing_history: match dice.below(10) {
            0..=4 => OnMissingHistory::Park,
            5..=8 => OnMissingHistory::Fill,
            _ => OnMissingHistory::Stop,
        },
        on_unverified: dice.pick(&[OnUnverified::Hold, OnUnverified::Hold, OnUnverified::Pass]),
        known_streams: dice.pick(&[1, 2, 4096, 4096]),
        feed: match feed {
            Feed::Links => ditto_core::port::Feed::Whole,
            Feed::Plain => ditto_core::port::Feed::Plain,
        },
        accept_unseen_below: 0,
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "  settings  {:?}", self.settings)?;
        writeln!(f, "  group     {:?}", self.group)?;
        writeln!(
            f,
            "  source    {:?}, {} streams, {} events and {} later, up to {} bytes each",
            self.feed, self.streams, self.initial_events, self.live_events, self.event_bytes
        )?;
        writeln!(
            f,
            "  world     {} ditto, budget {} bytes, latency {:?}, faults for {:?}, calls fail {} in 1000",
            self.daemons, self.budget, self.latency, self.fault_time, self.failure_permille
        )?;
        writeln!(
            f,
            "  line      {:?} between two deliveries, {} events when the faults stop",
            self.spacing, self.backlog
        )?;
        writeln!(
            f,
            "  after     writes go on every {:?} until all that was there has arrived",
            self.trickle
        )?;
        write!(f, "  faults    {}", self.faults)
    }
}
