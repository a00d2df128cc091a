//! What must come true once the faults have stopped: everything arrives, nothing times out any more, and a stop ends.
//!
//! Looks once a simulated second. Never helps.

use std::time::Duration;

use ditto_core::port::{Input, OnConflict, PipelineState, SessionId, StopReason};

use crate::chaos::NOTICED;
use crate::fault::Fault;
use crate::group::FOREIGN;
use crate::safety::FINISH_SLACK;
use crate::source::Target;
use crate::world::{Phase, World, note};

/// Everything has arrived this long after the faults stopped: holes take twice the message timeout, a held stream is
/// looked at again after a minute, back-off is 30 s at most.
const ARRIVES_WITHIN: Duration = Duration::from_secs(420);
/// The longest that ditto waits for anything is twice the message timeout, or a minute until a held stream is looked at.
const MOVES_WITHIN: Duration = Duration::from_secs(150);
/// That a destination is away shows within the 15 s after which it is asked, the time of two calls, and some seconds: one
/// silent append is sent again, for a server may be there and have lost it.
const SILENCE_SHOWS: Duration = Duration::from_secs(15 + 2 * 10 + 5);
/// A delivery may come so often before a line that is too thin shows.
const LINE_SHOWS: u32 = 8;

/// Broken connections, back-offs, holes and held streams are over so long after the faults.
const CALMS_WITHIN: Duration = Duration::from_secs(130);
const ROUND_TRIPS: u32 = 200;
const STOPS_WITHIN: Duration = Duration::from_secs(10);

impl World {
    /// Once a second: is it time to stop, or too late?
    pub(crate) fn check_progress(&mut self) {
        self.check_stops();
        self.check_running();
        match self.phase {
            Phase::Faulty | Phase::Done => {}
            Phase::Healed(since) => match self.unfinished() {
                // What is written later needs no faults to arrive: now let it end.
                None if self.trickles_for.take().is_some() => {}
                None => self.stop_all(),
                Some(why) if self.is_measured() && self.now > since + self.measure() => {
                    let measure = self.measure();
                    self.violate(|| format!("a backlog is not copied within {measure:?}: {why}"));
                }
                Some(why) if self.now > since + ARRIVES_WITHIN.max(self.measure()) => {
                    self.violate(|| {
                        format!("{} s after the faults: {why}", ARRIVES_WITHIN.as_secs())
                    });
                }
                Some(why) => self.check_moves(since, &why),
            },
            Phase::Stopping(_) => {
                if self.daemons.iter().all(|daemon| daemon.finished.is_some()) {
                    self.phase = Phase::Done;
                }
            }
        }
    }

    /// One that forgets its streams looks at them again and again.
    fn is_measured(&self) -> bool {
        self.options.backlog > 0 && self.options.settings.known_streams >= self.options.streams
    }

    /// Within this a backlog of 1,000 events is copied, however many streams it is in: what the faults left behind is
    /// noticed and waited for, then come round trips (there and back, at their longest), and the line's own time.
    fn measure(&self) -> Duration {
        let line = self.options.spacing * u32::try_from(self.options.backlog).unwrap_or(u32::MAX);
        CALMS_WITHIN + ROUND_TRIPS * 2 * self.options.latency + 3 * line
    }

    /// A core that stands still must be seen to: by then the stall detector has ended it, or it has moved.
    fn check_moves(&mut self, since: Duration, why: &str) {
        let subjects = self.daemons.iter();
        let progress = subjects
            .filter_map(|daemon| daemon.subject.as_ref())
            .map(|subject| subject.status().progress)
            .sum();
        if self.moved.0 != progress || self.moved.1 < since {
            self.moved = (progress, self.now);
        }
        if self.now > self.moved.1 + MOVES_WITHIN {
            self.violate(|| format!("stands still and the stall detector does not see it: {why}"));
        }
    }

    /// Nobody says that he runs while the destination does not answer, whatever there is to copy.
    fn check_running(&mut self) {
        if self.destination_away.is_none() || self.now <= self.destination_gone + SILENCE_SHOWS {
            return;
        }
        for daemon in 0..self.daemons.len() {
            let at = &self.daemons[daemon];
            let says = at.subject.as_ref().map(|subject| subject.status().state);
            // What it learnt before it was frozen, or started, says nothing of now.
            let since = self.destination_gone.max(at.frozen_until).max(at.started);
            let stops = at.stopping.is_some() || !at.runs();
            if !stops && self.now > since + SILENCE_SHOWS && says == Some(PipelineState::Running) {
                let gone = self.destination_gone;
                self.violate(|| {
                    format!("ditto {daemon} says that it runs, and the destination is away since {gone:?}")
                });
            }
        }
    }

    /// Who was asked to stop has stopped soon after the deadline.
    fn check_stops(&mut self) {
        for daemon in 0..self.daemons.len() {
            let at = &self.daemons[daemon];
            if at.runs()
                && at
                    .stopping
                    .is_some_and(|deadline| self.now > deadline + FINISH_SLACK)
            {
                self.violate(|| format!("ditto {daemon} does not stop"));
            }
        }
    }

    fn stop_all(&mut self) {
        note!(self, "everything arrived");
        self.check_order();
        let deadline = self.now + STOPS_WITHIN;
        self.phase = Phase::Stopping(deadline);
        for daemon in 0..self.daemons.len() {
            if self.daemons[daemon].runs() && self.daemons[daemon].stopping.is_none() {
                self.daemons[daemon].stopping = Some(deadline);
                self.feed(daemon, Input::Stop { deadline });
            }
        }
    }

    /// Why it is not over yet.
    fn unfinished(&self) -> Option<String> {
        if self
            .daemons
            .iter()
            .any(|daemon| daemon.subject.is_none() || asked(daemon.finished.as_ref()))
        {
            return Some("a ditto is not running".to_owned());
        }
        // A policy "stop", or rights that are missing everywhere: an operator has to come.
        if self
            .daemons
            .iter()
            .any(|daemon| !daemon.runs() || self.stopped_for_rights(daemon))
        {
            return None;
        }
        if self.group.is_faulted() {
            return self.untold_deletion();
        }
        let joined = |daemon: &&crate::daemon::Daemon| {
            daemon
                .membership
                .as_ref()
                .is_some_and(|membership| membership.confirmed)
        };
        let Some(base) = self
            .daemons
            .iter()
            .filter(joined)
            .map(|daemon| daemon.base)
            .min()
        else {
            return Some("nobody has joined".to_owned());
        };
        let joined = base.unwrap_or_default();
        let base = self.first_base().or(base);
        let last = self
            .trickles_for
            .unwrap_or(self.source.entries.len() as u64);
        for number in base.unwrap_or(last)..last {
            // A process that ended before it missed such a number took the knowledge of it along: nobody can tell the next one.
            if number < joined && self.group.untracked.contains(&number) {
                continue;
            }
            if let Some(why) = self.lacks(number) {
                return Some(format!("number {number}: {why}"));
            }
        }
        if self.trickles_for.is_some() {
            return None;
        }
        if !self.group.is_drained(&self.source) {
            return Some(format!(
                "the group has deliveries without an answer: {}",
                self.group.waiting()
            ));
        }
        self.parked_lack().or_else(|| self.behind())
    }

    /// First number that the first process answered for. Later ones begin behind the checkpoint, which an answer of ditto's
    /// must never move past an event that has not arrived; where others move it, that is not ditto's doing.
    fn first_base(&self) -> Option<u64> {
        let by_others = [
            Fault::CheckpointJump,
            Fault::CheckpointBack,
            Fault::Foreign,
            Fault::Reorder,
            Fault::GroupGone,
            Fault::Rival,
            Fault::SourceDown,
            Fault::FewRetries,
        ];
        self.first_base
            .filter(|_| !self.options.faults.any_of(&by_others))
    }

    /// The cores must know that everything is done.
    fn behind(&self) -> Option<String> {
        let last = self.source.last_number_seen();
        for daemon in self
            .daemons
            .iter()
            .filter(|daemon| daemon.membership.is_some())
        {
            let status = daemon.subject.as_ref()?.status();
            if daemon.base.is_some_and(|base| Some(base) <= last) && status.done_up_to != last {
                return Some(format!(
                    "it says {:?} is done, the last number is {last:?}",
                    status.done_up_to
                ));
            }
            if status.events_buffered > 0 || status.repairs > 0 {
                return Some(format!("it holds {} events", status.events_buffered));
            }
        }
        None
    }

    /// A group that can deliver nothing more: every ditto has finished what it has, and says why it stopped.
    fn untold_deletion(&self) -> Option<String> {
        // Another consumer may have got the notice, and ditto learns of it when it joins again.
        if self.options.faults.has(Fault::Foreign) {
            return None;
        }
        let statuses = self.daemons.iter().filter_map(|daemon| {
            let subject = daemon.subject.as_ref()?;
            Some(subject.status())
        });
        for status in statuses {
            let reported = match &status.state {
                PipelineState::Stopped(text) => text.contains("deleted for good"),
                _ => false,
            };
            if !reported {
                return Some(format!(
                    "the stream was deleted for good, and ditto says {:?}",
                    status.state
                ));
            }
            if status.events_buffered > 0 {
                return Some(format!("it holds {} events", status.events_buffered));
            }
        }
        None
    }

    fn stopped_for_rights(&self, daemon: &crate::daemon::Daemon) -> bool {
        let throttle =
            self.options.settings.throttle_interval > self.options.group.message_timeout / 4;
        let links_lost = self.source.links_from > 0
            && (self.source.log_denied
                || self.options.settings.mode == ditto_core::port::Mode::AppendOnly);
        // Who has written somewhere asks there whether it still may, and holds only the stream that is denied.
        let denied = !daemon.wrote
            && (self.destination.streams.iter().any(|stream| stream.denied)
                || self.source.streams.iter().any(|stream| stream.denied));
        let state = daemon
            .subject
            .as_ref()
            .map(|subject| subject.status().state);
        match state {
            Some(PipelineState::Stopped(text)) if text.contains("parked queue") => {
                self.group.parking.tombstoned.is_some()
            }
            Some(PipelineState::Stopped(text)) if text.contains("accept_unseen_below") => {
                links_lost
            }
            Some(PipelineState::Stopped(_)) => throttle || denied,
            _ => false,
        }
    }

    /// What the event of this number lacks; `None` if all is well with it.
    pub(crate) fn lacks(&self, number: u64) -> Option<String> {
        let target = *self.source.entries.get(usize::try_from(number).ok()?)?;
        self.target_lacks(target)
    }

    fn target_lacks(&self, target: Target) -> Option<String> {
        let (Target::Event { stream, revision } | Target::Forward { stream, revision }) = target
        else {
            return None;
        };
        let exact = self.options.settings.mode == ditto_core::port::Mode::Exact;
        if matches!(target, Target::Forward { .. }) && !exact {
            return None;
        }
        if self.arrived(stream, revision)
            || self.source.readable(stream, revision).is_none()
            || self.passes_unverified(stream)
        {
            return None;
        }
        let set_aside = self.held_ever[stream]
            || self.options.settings.on_conflict == OnConflict::Skip
                && self.conflict_possible(stream);
        if self.in_trouble(stream) && (set_aside || !exact) {
            return None;
        }
        Some(format!(
            "revision {revision} of s-{stream} is not at the destination, and its stream is not held"
        ))
    }

    /// What the server parked by itself is copied all the same.
    fn parked_lack(&self) -> Option<String> {
        if self.group.parking.denied {
            return None;
        }
        self.group
            .parking
            .readable()
            .filter(|(_, parked)| parked.by_server)
            .find_map(|(entry, parked)| {
                self.target_lacks(parked.target)
                    .map(|why| format!("parked entry {entry}: {why}"))
            })
    }

    /// The server's own second.
    pub(crate) fn group_tick(&mut self) {
        for taken in self.group.tick(self.now) {
            note!(self, "taken back: {taken:?}");
            self.check_taken_back(&taken);
        }
        self.push_all();
    }

    /// Deliveries time out only where something of their own is slow, or somebody else disturbed the group. That goes for
    /// every delivery once the faults are over, and at any time for one that the server parks for it.
    fn check_taken_back(&mut self, taken: &crate::group::TakenBack) {
        let Some(stream) = taken.target.stream() else {
            return;
        };
        // Of a consumer that is gone only the server does not know yet.
        let gone = taken.consumer == FOREIGN || self.broken.contains(&SessionId(taken.consumer));
        let timeout = self.options.group.message_timeout;
        // What is pushed to a ditto that takes nothing waits, and what waited so has to be answered.
        let frozen = self.daemons.iter().any(|daemon| {
            daemon.frozen_until > Duration::ZERO
                && self.now <= daemon.frozen_until + timeout + Duration::from_secs(2)
        });
        // That a line is too thin for what is asked for shows when second copies have come over it.
        let thin = self.options.spacing > Duration::ZERO;
        let shows = if thin { 8 * timeout } else { timeout };
        let forgiven = thin && taken.parked && self.options.group.max_retry_count < LINE_SHOWS;
        if gone || frozen || forgiven || self.slow[stream] || self.in_trouble(stream) {
            return;
        }
        let noticed = match self.phase {
            Phase::Healed(since) => self.now > since + NOTICED + shows,
            _ => false,
        };
        if taken.parked {
            self.violate(|| format!("the server parks an event of s-{stream}, which is healthy"));
        } else if noticed {
            self.violate(|| {
                format!("a delivery of s-{stream} times out although nothing is wrong")
            });
        }
    }

    /// Behind: copies stand in the order of the source, but for those that were said to be late.
    fn check_order(&mut self) {
        let restarts = [Fault::Kill, Fault::Stop];
        if self.options.settings.mode != ditto_core::port::Mode::Unversioned
            || self.options.faults.any_of(&restarts)
            // What a forgotten stream held is found again only by its ids.
            || self.options.settings.known_streams < self.options.streams
            || self.options.daemons > 1
            // A tail that was written ahead of its stream, whose answer was lost and that was denied when it was sent again,
            // has an id at the destination that nothing in memory knows.
            || self.options.faults.has(Fault::Forwards)
                && self.options.faults.has(Fault::RightsLost)
        {
            return;
        }
        for stream in 0..self.options.streams {
            let mut highest = None;
            // What was there before the stream was deleted stands before everything, and nobody reads it.
            let begins = self.destination.streams[stream].first;
            for (revision, placed) in self.destination.streams[stream].placed.iter().enumerate() {
                let late = self.late.contains(&(stream, revision as u64));
                if placed.times == 0 || placed.at < begins || late {
                    continue;
                }
                if highest > Some(placed.at) {
                    self.violate(|| format!("revision {revision} of s-{stream} is out of order and was not said to be late"));
                    return;
                }
                highest = Some(placed.at);
            }
        }
    }
}

fn asked(finished: Option<&StopReason>) -> bool {
    matches!(finished, Some(StopReason::Asked { .. }))
}
