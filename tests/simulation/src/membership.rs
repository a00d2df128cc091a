//! The group's side of a session: joining, deliveries on their way, acknowledgements, leaving.
//!
//! Never decides what is delivered next: `group` does.

use std::time::Duration;

use ditto_core::port::{Input, JoinRefusal, LeaveReason, SessionId};
use uuid::Uuid;

use crate::commands::GIVE_UP;
use crate::fault::Fault;
use crate::world::{Happening, Phase, World, note};

/// A read that was answered before the parked stream was deleted allows to park for so long.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

impl World {
    /// Why the group cannot be had.
    pub(crate) fn refusal(&self) -> Option<JoinRefusal> {
        match (self.source_away, self.group.presence) {
            (Some(_), _) => Some(JoinRefusal::Unavailable),
            (None, crate::group::Presence::Refused(why)) => Some(why),
            _ => None,
        }
    }

    pub(crate) fn serve_join(&mut self, daemon: usize, buffer_size: u32) {
        let group = self.group.seen(&self.source);
        self.last_conn += 1;
        let session = SessionId(self.last_conn);
        let refused = self
            .refusal()
            .map_or_else(|| self.group.join(session.0, buffer_size), Err);
        if let Err(why) = refused {
            self.reply(daemon, self.source_away, Input::Refused { why });
            return;
        }
        self.begin_session(daemon, session);
        note!(self, "{daemon} has {session:?} with {buffer_size} slots");
        let delay = self.way();
        let confirmed = self.now + delay;
        if self.goes_wrong(Fault::Drops) {
            // The confirmation is lost; the loop gives up, the server believes in the consumer for a while.
            self.broken.insert(session);
            self.agenda
                .plan(self.now + GIVE_UP, Happening::Break { daemon, session });
            let at = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(20));
            self.agenda.plan(at, Happening::Forget { session });
            self.group_disturbed = true;
        } else {
            self.plan_input(
                daemon,
                delay,
                Input::Joined {
                    session,
                    buffer_size,
                    group,
                },
            );
        }
        if let Some(membership) = self.daemons[daemon].membership.as_mut() {
            membership.arrives = confirmed;
        }
        if self.group.is_faulted() {
            let dropped = confirmed + self.way();
            self.agenda
                .plan(dropped, Happening::Break { daemon, session });
            self.agenda.plan(dropped, Happening::Forget { session });
        }
        self.push_all();
    }

    /// Delivers as long as somebody has a free slot.
    pub(crate) fn push_all(&mut self) {
        if self.source_away.is_some() || self.group.is_faulted() {
            return;
        }
        let reorder = self.phase == Phase::Faulty && self.options.faults.has(Fault::Reorder);
        while let Some((key, message)) =
            self.group
                .push(&self.source, self.now, &mut self.dice, reorder)
        {
            let session = SessionId(key);
            let way = self.now + self.way();
            let has = |membership: &crate::daemon::Membership| membership.session == session;
            let Some(daemon) = self
                .daemons
                .iter()
                .position(|daemon| daemon.membership.as_ref().is_some_and(has))
            else {
                continue;
            };
            let spacing = self.options.spacing;
            if let Some(membership) = self.daemons[daemon].membership.as_mut() {
                membership.arrives = way.max(membership.arrives + spacing);
                self.agenda.plan(
                    membership.arrives,
                    Happening::Arrive {
                        daemon,
                        session,
                        message,
                    },
                );
            }
        }
        if self.group.is_faulted() {
            note!(self, "the group is faulted");
            self.group.reload(&self.source);
            self.drop_everybody();
        }
    }

    /// Acknowledgements reach the group, unless their connection broke.
    pub(crate) fn serve_acks(&mut self, session: SessionId, ids: &[Uuid]) {
        if self.group.has(session.0) && !self.lost_with(session) {
            ids.iter().for_each(|id| self.group.ack(*id));
            self.push_all();
        }
    }

    /// A wish to park reaches the group, unless its connection broke.
    pub(crate) fn serve_park(&mut self, session: SessionId, ids: &[Uuid], reason: &str) {
        let gone = self.group.parking.tombstoned;
        let thaws = self.daemons.iter().map(|daemon| daemon.frozen_until).max();
        let late = |at: Duration| self.now > thaws.unwrap_or_default().max(at) + SEEN_WITHIN;
        if gone.is_some_and(late) && !self.group.parking.denied {
            self.violate(|| "parks in a queue that was deleted for good".to_owned());
        }
        if self.group.has(session.0) && !self.lost_with(session) {
            ids.iter().for_each(|id| self.group.park(*id, reason));
            self.push_all();
        }
    }

    /// What was sent before a connection broke may have arrived all the same.
    fn lost_with(&mut self, session: SessionId) -> bool {
        self.broken.contains(&session) && self.dice.permille(700)
    }

    /// A wish to leave reaches the group.
    pub(crate) fn serve_leave(&mut self, daemon: usize, session: SessionId, why: LeaveReason) {
        self.forget(session);
        if self.daemons[daemon]
            .membership
            .as_ref()
            .is_some_and(|membership| membership.session == session)
        {
            let delay = self.way();
            self.agenda
                .plan(self.now + delay, Happening::Break { daemon, session });
            if let Some(membership) = self.daemons[daemon].membership.as_mut() {
                membership.left = Some(why);
            }
        }
    }

    /// The server notices that a consumer is gone.
    pub(crate) fn forget(&mut self, session: SessionId) {
        if self.group.has(session.0) {
            self.group.leave(session.0);
            self.push_all();
        }
    }
}
