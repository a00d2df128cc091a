//! The state machine that decides everything between a delivery and its acknowledgement.
//!
//! Deterministic: no clock, no randomness, no I/O, no logging. Names nothing but `event`.
//!
//! [`Core::handle`] takes one input and appends commands. Inside, each file adds one concern to [`Core`]:
//!
//! - `intake/persistent`: what is taken from a group and told back to it. `session` and `joined` (joining, staying, leaving),
//!   `dropped`, `stopped` and `ending` (why not), `deliver` (what comes in), `numbers` and `holes` (what the group left out),
//!   `ack` and `parked` (what it is told), `late` (what it took back), `doubt` and `unseen` (what was truncated before ditto
//!   saw it), `buffer_size`.
//! - `streams`: what is written. `advance` (what a stream does next), `lookup`, `compare` and `search` (what the destination
//!   holds), `append_only` (where nothing can be looked at), `append`, `answer`, `refuse` and `metadata` (what is written),
//!   `repair` (gaps), `hold` (streams that stop), `liveness` and `resend` (is the destination there), `rights`.
//!
//! `port` is the contact with the world, `timers` asks to be woken, `status` reads the core, `stall` watches one from outside.

mod budget;
pub mod event;
mod intake;
pub mod port;
pub mod stall;
mod status;
mod streams;
mod timers;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use uuid::Uuid;

pub use crate::streams::advance::placeholder_id;

use crate::budget::Budget;
use crate::event::StreamName;
use crate::intake::persistent::answered::Answered;
use crate::intake::persistent::buffer_size::BufferSize;
use crate::intake::persistent::deliver::Forwarding;
use crate::intake::persistent::doubt::Doubt;
use crate::intake::persistent::ending::Ending;
use crate::intake::persistent::holes::Holes;
use crate::intake::persistent::numbers::Numbers;
use crate::intake::persistent::parked::ParkedQueue;
use crate::intake::persistent::session::Session;
use crate::intake::persistent::unseen::Unseen;
use crate::port::{
    AppendId, Command, CoreSettings, GroupSeen, HeldReason, Input, LookupId, Moment, PipelineState,
    ReadId, Report, Side, WriteId,
};
use crate::streams::append::Flight;
use crate::streams::lookup::LookupRoom;
use crate::streams::resend::{Next, Resend, Verdict};
use crate::streams::rights::Denials;
use crate::streams::stream::State;
use crate::streams::table::Table;
use crate::streams::window::AppendWindow;

pub use crate::budget::{RESERVE_BYTES, events_of};
pub use crate::intake::persistent::unseen::SEARCH_TIME;
pub use crate::port::Status;
pub use crate::streams::queue::ENTRY_OVERHEAD;

/// What a read of the source was for.
#[derive(Clone, Debug)]
enum Purpose {
    /// The source's event at the destination's tail; with the last revision delivered when it was asked for.
    Verify(StreamName, Option<u64>),
    /// The source's first event, of a stream that is truncated at the destination before this revision.
    Head {
        stream: StreamName,
        destination: u64,
    },
    /// Events of a gap, asked for from this revision on.
    Repair {
        stream: StreamName,
        from: u64,
        /// As with `Verify`.
        known: Option<u64>,
    },
    /// The tail of the stream that a user's link stands for.
    Forward(Forwarding),
    /// A page of the subscription's stream, numbers `from..=to`.
    Links { from: u64, to: u64 },
    /// A page of the parked stream.
    Parked,
    /// The parked stream: is it there?
    Queue,
    /// The subscription's stream, because the server ends each session at once: was it deleted?
    Dropped,
    /// The first readable number of the subscription's stream, from this one on.
    First { from: u64 },
    /// A page of the source's log.
    Log,
}

/// One subscription's state machine.
#[derive(Debug)]
pub struct Core {
    settings: CoreSettings,
    now: Moment,
    out: Vec<Command>,
    last_id: u64,

    streams: Table,
    /// Streams that may append, in turn.
    line: VecDeque<StreamName>,
    /// Streams that want a lookup, in turn.
    lookup_line: VecDeque<StreamName>,
    /// Streams in back-off, by the time it ends.
    timers: BTreeSet<(Moment, StreamName)>,
    /// Looks under way: at which stream, and since when.
    lookups: HashMap<LookupId, (StreamName, Moment)>,
    lookup_room: LookupRoom,
    reads: HashMap<ReadId, Purpose>,
    writes: HashMap<WriteId, (StreamName, State, Moment)>,
    flights: HashMap<AppendId, Flight>,
    events_in_flight: usize,

    /// Entries waiting or in flight, and what they cost in bytes.
    entries: usize,
    bytes: usize,
    /// Bytes of entries that nobody delivered (repairs, holes, placeholders).
    reserve: usize,
    budget: Budget,

    window: AppendWindow,
    /// Bytes of a merged append: as configured, or less if the destination named a limit.
    append_bytes: usize,
    buffer_size: BufferSize,
    session: Session,
    group: Option<GroupSeen>,
    numbers: Numbers,
    holes: Holes,
    parked: ParkedQueue,
    doubt: Doubt,
    unseen: Unseen,
    resend: Resend,
    /// What ended the call of the append that goes alone, the last time.
    last_words: String,

    /// Acknowledgements to send at the end of this input.
    acks: Vec<Uuid>,
    /// Deliveries of this session without an acknowledgement.
    unacknowledged: usize,
    /// Deliveries of this session timed out at the server.
    timed_out: bool,
    /// Numbers that were answered over this session.
    answered: Answered,
    /// Since when the budget holds deliveries up, with short breaks, and when it last did.
    narrow: Option<(Moment, Moment)>,
    /// When the process last went on after having been frozen.
    thawed: Option<Moment>,
    /// When the destination last decided anything, and since when something waits for it.
    last_verdict: Moment,
    waiting_since: Option<Moment>,
    /// It has decided something since the start.
    destination_seen: bool,
    /// When it was last asked for want of a word from it.
    asked_at: Option<Moment>,
    /// When the last event was sent, for the throttle.
    last_sent: Option<Moment>,

    denials: Denials,
    held: BTreeMap<StreamName, (u64, HeldReason, String)>,
    repairs: usize,
    /// Streams that want a page of their repair, in turn, and pages on their way.
    repair_line: VecDeque<StreamName>,
    pages: usize,
    forwards: VecDeque<Forwarding>,
    /// Streams whose tails were given up last, until one is read.
    tails_given_up: VecDeque<StreamName>,
    source_failing: bool,

    ending: Option<Ending>,
    progress: u64,
    reported: PipelineState,
    wake: Option<Moment>,
}

impl Core {
    /// A core that has not joined yet; the first [`Core::handle`] makes it ask to join.
    #[must_use]
    pub fn new(settings: CoreSettings) -> Self {
        Self {
            now: Moment::ZERO,
            out: Vec::new(),
            last_id: 0,
            streams: Table::new(settings.known_streams),
            line: VecDeque::new(),
            lookup_line: VecDeque::new(),
            timers: BTreeSet::new(),
            lookups: HashMap::new(),
            lookup_room: LookupRoom::new(),
            reads: HashMap::new(),
            writes: HashMap::new(),
            flights: HashMap::new(),
            events_in_flight: 0,
            entries: 0,
            bytes: 0,
            reserve: 0,
            budget: Budget::of(usize::MAX),
            window: AppendWindow::new(settings.appends_in_flight),
            append_bytes: settings
                .max_append_bytes
                .min(crate::streams::append::MERGED_BYTES),
            buffer_size: BufferSize::new(settings.buffer_size, settings.throttle_interval),
            session: Session::new(),
            group: None,
            numbers: Numbers::default(),
            holes: Holes::default(),
            parked: ParkedQueue::default(),
            doubt: Doubt::default(),
            unseen: Unseen::default(),
            resend: Resend::new(),
            last_words: String::new(),
            acks: Vec::new(),
            unacknowledged: 0,
            timed_out: false,
            answered: Answered::default(),
            narrow: None,
            thawed: None,
            last_verdict: Moment::ZERO,
            waiting_since: None,
            destination_seen: false,
            asked_at: None,
            last_sent: None,
            denials: Denials::default(),
            held: BTreeMap::new(),
            repairs: 0,
            repair_line: VecDeque::new(),
            pages: 0,
            forwards: VecDeque::new(),
            tails_given_up: VecDeque::new(),
            source_failing: false,
            ending: None,
            progress: 0,
            reported: PipelineState::Connecting,
            wake: None,
            settings,
        }
    }

    /// Takes one input at the time `now` (never less than before) and appends what is to be done to `out`.
    pub fn handle(&mut self, now: Moment, input: Input, out: &mut Vec<Command>) {
        if self.is_finished() {
            return;
        }
        self.note_time(now);
        std::mem::swap(&mut self.out, out);
        self.take(input);
        self.fire_timers();
        self.pump();
        self.flush_acks();
        self.report_state();
        self.set_wake();
        std::mem::swap(&mut self.out, out);
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Joined {
                session,
                buffer_size,
                group,
            } => self.on_joined(session, buffer_size, group),
            Input::Refused { why } => self.on_refused(why),
            Input::Left { session, why } => self.on_left(session, why),
            Input::Delivery {
                session,
                ack,
                number,
                item,
            } => self.on_delivery(session, ack, number, item),
            Input::Appended { append, outcome } => self.on_appended(append, outcome),
            Input::CallEnded {
                lane,
                unanswered,
                silent,
                said,
            } => self.on_call_ended(lane, unanswered, silent, said),
            Input::LookedUp { lookup, result } => self.on_looked_up(lookup, result),
            Input::RightsSeen { ask, rights } => self.on_rights_seen(ask, rights),
            Input::SourceRead { read, page } => self.on_source_read(read, page),
            Input::LinksRead { read, page } => self.on_links_read(read, page),
            Input::ParkedRead { read, page } => self.on_parked_read(read, page),
            Input::LogSearched { read, page } => self.on_log_searched(read, page),
            Input::MetadataDone { write, outcome } => self.on_metadata_done(write, outcome),
            Input::GroupSeen(group) => self.on_group_seen(group),
            Input::GroupUnseen(why) => self.on_group_unseen(why),
            Input::Budget { bytes } => self.budget = Budget::of(bytes),
            Input::Reachable { side, reachable } => self.on_reachable(side, reachable),
            Input::Tick => self.on_tick(),
            Input::Stop { deadline } => self.on_stop(deadline),
        }
    }

    /// Everything that may go on after an input, in the order in which one makes way for the other.
    fn pump(&mut self) {
        self.pump_denials();
        self.pump_liveness();
        self.pump_resend();
        self.pump_lookups();
        self.pump_appends();
        self.pump_repairs();
        self.pump_forwards();
        self.pump_holes();
        self.pump_doubt();
        self.pump_unseen();
        self.pump_parks();
        self.pump_session();
    }

    fn pump_resend(&mut self) {
        loop {
            match self.resend.next(self.now) {
                Next::Wait => return,
                Next::Send(appends) => appends
                    .into_iter()
                    .for_each(|append| self.send_again(append, false)),
                Next::SendAlone(append) => self.send_again(append, true),
                Next::Probe => self.out.push(Command::Probe {
                    side: Side::Destination,
                }),
            }
        }
    }

    fn on_reachable(&mut self, side: Side, reachable: bool) {
        match side {
            Side::Destination => {
                if reachable {
                    self.verdict();
                }
                if let Verdict::Refuse(append) = self.resend.probed(self.now, reachable) {
                    self.on_ends_call_alone(append);
                }
            }
            Side::Source => self.source_failing = !reachable,
        }
    }

    fn report(&mut self, report: Report) {
        self.out.push(Command::Report(report));
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The destination decided something: it is there.
    fn verdict(&mut self) {
        self.last_verdict = self.now;
        self.destination_seen = true;
        self.wait_anew();
    }

    /// What waits for the destination waits from now on.
    fn wait_anew(&mut self) {
        let waits = self.waits_for_destination();
        self.waiting_since = waits.then_some(self.now);
    }

    /// Something was sent to the destination and not answered, or is not sent because the destination does not answer.
    fn waits_for_destination(&self) -> bool {
        !self.flights.is_empty()
            || !self.lookups.is_empty()
            || !self.writes.is_empty()
            || (self.entries > 0 && !self.resend.is_open())
    }
}
