//! The group's side of a stay: joining, deliveries on their way, acknowledgements, leaving.
//!
//! Never decides what is delivered next: `group` does.

use std::time::Duration;

use ditto_core::port::{ConnId, Input, JoinRefusal, LeaveReason};
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

    pub(crate) fn serve_join(&mut self, daemon: usize, credit: u32) {
        let group = self.group.seen(&self.source);
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        let refused = self
            .refusal()
            .map_or_else(|| self.group.join(conn.0, credit), Err);
        if let Err(why) = refused {
            self.reply(daemon, self.source_away, Input::Refused { why });
            return;
        }
        self.begin_stay(daemon, conn);
        note!(self, "{daemon} has {conn:?} with {credit} slots");
        let delay = self.way();
        let confirmed = self.now + delay;
        if self.goes_wrong(Fault::Drops) {
            // The confirmation is lost; the loop gives up, the server believes in the consumer for a while.
            self.broken.insert(conn);
            self.agenda
                .plan(self.now + GIVE_UP, Happening::Break { daemon, conn });
            let at = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(20));
            self.agenda.plan(at, Happening::Forget { conn });
            self.group_disturbed = true;
        } else {
            self.plan_input(
                daemon,
                delay,
                Input::Joined {
                    conn,
                    credit,
                    group,
                },
            );
        }
        if let Some(stay) = self.daemons[daemon].stay.as_mut() {
            stay.arrives = confirmed;
        }
        if self.group.is_faulted() {
            let dropped = confirmed + self.way();
            self.agenda.plan(dropped, Happening::Break { daemon, conn });
            self.agenda.plan(dropped, Happening::Forget { conn });
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
            let conn = ConnId(key);
            let way = self.now + self.way();
            let has = |stay: &crate::daemon::Stay| stay.conn == conn;
            let Some(daemon) = self
                .daemons
                .iter()
                .position(|daemon| daemon.stay.as_ref().is_some_and(has))
            else {
                continue;
            };
            let spacing = self.options.spacing;
            if let Some(stay) = self.daemons[daemon].stay.as_mut() {
                stay.arrives = way.max(stay.arrives + spacing);
                self.agenda.plan(
                    stay.arrives,
                    Happening::Arrive {
                        daemon,
                        conn,
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
    pub(crate) fn serve_acks(&mut self, conn: ConnId, ids: &[Uuid]) {
        if self.group.has(conn.0) && !self.lost_with(conn) {
            ids.iter().for_each(|id| self.group.ack(*id));
            self.push_all();
        }
    }

    /// A wish to park reaches the group, unless its connection broke.
    pub(crate) fn serve_park(&mut self, conn: ConnId, ids: &[Uuid], reason: &str) {
        let gone = self.group.parking.tombstoned;
        let thaws = self.daemons.iter().map(|daemon| daemon.frozen_until).max();
        let late = |at: Duration| self.now > thaws.unwrap_or_default().max(at) + SEEN_WITHIN;
        if gone.is_some_and(late) && !self.group.parking.denied {
            self.violate(|| "parks in a queue that was deleted for good".to_owned());
        }
        if self.group.has(conn.0) && !self.lost_with(conn) {
            ids.iter().for_each(|id| self.group.park(*id, reason));
            self.push_all();
        }
    }

    /// What was sent before a connection broke may have arrived all the same.
    fn lost_with(&mut self, conn: ConnId) -> bool {
        self.broken.contains(&conn) && self.dice.permille(700)
    }

    /// A wish to leave reaches the group.
    pub(crate) fn serve_leave(&mut self, daemon: usize, conn: ConnId, why: LeaveReason) {
        self.forget(conn);
        if self.daemons[daemon]
            .stay
            .as_ref()
            .is_some_and(|stay| stay.conn == conn)
        {
            let delay = self.way();
            self.agenda
                .plan(self.now + delay, Happening::Break { daemon, conn });
            if let Some(stay) = self.daemons[daemon].stay.as_mut() {
                stay.left = Some(why);
            }
        }
    }

    /// The server notices that a consumer is gone.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        if self.group.has(conn.0) {
            self.group.leave(conn.0);
            self.push_all();
        }
    }
}
