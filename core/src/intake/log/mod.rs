//! Intake from a source's log, `$all`: positions and a low-water mark, a checkpoint at the destination, and no group.
//!
//! Decides what is read, from where, and what the checkpoint says. Never writes an event, never passes what is not done, and
//! never copies from a log that is not the one that was copied.
//!
//! `holding` is who copies, by lease: `taking` takes the mirror over, `saving` writes checkpoints, `epochs` tells whether the
//! source is the same. `record` is which streams are on record at the destination as held, `recording` reads and writes it,
//! `looks` looks at them again, `search` searches the log for what streams no longer show; `write` is how both are written.
//! `reading` is the subscription, `opening` the reads around its start. `positions` is what is done. `ending` stops.
//! `states` copies metadata and deletions.

mod ending;
mod epochs;
mod holding;
mod looks;
mod opening;
mod positions;
mod reading;
mod record;
mod recording;
mod saving;
mod search;
mod states;
mod taking;
mod write;

use std::time::Duration;

use self::ending::Ending;
use self::epochs::Epochs;
use self::holding::Holding;
use self::positions::Positions;
use self::reading::Reading;
use self::record::HeldRecord;
use self::recording::Recording;
use self::search::Searches;
use self::states::{Compared, States};
use crate::context::Context;
use crate::filter::{Rules, StreamFilter};
use crate::intake::Intake;
use crate::port::log::{Holder, LogCommand, LogInput, Record};
use crate::port::state::StateRules;
use crate::port::{
    AppendOutcome, Command, Input, LogPosition, LogStatus, Moment, PipelineState, ReadId, Side,
    Status,
};
use crate::seam::{Claim, Outcome};
use crate::streams::Streams;

/// So long an event may wait before an operator has to know that the destination denies it.
const PATIENCE: Duration = Duration::from_millis(7_500);

/// What a mirror's core is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Which streams are copied.
    pub filter: StreamFilter,
    /// What becomes of metadata and deletions; `None`: they are not copied.
    pub states: Option<StateRules>,
    /// What this process writes into the checkpoint as its holder.
    pub holder: Holder,
}

impl LogSettings {
    /// What the checkpoint says of these settings.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            filter: self.filter.clone(),
            states: self.states.map(|rules| rules.deletions),
        }
    }
}

/// Why the mirror is not simply running.
#[derive(Clone, Debug, PartialEq)]
enum Trouble {
    None,
    /// The source does not let it in, or ends it again and again.
    Source,
    /// The destination does not say who holds the mirror.
    Destination,
    Standby,
    Stopped(String),
}

/// One log, and how far it is copied.
#[derive(Debug)]
pub(super) struct Log {
    settings: LogSettings,
    holding: Holding,
    reading: Reading,
    positions: Positions,
    /// Counts the logs that may have other records at the same positions.
    log: u64,
    record: HeldRecord,
    recording: Recording,
    searches: Searches,
    /// Metadata and deletions.
    states: States,
    trouble: Trouble,
    ending: Option<Ending>,
    /// The source's epochs when they were last read over a connection that was believed.
    epochs: Epochs,
    /// A record that is done, and was read by this process: of its log, where nothing else tells.
    witness: Option<Record>,
    /// Streams were read beyond what the log has brought.
    looked: bool,
    /// Not before this time room is made in memory.
    shed_at: Moment,
    /// How often it was stopped since its subscription was open.
    stops: u32,
    /// An event that was handed out is to be read again.
    again: bool,
}

impl Log {
    /// Nothing is known yet; the first pump asks for the newest checkpoint.
    pub(super) fn new(settings: LogSettings) -> Self {
        Self {
            states: States::new(settings.states),
            settings,
            holding: Holding::new(),
            reading: Reading::new(),
            positions: Positions::from(None),
            log: 0,
            record: HeldRecord::default(),
            recording: Recording::closed(),
            searches: Searches::default(),
            trouble: Trouble::None,
            ending: None,
            epochs: Epochs::default(),
            witness: None,
            looked: false,
            shed_at: Moment::ZERO,
            stops: 0,
            again: false,
        }
    }

    fn on_log(&mut self, cx: &mut Context, streams: &mut Streams, input: LogInput) {
        match input {
            LogInput::Opened { session } => self.on_opened(cx, session),
            LogInput::Refused { why } => self.on_refused(cx, why),
            LogInput::Ended { session, why } => self.on_ended(cx, session, why),
            // The source may be another one by now.
            LogInput::Reconnected => self.reopen(cx, Duration::ZERO),
            LogInput::Record {
                session,
                position,
                event,
            } => self.on_message(
                cx,
                streams,
                session,
                reading::Message::Record(position, event),
            ),
            LogInput::State {
                session,
                position,
                stream,
                metadata,
            } => {
                let message = reading::Message::State(position, stream, metadata);
                self.on_message(cx, streams, session, message);
            }
            LogInput::LookedThrough { session, position } => {
                self.on_message(
                    cx,
                    streams,
                    session,
                    reading::Message::LookedThrough(position),
                );
            }
            LogInput::CaughtUp { session, caught_up } => {
                self.reading.note_caught_up(session, caught_up);
            }
            LogInput::RecordRead { read, page } => self.on_record_read(cx, streams, read, page),
            LogInput::StreamSearched { read, page } => {
                self.on_stream_searched(cx, streams, read, page);
            }
            LogInput::EpochsRead { read, page } => self.on_epochs_read(cx, streams, read, page),
            LogInput::CheckpointRead { read, page } => {
                self.on_checkpoint_read(cx, streams, read, page);
            }
            LogInput::CheckpointWritten { write, outcome } => {
                self.on_checkpoint_written(cx, streams, write, outcome);
            }
            LogInput::HeldRead { read, page } => self.on_held_read(cx, streams, read, page),
            LogInput::HeldWritten { write, outcome } => {
                self.on_held_written(cx, streams, write, outcome);
            }
        }
    }

    /// Drops everything that is not in flight: whoever holds the mirror reads it again.
    fn drop_waiting(&mut self, cx: &mut Context, streams: &mut Streams) {
        let dropped = streams.drop_waiting(cx);
        self.dropped(cx, dropped);
    }

    fn dropped(&mut self, cx: &mut Context, claims: Vec<Claim>) {
        for claim in claims {
            if let Some(read) = claim.look() {
                if self.states.asked_for(read) {
                    self.states.note_compared(read, Compared::Dropped);
                } else {
                    self.look_again(cx, read);
                }
            }
        }
    }

    /// On from what is done, perhaps in another log: nothing that was handed out before counts.
    fn begin_at_mark(&mut self, cx: &mut Context, streams: &mut Streams) {
        let dropped = streams.begin_again(cx);
        self.dropped(cx, dropped);
        self.looked = false;
        self.positions = Positions::from(self.holding.done.clone());
        self.log += 1;
        self.record.begin_again();
        self.record.looks.forget_passed();
        self.give_up_searches(cx, streams);
        self.begin_states_again(cx);
    }

    fn done(&mut self, cx: &mut Context, position: LogPosition) {
        if self.positions.done(position) {
            self.holding.note_copied();
            cx.progress += 1;
        }
    }
}

/// What became of an event that was handed over to be compared.
fn compared(outcome: &Outcome) -> Option<(ReadId, Compared)> {
    match outcome {
        Outcome::Done { claim, .. } => Some((claim.look()?, Compared::There)),
        Outcome::Held { claim, .. } => Some((claim.look()?, Compared::Held)),
        Outcome::Dropped(claim) => Some((claim.look()?, Compared::Dropped)),
        _ => None,
    }
}

/// Why what the mirror keeps at the destination is not written. Text for the operator.
fn refused(refusal: &AppendOutcome, what: &str) -> String {
    match refusal {
        AppendOutcome::Denied => {
            format!("the destination does not let the user write {what}")
        }
        AppendOutcome::Deleted => format!("the stream of {what} was deleted for good"),
        AppendOutcome::TooLarge { .. } => format!("the destination refuses {what}: too large"),
        AppendOutcome::Refused(words) => format!("the destination refuses {what}: {words}"),
        other => format!("the destination did not write {what}: {other:?}"),
    }
}

fn send(cx: &mut Context, command: LogCommand) {
    cx.out.push(Command::Log(command));
}

impl Intake for Log {
    fn take(&mut self, cx: &mut Context, streams: &mut Streams, input: Input) {
        match input {
            Input::Log(input) => self.on_log(cx, streams, input),
            Input::Reachable {
                side: Side::Source,
                reachable,
            } => cx.source_failing = !reachable,
            Input::Stop { deadline } => self.on_stop(cx, streams, deadline),
            Input::SourceRead { read, page } if self.states.asked_for(read) => {
                self.on_proof_page(cx, streams, read, page);
            }
            Input::SourceRead { read, page } => self.on_newest_read(cx, streams, read, page),
            Input::State(input) => self.on_state(cx, streams, input),
            // Time alone, what is for the streams, and what only a group says.
            _ => {}
        }
    }

    fn vet(&self, mut input: Input) -> Input {
        if let Input::LookedUp { result, .. } = &mut input {
            self.vet_note(result);
        }
        input
    }

    fn pass(&mut self, cx: &mut Context) {
        self.pump_lease(cx);
    }

    fn settle(&mut self, cx: &mut Context, outcome: Outcome) {
        if let Some((read, compared)) = compared(&outcome)
            && self.states.asked_for(read)
        {
            return self.states.note_compared(read, compared);
        }
        match outcome {
            Outcome::Hides { stream, below } => self.hide_placeholders(cx, &stream, below),
            Outcome::Done { claim, .. } => match (claim.look(), claim.position(self.log)) {
                (Some(read), _) => self.found_complete(cx, read),
                (None, Some(position)) => self.done(cx, position),
                (None, None) => {}
            },
            Outcome::Held {
                claim,
                held,
                extent,
            } => match (claim.look(), claim.position(self.log)) {
                (Some(read), _) => self.look_ended(cx, read, extent),
                (None, Some(position)) => self.set_aside(cx, position, *held, extent),
                (None, None) => {}
            },
            Outcome::Dropped(claim) => match claim.look() {
                Some(read) => self.look_again(cx, read),
                None => self.again |= claim.position(self.log).is_some(),
            },
            Outcome::Again { .. } => {}
            Outcome::Stop(why) => self.end_by_policy(cx, why),
            Outcome::Missing {
                read,
                stream,
                from,
                to,
            } => self.note_missing(read, stream, from, to),
        }
    }

    fn look_for_missing(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.pump_searches(cx, streams);
    }

    fn pump(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.pump_holding(cx);
        self.pump_record(cx, streams);
        self.pump_looks(cx);
        self.pump_states(cx, streams);
        if self.ending.is_some() {
            self.pump_ending(cx, streams);
        } else {
            self.pump_reading(cx, streams);
        }
    }

    fn answer(&mut self, _cx: &mut Context) {}

    fn stop_for_now(&mut self, cx: &mut Context, streams: &mut Streams, why: String) {
        if self.ending.is_none() {
            self.stop_with(cx, streams, why);
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn due(&self, cx: &Context) -> Option<Moment> {
        let ending = self.ending.as_ref().map(Ending::due);
        let record = [
            self.recording.due(),
            self.record.looks.due(),
            self.states.due(),
        ];
        [self.holding.due(), self.reading.due(), ending]
            .into_iter()
            .chain(record)
            .flatten()
            .filter(|at| *at > cx.now)
            .min()
    }

    fn is_finished(&self) -> bool {
        self.ending.as_ref().is_some_and(Ending::is_finished)
    }

    fn is_ready(&self) -> bool {
        self.holding.is_held() && self.reading.is_open()
    }

    fn trouble(&self) -> Option<PipelineState> {
        match &self.trouble {
            Trouble::None => self.holding.overdue().map(PipelineState::Retrying),
            Trouble::Source => Some(PipelineState::Retrying(Side::Source)),
            Trouble::Destination => Some(PipelineState::Retrying(Side::Destination)),
            Trouble::Standby => Some(PipelineState::Standby),
            Trouble::Stopped(why) => Some(PipelineState::Stopped(why.clone())),
        }
    }

    fn searching(&self) -> Option<PipelineState> {
        None
    }

    fn read_into(&self, cx: &Context, due: Option<Moment>, status: &mut Status) {
        status.source_answers = match self.trouble {
            Trouble::Source => Some(false),
            _ if self.holding.overdue() == Some(Side::Source) => Some(false),
            _ if cx.source_failing => Some(false),
            _ => self.reading.is_open().then_some(true),
        };
        status.waits_until = due;
        status.oldest_created = self.positions.oldest_created();
        status.log = Some(LogStatus {
            mark: self.positions.mark().map(|mark| mark.position),
            open: self.positions.open(),
            caught_up: self.reading.is_caught_up(),
            checkpoint_age: self.holding.checkpoint_age(cx.now),
        });
    }
}
