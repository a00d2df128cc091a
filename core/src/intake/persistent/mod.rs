//! Intake from a persistent subscription: a group that delivers, takes back, retries and parks.
//!
//! Decides what is taken and what the group is told. Never writes, and never acknowledges what was not settled.
//!
//! `session` and `joined` (joining, staying, leaving), `dropped`, `stopped` and `ending` (why not), `deliver` and `forward`
//! (what comes in), `numbers` and `holes` (what the group left out), `ack` and `parked` (what it is told), `late` (what it
//! took back), `doubt` and `unseen` (what was truncated before ditto saw it), `buffer_size` (how much it sends ahead).

mod ack;
mod answered;
mod buffer_size;
mod deliver;
mod doubt;
mod dropped;
mod ending;
mod forward;
mod gaps;
mod holes;
mod joined;
mod late;
mod numbers;
mod parked;
mod session;
mod stopped;
mod unseen;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use uuid::Uuid;

use self::answered::Answered;
use self::buffer_size::BufferSize;
use self::doubt::Doubt;
use self::dropped::GONE;
use self::ending::Ending;
use self::forward::Forwarding;
use self::holes::Holes;
use self::numbers::Numbers;
use self::parked::ParkedQueue;
use self::session::{Session, Trouble};
use self::unseen::Unseen;
use crate::context::Context;
use crate::event::StreamName;
use crate::intake::Intake;
use crate::port::{
    CoreSettings, GroupSeen, Input, Moment, OWN_REASON, PipelineState, ReadId, Report, Side,
    SourcePage, Status,
};
use crate::seam::Outcome;
use crate::streams::Streams;

pub use self::unseen::SEARCH_TIME;

/// What a read of the source was for.
#[derive(Clone, Debug)]
enum Purpose {
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

/// One group, and what was taken from it.
#[derive(Debug)]
pub(super) struct Persistent {
    session: Session,
    group: Option<GroupSeen>,
    buffer_size: BufferSize,
    numbers: Numbers,
    holes: Holes,
    parked: ParkedQueue,
    doubt: Doubt,
    unseen: Unseen,
    reads: HashMap<ReadId, Purpose>,
    forwards: VecDeque<Forwarding>,
    /// Streams whose tails were given up last, until one is read.
    tails_given_up: VecDeque<StreamName>,
    ending: Option<Ending>,

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
}

impl Persistent {
    /// Not joined yet; the first pump asks to join.
    pub(super) fn new(settings: &CoreSettings) -> Self {
        Self {
            session: Session::new(),
            group: None,
            buffer_size: BufferSize::new(settings.buffer_size, settings.throttle_interval),
            numbers: Numbers::default(),
            holes: Holes::default(),
            parked: ParkedQueue::default(),
            doubt: Doubt::default(),
            unseen: Unseen::default(),
            reads: HashMap::new(),
            forwards: VecDeque::new(),
            tails_given_up: VecDeque::new(),
            ending: None,
            acks: Vec::new(),
            unacknowledged: 0,
            timed_out: false,
            answered: Answered::default(),
            narrow: None,
        }
    }

    fn source_answers(&self, cx: &Context) -> Option<bool> {
        match self.session.trouble() {
            Trouble::Source => Some(false),
            _ if cx.source_failing => Some(false),
            // Whatever it said, it said something.
            Trouble::Standby | Trouble::Stopped(_) | Trouble::Gone => Some(true),
            Trouble::None => self.group.as_ref().map(|_| true),
        }
    }

    /// A read of the source is under way, or its next try waits.
    fn waits_for_source(&self, streams: &Streams) -> bool {
        streams.waits_for_source()
            || !self.reads.is_empty()
            || !self.forwards.is_empty()
            || self.retries().iter().any(Option::is_some)
    }

    fn retries(&self) -> [Option<Moment>; 4] {
        [
            self.holes.retry_at(),
            self.parked.retry_at(),
            self.doubt.retry_at(),
            self.unseen.retry_at(),
        ]
    }

    fn on_source_read(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        read: ReadId,
        page: SourcePage,
    ) {
        if let Some(Purpose::Forward(forwarding)) = self.take_read(read) {
            self.on_forward_read(cx, streams, forwarding, page);
        }
    }
}

impl Intake for Persistent {
    fn take(&mut self, cx: &mut Context, streams: &mut Streams, input: Input) {
        match input {
            Input::Joined {
                session,
                buffer_size,
                group,
            } => self.on_joined(cx, streams, session, buffer_size, group),
            Input::Refused { why } => self.on_refused(cx, streams, why),
            Input::Left { session, why } => self.on_left(cx, session, why),
            Input::Delivery {
                session,
                ack,
                number,
                item,
            } => self.on_delivery(cx, streams, session, ack, number, item),
            Input::SourceRead { read, page } => self.on_source_read(cx, streams, read, page),
            Input::LinksRead { read, page } => self.on_links_read(cx, streams, read, page),
            Input::ParkedRead { read, page } => self.on_parked_read(cx, streams, read, page),
            Input::LogSearched { read, page } => self.on_log_searched(cx, read, page),
            Input::GroupSeen(group) => self.on_group_seen(cx, streams, group),
            Input::GroupUnseen(why) => self.on_group_unseen(why),
            Input::Reachable {
                side: Side::Source,
                reachable,
            } => cx.source_failing = !reachable,
            Input::Tick => self.on_tick(cx, streams),
            Input::Stop { deadline } => self.on_stop(cx, deadline),
            // For the streams, and answers that nobody waits for.
            Input::Appended { .. }
            | Input::CallEnded { .. }
            | Input::LookedUp { .. }
            | Input::RightsSeen { .. }
            | Input::MetadataDone { .. }
            | Input::Reachable { .. }
            | Input::Log(_)
            | Input::State(_)
            | Input::Budget { .. } => {}
        }
    }

    fn settle(&mut self, cx: &mut Context, outcome: Outcome) {
        match outcome {
            Outcome::Done { claim, excused } => {
                self.note_age(cx, &claim, excused);
                self.acknowledge(cx, &claim);
            }
            Outcome::Held { claim, held, .. } => {
                let text = format!("{OWN_REASON}{}: {}", held.kind.as_str(), held.reason);
                let report = claim.is_delivered().then(|| Report::Parked {
                    stream: held.stream,
                    revision: held.revision,
                    reason: held.kind,
                    text: text.clone(),
                });
                self.park(cx, &claim, &text, report);
            }
            Outcome::Dropped(claim) => self.drop_claim(cx, &claim),
            Outcome::Again {
                claim,
                older,
                excused,
            } => self.note_second_delivery(cx, &claim, &older, excused),
            // A group's streams keep the metadata that they have.
            Outcome::Hides { .. } => {}
            Outcome::Stop(why) => self.end_by_policy(cx, why),
            // Asked only where the source has a log.
            Outcome::Missing { .. } => {}
        }
    }

    fn pump(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.pump_forwards(cx);
        self.pump_holes(cx);
        self.pump_doubt(cx);
        self.pump_unseen(cx, streams);
        self.pump_parked(cx);
        self.pump_session(cx, streams);
    }

    fn answer(&mut self, cx: &mut Context) {
        self.flush_acks(cx);
    }

    fn stop_for_now(&mut self, cx: &mut Context, streams: &mut Streams, why: String) {
        if self.ending.is_none() {
            self.stop_with(cx, streams, why);
        }
    }

    fn patience(&self) -> Duration {
        self.message_timeout() / 4
    }

    fn due(&self, cx: &Context) -> Option<Moment> {
        let ending = self.ending.as_ref().map(|ending| ending.due(cx.now));
        [self.session.due(), ending]
            .into_iter()
            .chain(self.retries())
            .flatten()
            .filter(|at| *at > cx.now)
            .min()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }

    fn is_ready(&self) -> bool {
        // Not running before it is known whether it may.
        self.session.id().is_some() && !self.doubt.is_open()
    }

    fn trouble(&self) -> Option<PipelineState> {
        match self.session.trouble() {
            Trouble::Gone => Some(PipelineState::Stopped(GONE.to_owned())),
            Trouble::Stopped(text) => Some(PipelineState::Stopped(text.clone())),
            Trouble::Standby => Some(PipelineState::Standby),
            Trouble::Source => Some(PipelineState::Retrying(Side::Source)),
            Trouble::None => self
                .unseen_state()
                .filter(|state| matches!(state, PipelineState::Stopped(_))),
        }
    }

    fn searching(&self) -> Option<PipelineState> {
        self.unseen_state()
    }

    fn read_into(&self, cx: &Context, due: Option<Moment>, status: &mut Status) {
        let timeout = self.group.as_ref().map(|group| group.message_timeout);
        let of_session = self.session.buffer_size();
        status.buffer_size = of_session.unwrap_or_else(|| self.buffer_size.ask(timeout));
        status.source_answers = self.source_answers(cx);
        status.done_up_to = self.numbers.done_up_to();
        status.last_number = self.group.as_ref().and_then(|group| group.last_number);
        status.waits_until = due.max(self.search_until()).or_else(|| self.next_hole(cx));
    }
}
