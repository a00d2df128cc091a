//! Being in the subscription: joining, being refused, leaving, standing by.
//!
//! Where the pipeline stands towards the group, and what changes that from outside. Never decides by time: see `session`.

use std::time::Duration;

use crate::context::Context;
use crate::event::TOMBSTONE_REVISION;
use crate::intake::persistent::Persistent;
use crate::intake::persistent::doubt::Doubt;
use crate::intake::persistent::forward::Forwarding;
use crate::intake::persistent::numbers::Numbers;
use crate::intake::persistent::unseen::Unseen;
use crate::pause::back_off;
use crate::port::{Command, GroupSeen, JoinRefusal, LeaveReason, Moment, SessionId};
use crate::streams::Streams;

/// A standby asks again this often.
const STANDBY_ASKS: Duration = Duration::from_secs(2);

/// A session that lasted this long was a good one: the next join is not delayed.
pub(super) const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Where the pipeline stands towards the group.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    /// Not joined; joins at this time (`None`: when the destination has given a verdict).
    Out { join_at: Option<Moment> },
    /// Asked to join.
    Joining { since: Moment },
    /// The server delivers over a session.
    In {
        session: SessionId,
        buffer_size: u32,
        since: Moment,
        paused: Option<Moment>,
    },
    /// Asked to leave.
    Leaving { session: SessionId },
    /// Nothing more will happen.
    Finished,
}

/// Why the pipeline is not simply running.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trouble {
    None,
    /// The source does not let it in, or drops it again and again.
    Source,
    Standby,
    Stopped(String),
    /// The subscription's stream was deleted for good.
    Gone,
}

/// Membership of the group.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) phase: Phase,
    pub(super) trouble: Trouble,
    /// Stopped while a join was under way: its session is left at once.
    unwanted: bool,
    attempts: u32,
    pub(super) left_at: Moment,
    /// Time spent joined, without the present session.
    pub(super) joined_before: Duration,
    /// Stays in a row that the server ended soon, before anything came.
    pub(super) empty_sessions: u32,
    /// The present session brought something.
    pub(super) brings: bool,
    /// The group is looked at by plain calls while the pipeline is stopped with a reason.
    pub(super) ask_at: Option<Moment>,
    /// Looks of this kind since the pipeline stopped.
    pub(super) asked: u32,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Out {
                join_at: Some(Moment::ZERO),
            },
            trouble: Trouble::None,
            unwanted: false,
            attempts: 0,
            left_at: Moment::ZERO,
            joined_before: Duration::ZERO,
            empty_sessions: 0,
            brings: false,
            ask_at: None,
            asked: 0,
        }
    }

    /// The present session.
    pub(super) fn id(&self) -> Option<SessionId> {
        match self.phase {
            Phase::In { session, .. } => Some(session),
            _ => None,
        }
    }

    /// Stopped with a reason that an operator has to mend.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.trouble, Trouble::Stopped(_) | Trouble::Gone)
    }

    /// Nothing more will happen.
    pub(super) fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }

    fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining { .. })
    }

    pub(super) fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Buffer size of the present session.
    pub(super) fn buffer_size(&self) -> Option<u32> {
        match self.phase {
            Phase::In { buffer_size, .. } => Some(buffer_size),
            _ => None,
        }
    }

    /// Time spent joined so far.
    pub(super) fn joined_time(&self, now: Moment) -> Duration {
        match self.phase {
            Phase::In { since, .. } => self.joined_before + now.saturating_sub(since),
            _ => self.joined_before,
        }
    }

    pub(super) fn due(&self) -> Option<Moment> {
        match self.phase {
            Phase::Out { join_at } => join_at.or(self.ask_at),
            _ => None,
        }
    }
}

impl Persistent {
    pub(super) fn on_joined(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        session: SessionId,
        buffer_size: u32,
        group: GroupSeen,
    ) {
        let Phase::Joining { since } = self.session.phase else {
            return;
        };
        self.buffer_size.joined(cx.now.saturating_sub(since));
        self.session.phase = Phase::In {
            session,
            buffer_size,
            since: cx.now,
            paused: None,
        };
        match first_open(&group) {
            Some(base) if self.numbers.has_begun() => {
                let joined = self.session.joined_time(cx.now);
                self.numbers.lower(base, joined);
            }
            Some(base) => self.numbers.begin(base),
            None if self.numbers.has_begun() => {}
            // What is written from now on is the group's to deliver, wherever its start was.
            None => self.numbers.assume(end_of(&group)),
        }
        if std::mem::take(&mut self.session.unwanted) {
            self.leave(cx, LeaveReason::Stopping);
            return;
        }
        if self.session.trouble != Trouble::Gone {
            self.session.trouble = Trouble::None;
        }
        self.session.brings = false;
        cx.source_failing = false;
        self.unacknowledged = 0;
        self.timed_out = false;
        self.answered.clear();
        self.narrow = None;
        // What is delivered from now on has its whole message timeout before it.
        streams.wait_anew(cx);
        self.holes.joined(self.session.joined_time(cx.now));
        self.doubt_at_join(cx, group.checkpoint);
        let timeout = group.message_timeout;
        self.group = Some(numbered(group));
        if self.buffer_size.throttle_cannot_work(timeout) {
            let throttle = cx.settings.throttle_interval;
            self.stop_with(cx, streams, format!(
                "throttle_interval {throttle:?} needs a message timeout of at least {:?}, the group has {timeout:?}",
                throttle * 4
            ));
        } else if buffer_size > self.buffer_size.ask(Some(timeout)) && self.ending.is_none() {
            // Only now is it known how much the throttle lets through before deliveries time out.
            self.leave(cx, LeaveReason::BufferSize);
        } else if self.ending.is_none() {
            cx.out.push(Command::Poll { session, on: true });
        }
    }

    pub(super) fn on_refused(&mut self, cx: &mut Context, streams: &mut Streams, why: JoinRefusal) {
        if !self.session.is_joining() {
            return;
        }
        if std::mem::take(&mut self.session.unwanted) {
            self.session.phase = Phase::Out { join_at: None };
            return;
        }
        let after = match why {
            JoinRefusal::Taken => {
                self.stand_by(cx, streams);
                STANDBY_ASKS
            }
            JoinRefusal::Missing => {
                return self.refused_for_good(
                    cx,
                    "the group does not exist and create = false".to_owned(),
                );
            }
            JoinRefusal::Denied => {
                return self.refused_for_good(
                    cx,
                    "the source refuses the user: wrong credentials, or no permission for the group"
                        .to_owned(),
                );
            }
            JoinRefusal::Unsuitable(text) => return self.refused_for_good(cx, text.to_owned()),
            JoinRefusal::Unavailable => {
                self.session.trouble = Trouble::Source;
                self.session.attempts += 1;
                back_off(self.session.attempts)
            }
        };
        self.session.phase = Phase::Out {
            join_at: Some(cx.now + after),
        };
    }

    /// Another consumer has the group: it will get what waits here, so that is dropped.
    fn stand_by(&mut self, cx: &mut Context, streams: &mut Streams) {
        self.session.trouble = Trouble::Standby;
        self.session.attempts = 0;
        self.drop_waiting(cx, streams);
        self.numbers = Numbers::default();
        self.holes.begin();
        self.doubt = Doubt::default();
        self.unseen = Unseen::default();
    }

    pub(super) fn on_left(&mut self, cx: &mut Context, session: SessionId, why: LeaveReason) {
        let since = match self.session.phase {
            Phase::In {
                session: current,
                since,
                ..
            } if current == session => Some(since),
            Phase::Leaving { session: current } if current == session => None,
            _ => return,
        };
        self.acks.clear();
        // Before the session's time is counted as past: what is dropped is as old as this moment.
        self.drop_wishes(cx);
        self.doubt.left();
        self.session.joined_before +=
            since.map_or(Duration::ZERO, |since| cx.now.saturating_sub(since));
        self.session.left_at = cx.now;
        let join_at = match why {
            LeaveReason::Waiting => None,
            LeaveReason::Ended => {
                if since.is_some_and(|since| cx.now.saturating_sub(since) >= GOOD_SESSION) {
                    self.session.attempts = 0;
                }
                self.session.attempts += 1;
                if self.session.attempts > 1 && !self.session.is_stopped() {
                    self.session.trouble = Trouble::Source;
                }
                since
                    .into_iter()
                    .for_each(|since| self.note_session_ended(cx, since));
                Some(cx.now + back_off(self.session.attempts))
            }
            LeaveReason::BufferSize | LeaveReason::Quiet | LeaveReason::Stopping => Some(cx.now),
        };
        self.session.phase = Phase::Out { join_at };
        if self.session.is_stopped() {
            self.session.phase = Phase::Out { join_at: None };
        }
    }

    /// Ends the session: first what is acknowledged, then the end.
    pub(super) fn leave(&mut self, cx: &mut Context, why: LeaveReason) {
        self.flush_acks(cx);
        self.drop_wishes(cx);
        let Phase::In { session, since, .. } = self.session.phase else {
            return;
        };
        self.session.joined_before += cx.now.saturating_sub(since);
        self.session.phase = Phase::Leaving { session };
        cx.out.push(Command::Leave { session, why });
    }

    /// Stops with a reason that an operator has to mend; looked at again, at first soon.
    pub(super) fn stop_with(&mut self, cx: &mut Context, streams: &mut Streams, text: String) {
        self.session.unwanted = self.session.is_joining();
        self.leave(cx, LeaveReason::Stopping);
        self.drop_waiting(cx, streams);
        self.session.stop(Trouble::Stopped(text), cx.now);
    }

    /// Refused for a reason that an operator has to mend.
    fn refused_for_good(&mut self, cx: &mut Context, text: String) {
        self.session.phase = Phase::Out { join_at: None };
        self.session.stop(Trouble::Stopped(text), cx.now);
    }

    pub(super) fn on_group_seen(
        &mut self,
        cx: &mut Context,
        streams: &mut Streams,
        group: GroupSeen,
    ) {
        if self
            .group
            .as_ref()
            .is_some_and(|before| group.parked > before.parked)
        {
            self.holes.want_parked();
        }
        // What had failed is wanted no more, and the source answers.
        cx.source_failing &= self.waits_for_source(streams);
        let hopeless = self.buffer_size.throttle_cannot_work(group.message_timeout);
        self.group = Some(numbered(group));
        if self.session.is_stopped() && !hopeless && matches!(self.session.phase, Phase::Out { .. })
        {
            self.session.phase = Phase::Out {
                join_at: Some(cx.now),
            };
        }
    }

    pub(super) fn on_group_unseen(&mut self, why: JoinRefusal) {
        if why == JoinRefusal::Unavailable
            && self.session.id().is_none()
            && self.session.trouble == Trouble::None
        {
            self.session.trouble = Trouble::Source;
        }
    }

    /// Drops everything that is not in flight; the source delivers it again, to whoever has the group.
    fn drop_waiting(&mut self, cx: &mut Context, streams: &mut Streams) {
        for claim in streams.drop_waiting(cx) {
            self.drop_claim(cx, &claim);
        }
        self.holes.parked_again();
        self.unseen.search_again();
        let forwards: Vec<Forwarding> = self.forwards.drain(..).collect();
        forwards
            .iter()
            .for_each(|forwarding| self.drop_claim(cx, &forwarding.claim));
    }
}

/// The first number that the group still has to deliver; `None` if that is not known.
fn first_open(group: &GroupSeen) -> Option<u64> {
    match group.checkpoint {
        // It covers the tombstone, and with it all that ever was.
        Some(checkpoint) if checkpoint >= TOMBSTONE_REVISION => None,
        Some(checkpoint) => Some(checkpoint + 1),
        None => group.start,
    }
}

/// The first number that is not written yet.
fn end_of(group: &GroupSeen) -> u64 {
    let last = group
        .last_number
        .filter(|number| *number < TOMBSTONE_REVISION);
    last.map_or(0, |last| last + 1)
}

/// The number of a tombstone is no number: a stream that ends with one has no last number.
fn numbered(group: GroupSeen) -> GroupSeen {
    GroupSeen {
        last_number: group
            .last_number
            .filter(|number| *number < TOMBSTONE_REVISION),
        ..group
    }
}
