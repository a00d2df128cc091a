//! What is written: the streams of the destination, each looked at, compared, repaired and appended to by itself.
//!
//! [`Streams`] is the half of the core that knows the destination. It is handed events ([`Streams::take`]) with a claim
//! each, and tells what became of them ([`Streams::take_outcomes`]). Never knows where an event comes from, whom to answer,
//! or when: a kind of source is an `Intake`.
//!
//! Inside, each file adds one concern. `take` (what comes in), `advance` (what a stream does next), `modes` (exact,
//! unversioned, append only), `lookup`, `tail` and `compare` (what the destination holds), `append`, `answer`,
//! `refuse` and `metadata` (what is written), `settle` (what leaves), `repair` and `missing` (gaps), `hold` and `failing`
//! (streams that stop), `rights`, `liveness` and `resend` (is the destination there), `slow` and `timers`. `stream`, `queue`, `table`, `line`
//! and `window` are parts without a view of the rest.

mod advance;
mod answer;
mod append;
mod compare;
mod failing;
mod hold;
mod line;
mod liveness;
mod lookup;
mod metadata;
mod missing;
mod modes;
mod queue;
mod readings;
mod refuse;
mod repair;
mod resend;
mod rights;
mod settle;
mod slow;
mod stream;
mod table;
mod tail;
mod take;
mod timers;
mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use self::append::Flight;
use self::line::Line;
use self::lookup::LookupRoom;
use self::modes::Mode;
use self::resend::{Next, Resend, Verdict};
use self::rights::Denials;
use self::table::Table;
use self::window::AppendWindow;
use crate::context::Context;
use crate::event::StreamName;
use crate::port::{
    AppendId, Command, CoreSettings, HeldReason, Input, LookupId, Moment, ReadId, Side, SourcePage,
    WriteId,
};
use crate::seam::Outcome;

pub use self::advance::placeholder_id;
pub use self::queue::ENTRY_OVERHEAD;
pub(crate) use self::readings::Standing;

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
}

/// All streams, and what is under way to the destination.
#[derive(Debug)]
pub(crate) struct Streams {
    mode: &'static dyn Mode,
    table: Table,
    /// Streams that may append.
    line: Line,
    /// Streams that want a lookup, in turn.
    lookup_line: VecDeque<StreamName>,
    /// Streams in back-off, by the time it ends.
    timers: BTreeSet<(Moment, StreamName)>,
    /// Lookups under way: at which stream, and since when.
    lookups: HashMap<LookupId, (StreamName, Moment)>,
    lookup_room: LookupRoom,
    reads: HashMap<ReadId, Purpose>,
    writes: HashMap<WriteId, (StreamName, Moment)>,
    flights: HashMap<AppendId, Flight>,
    events_in_flight: usize,

    window: AppendWindow,
    /// Bytes of a merged append: as configured, or less if the destination named a limit.
    append_bytes: usize,
    resend: Resend,
    /// What ended the call of the append that goes alone, the last time.
    last_words: String,
    /// When the last event was sent, for the throttle.
    last_sent: Option<Moment>,

    /// When the destination last decided anything, and since when something waits for it.
    last_verdict: Moment,
    waiting_since: Option<Moment>,
    /// It has decided something since the start.
    destination_seen: bool,
    /// When it was last asked for want of a word from it.
    asked_at: Option<Moment>,

    denials: Denials,
    held: BTreeMap<StreamName, (u64, HeldReason, String)>,
    repairs: usize,
    /// Streams that want a page of their repair, in turn, and pages on their way.
    repair_line: VecDeque<StreamName>,
    pages: usize,

    /// What the intake was not told yet.
    told: Vec<Outcome>,
}

impl Streams {
    pub(crate) fn new(settings: &CoreSettings) -> Self {
        Self {
            mode: modes::of(settings.mode),
            table: Table::new(settings.known_streams),
            line: Line::new(),
            lookup_line: VecDeque::new(),
            timers: BTreeSet::new(),
            lookups: HashMap::new(),
            lookup_room: LookupRoom::new(),
            reads: HashMap::new(),
            writes: HashMap::new(),
            flights: HashMap::new(),
            events_in_flight: 0,
            window: AppendWindow::new(settings.appends_in_flight),
            append_bytes: settings.max_append_bytes.min(append::MERGED_BYTES),
            resend: Resend::default(),
            last_words: String::new(),
            last_sent: None,
            last_verdict: Moment::ZERO,
            waiting_since: None,
            destination_seen: false,
            asked_at: None,
            denials: Denials::default(),
            held: BTreeMap::new(),
            repairs: 0,
            repair_line: VecDeque::new(),
            pages: 0,
            told: Vec::new(),
        }
    }

    /// Takes an answer that only the destination gives, or one to a read of this half; gives everything else back.
    pub(crate) fn answered(&mut self, cx: &mut Context, input: Input) -> Option<Input> {
        match input {
            Input::Appended { append, outcome } => self.on_appended(cx, append, outcome),
            Input::CallEnded {
                lane,
                unanswered,
                silent,
                said,
            } => self.on_call_ended(cx, lane, unanswered, silent, said),
            Input::LookedUp { lookup, result } => self.on_looked_up(cx, lookup, result),
            Input::RightsSeen { ask, rights } => self.on_rights_seen(cx, ask, rights),
            Input::MetadataDone { write, outcome } => self.on_metadata_done(cx, write, outcome),
            Input::Reachable {
                side: Side::Destination,
                reachable,
            } => self.on_reachable(cx, reachable),
            Input::SourceRead { read, page } => match self.reads.remove(&read) {
                Some(purpose) => self.on_source_read(cx, read, purpose, page),
                None => return Some(Input::SourceRead { read, page }),
            },
            other => return Some(other),
        }
        None
    }

    /// What became of events since it was last asked, in order.
    pub(crate) fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.told)
    }

    /// Everything that may go on after an input, in the order in which one makes way for the other.
    pub(crate) fn pump(&mut self, cx: &mut Context) {
        self.pump_liveness(cx);
        if cx.may_write {
            self.pump_resend(cx);
        }
        self.pump_lookups(cx);
        self.pump_appends(cx);
        self.pump_repairs(cx);
        cx.memory.streams = self.table.busy().len();
    }

    fn pump_resend(&mut self, cx: &mut Context) {
        loop {
            match self.resend.next(cx.now) {
                Next::Wait => return,
                Next::Send(appends) => appends
                    .into_iter()
                    .for_each(|append| self.send_again(cx, append, false)),
                Next::SendAlone(append) => self.send_again(cx, append, true),
                Next::Probe => cx.out.push(Command::Probe {
                    side: Side::Destination,
                }),
            }
        }
    }

    fn on_reachable(&mut self, cx: &mut Context, reachable: bool) {
        if reachable {
            self.verdict(cx);
        }
        if let Verdict::Refuse(append) = self.resend.probed(cx.now, reachable) {
            self.on_ends_call_alone(cx, append);
        }
    }

    fn on_source_read(
        &mut self,
        cx: &mut Context,
        read: ReadId,
        purpose: Purpose,
        page: SourcePage,
    ) {
        match purpose {
            Purpose::Verify(stream, known) => self.on_verify_read(cx, read, &stream, known, page),
            Purpose::Head {
                stream,
                destination,
            } => self.on_head_read(cx, &stream, destination, page),
            Purpose::Repair {
                stream,
                from,
                known,
            } => self.on_repair_read(cx, read, &stream, (from, known), page),
        }
    }
}
