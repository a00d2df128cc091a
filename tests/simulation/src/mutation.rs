//! Deliberate mistakes: the production core behind a wrapper that spoils one of its promises.
//!
//! They prove that the checks can fail. Without a mistake the wrapper passes everything through untouched.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ditto_core::Core;
use ditto_core::event::{StreamName, TOMBSTONE_REVISION};
use ditto_core::port::{AppendId, Command, CoreSettings, Input, Moment, SessionId, Status};
use uuid::Uuid;

use crate::mistake;

/// A deliberate mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A delivery is acknowledged before it is written.
    AckBeforeWrite,
    /// A wrong expected revision is taken for written.
    TrustWrongRevision,
    /// An answer "not ready" is taken for written.
    TrustNotReady,
    /// No answer is taken for written.
    TrustSilence,
    /// Any answered revision is good enough.
    IgnoreAnsweredRevision,
    /// A frozen append is not sent again.
    ForgetResend,
    /// A frozen append is sent again with fewer events.
    ResendOtherEvents,
    /// The limit that a refusal names is forgotten.
    ForgetAppendLimit,
    /// The end of a call is not noticed.
    ForgetCallEnded,
    /// A merged append leaves an event out.
    MergePastGap,
    /// A lookup is answered by hope.
    SkipLookup,
    /// The last readable event is taken for the stream's tail.
    LastReadableIsTail,
    /// What a lookup finds is not compared.
    CompareNothing,
    /// The pages of a repair are taken without checking the next revision.
    RepairAnyRevision,
    /// Acknowledgements go to an earlier stay.
    StaleAck,
    /// Acknowledgements are sent one input too late.
    LateAck,
    /// What was delivered twice is not acknowledged.
    ForgetSecondDelivery,
    /// Some deliveries are lost.
    LoseDeliveries,
    /// What the server parked by itself is not looked at.
    ForgetServerParked,
    /// Holes are closed unread.
    IgnoreHoles,
    /// A number is counted as done that is not.
    CountTooMuch,
    /// More memory is told than is held.
    TellMoreMemory,
    /// Less memory is told than is held.
    TellLessMemory,
    /// Events of streams that are not held are parked.
    ParkHealthy,
    /// Deliveries are taken whatever is buffered.
    IgnoreBudget,
    /// The throttle is not kept.
    NoThrottle,
    /// The end is always said to be clean.
    AlwaysClean,
    /// Any revision is expected instead of an exact one.
    AnyRevision,
    /// The session is never left, however long the destination gives no verdict.
    NeverLeave,
    /// A hole's patience begins anew at each delivery.
    ResetHoleClock,
    /// A stream with an append in flight is forgotten.
    EvictBusy,
    /// Some deliveries are put behind the next one.
    PassOver,
    /// A stream whose events cannot be read is taken for the source's unasked.
    TakeUnreadable,
    /// The question whose a stream is goes out about the event behind its last.
    AskBehindTail,
    /// Pages of a node that is behind are believed.
    BelieveStalePages,
    /// A denial is taken to be about one stream although the user may write nowhere.
    BlameDeniedStream,
    /// A stream that can never be read is waited for.
    NeverGiveUp,
    /// The number of a tombstone is counted.
    CountTombstone,
    /// A stream that was deleted for good is taken for one that is not there yet.
    ForgetDeletedStream,
    /// From some time on no lookup is answered: the core is stuck.
    LoseLookups,
    /// Where a group begins at the end, nothing is known before its first delivery.
    ForgetBase,
    /// A delivery that comes again after it was answered is answered, and no more is made of it.
    ForgetLateCopies,
    /// After the first session no more than one delivery at a time is asked for.
    AskForOne,
    /// The parked queue is thought to be there, whatever a read says.
    BelieveInQueue,
    /// Numbers that can no longer be read are passed over.
    IgnoreLostNumbers,
    /// Only the first page of the log is searched.
    SearchOnePage,
    /// What the log shows is not copied.
    IgnoreFound,
    /// A destination that does not answer when it is asked is taken for one that does.
    AssumeAnswers,
}

impl Mutation {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::AckBeforeWrite,
        Self::TrustWrongRevision,
        Self::TrustNotReady,
        Self::TrustSilence,
        Self::IgnoreAnsweredRevision,
        Self::ForgetResend,
        Self::ResendOtherEvents,
        Self::ForgetAppendLimit,
        Self::ForgetCallEnded,
        Self::MergePastGap,
        Self::SkipLookup,
        Self::LastReadableIsTail,
        Self::CompareNothing,
        Self::RepairAnyRevision,
        Self::StaleAck,
        Self::LateAck,
        Self::ForgetSecondDelivery,
        Self::LoseDeliveries,
        Self::ForgetServerParked,
        Self::IgnoreHoles,
        Self::CountTooMuch,
        Self::TellMoreMemory,
        Self::TellLessMemory,
        Self::ParkHealthy,
        Self::IgnoreBudget,
        Self::NoThrottle,
        Self::AlwaysClean,
        Self::AnyRevision,
        Self::NeverLeave,
        Self::ResetHoleClock,
        Self::EvictBusy,
        Self::PassOver,
        Self::TakeUnreadable,
        Self::AskBehindTail,
        Self::BelieveStalePages,
        Self::BlameDeniedStream,
        Self::NeverGiveUp,
        Self::CountTombstone,
        Self::ForgetDeletedStream,
        Self::LoseLookups,
        Self::ForgetBase,
        Self::ForgetLateCopies,
        Self::AskForOne,
        Self::BelieveInQueue,
        Self::IgnoreLostNumbers,
        Self::SearchOnePage,
        Self::IgnoreFound,
        Self::AssumeAnswers,
    ];
}

/// The core under test.
#[derive(Debug)]
pub(crate) struct Subject {
    core: Core,
    mutation: Option<Mutation>,
    memory: Memory,
}

/// What a mistake needs to know of what went by.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// For each append that was sent: the revision that a right answer has.
    pub(crate) answers: HashMap<AppendId, u64>,
    /// Ids of delivered events, by stream and revision.
    pub(crate) ids: HashMap<(String, u64), Uuid>,
    /// Where reads of source streams began.
    pub(crate) reads: HashMap<u64, u64>,
    /// Reads of holes.
    pub(crate) holes: HashSet<u64>,
    /// Ids delivered, and how often.
    pub(crate) delivered: HashMap<Uuid, u32>,
    /// Ids answered over this session.
    pub(crate) answered: HashSet<Uuid>,
    /// The core wants to leave.
    pub(crate) leaving: bool,
    /// The first session.
    pub(crate) first_session: Option<SessionId>,
    /// Commands kept back.
    pub(crate) late: Vec<Command>,
    /// Inputs seen.
    pub(crate) inputs: u64,
    /// The time, and that of the last delivery.
    pub(crate) now: Moment,
    pub(crate) last_delivery: Moment,
    /// The group's message timeout.
    pub(crate) message_timeout: Duration,
    /// Streams of appends in flight, and how often each stream was forgotten.
    pub(crate) in_flight: HashMap<AppendId, StreamName>,
    pub(crate) forgotten: HashMap<StreamName, u32>,
    /// A delivery kept back.
    pub(crate) kept: Option<Input>,
    /// The tombstone of a plain stream was delivered.
    pub(crate) tombstone: bool,
    /// The group begins at the end, and nothing was delivered yet.
    pub(crate) begins_at_end: bool,
}

impl Subject {
    /// A new core.
    pub(crate) fn new(mut settings: CoreSettings, mutation: Option<Mutation>) -> Self {
        if mutation == Some(Mutation::NoThrottle) {
            settings.throttle_interval = Duration::ZERO;
        }
        if mutation == Some(Mutation::IgnoreLostNumbers) {
            settings.accept_unseen_below = u64::MAX;
        }
        Self {
            core: Core::new(settings),
            mutation,
            memory: Memory::default(),
        }
    }

    /// As [`Core::handle`].
    pub(crate) fn handle(&mut self, now: Moment, input: Input, out: &mut Vec<Command>) {
        let Some(mutation) = self.mutation else {
            self.core.handle(now, input, out);
            return;
        };
        self.memory.inputs += 1;
        self.memory.now = now;
        self.memory.note_input(&input);
        out.append(&mut mistake::before(mutation, &mut self.memory, &input));
        let inputs = mistake::inputs(mutation, &mut self.memory, input);
        let mut commands = Vec::new();
        for input in inputs {
            self.core.handle(now, input, &mut commands);
        }
        // What a mistake answers by itself comes back at once, and may lead to more of the same.
        let mut rounds = 0;
        while !commands.is_empty() {
            let mut answers = Vec::new();
            for command in std::mem::take(&mut commands) {
                mistake::command(mutation, &mut self.memory, command, out, &mut answers);
            }
            rounds += 1;
            if rounds > 50 {
                break;
            }
            for answer in answers {
                self.core.handle(now, answer, &mut commands);
            }
        }
    }

    /// As [`Core::status`].
    pub(crate) fn status(&self) -> Status {
        let mut status = self.core.status();
        match self.mutation {
            Some(Mutation::CountTooMuch) => {
                status.done_up_to = status.done_up_to.max(status.last_number);
            }
            Some(Mutation::TellMoreMemory) => status.bytes_buffered += 20_000,
            Some(Mutation::TellLessMemory) => status.bytes_buffered /= 2,
            _ => {}
        }
        if self.mutation == Some(Mutation::ForgetBase) && self.memory.begins_at_end {
            status.done_up_to = None;
        }
        if self.mutation == Some(Mutation::CountTombstone) && self.memory.tombstone {
            status.done_up_to = Some(TOMBSTONE_REVISION);
        }
        status
    }
}
