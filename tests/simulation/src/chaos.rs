//! What goes wrong at a moment: servers that go away, connections that break, strangers, operators, kills.
//!
//! Chances of single calls are not here but where the calls are served. Nothing happens here after the faults stop.

use std::time::Duration;

use ditto_core::port::{Input, JoinRefusal};
use uuid::Uuid;

use crate::fault::Fault;
use crate::group::{FOREIGN, Presence};
use crate::setup;
use crate::source::{Being, tagged};
use crate::world::{Away, Happening, Lost, Part, Phase, World, note};

/// After this, whatever lasted longer than the faults has been noticed by everybody.
pub(crate) const NOTICED: Duration = Duration::from_secs(21);

/// A node is behind for this long at most: less than ditto waits before it believes that a stream ends early.
const STALE_FOR: Duration = Duration::from_secs(8);

impl World {
    /// Something goes wrong.
    pub(crate) fn go_wrong(&mut self, fault: Fault) {
        if self.phase != Phase::Faulty {
            return;
        }
        note!(self, "goes wrong: {fault:?}");
        let daemon = self.dice.index(self.daemons.len());
        match fault {
            Fault::CallEnds => {
                if self.daemons[daemon].runs() && self.dice.permille(500) {
                    self.end_calls(daemon);
                } else if self.daemons[daemon].runs() {
                    let call = self.dice.pick(&self.daemons[daemon].calls);
                    self.end_call(daemon, call, false);
                }
            }
            Fault::StalePages => {
                self.source.behind = self.dice.between(1, 8);
                let back = self.now + self.dice.time(Duration::ZERO, STALE_FOR);
                self.agenda.plan(back, Happening::Back(Part::Node));
            }
            Fault::RightsLost => {
                let lost = self.dice.pick(&[Lost::Writing, Lost::Everything]);
                self.destination.lost = Some(lost);
                self.destination.losses += 1;
                let back = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(60));
                self.agenda.plan(back, Happening::Back(Part::Writes));
            }
            Fault::DestinationDown => self.destination_goes(),
            Fault::SourceDown => self.source_goes(),
            Fault::Drops => self.drop_connection(daemon),
            Fault::Kill => self.kill(daemon),
            Fault::Stop => self.stop(daemon),
            Fault::BudgetChanges => {
                let bytes = self.dice.pick(&[0, 300, 2000, 64 << 20]);
                self.plan_input(daemon, Duration::ZERO, Input::Budget { bytes });
            }
            Fault::ParkedTombstoned => self.group.parking.tombstone(self.now),
            Fault::Frozen => self.freeze(daemon),
            Fault::Foreign => self.foreign_takes(),
            Fault::CheckpointBack | Fault::CheckpointJump => self.move_checkpoint(fault),
            Fault::Replay => {
                self.group.replay(&self.source);
                self.push_all();
            }
            Fault::GroupGone => self.group_goes(),
            Fault::LinksTruncated => {
                let last = self.source.entries.len() as u64;
                let from = self.dice.between(self.source.links_from, last);
                self.source.links_from = from;
            }
            _ => self.change_streams(fault),
        }
    }

    /// Somebody changes streams behind ditto's back.
    fn change_streams(&mut self, fault: Fault) {
        let stream = self.dice.index(self.options.streams);
        let length = self.source.streams[stream].events.len() as u64;
        match fault {
            Fault::Stranger => {
                let id = tagged(4, stream as u64, 1 + self.dice.below(u64::from(u32::MAX)));
                setup::stranger_writes(self, stream, id);
            }
            Fault::SoftDelete => self.destination.soft_delete(stream),
            Fault::Tombstone => {
                self.destination.streams[stream].tombstoned = true;
                self.destination.streams[stream].disturbed = true;
            }
            Fault::DestinationTruncated => {
                let stored = self.destination.streams[stream].events.len() as u64;
                let first = self.dice.between(0, stored);
                let at = &mut self.destination.streams[stream];
                at.first = at.first.max(first);
            }
            Fault::Scavenged => {
                let at = &mut self.destination.streams[stream];
                at.scavenged = at.first;
            }
            Fault::ForeignTruncated => {
                let mut dice = self.dice.clone();
                setup::foreign_events_come_and_go(self, &mut dice, stream);
                self.dice = dice;
            }
            Fault::SourceTruncated => {
                let first = self.dice.between(0, length);
                let at = &mut self.source.streams[stream];
                at.first = at.first.max(first);
            }
            Fault::SourceRecreated | Fault::SourceTombstoned if length > 0 => {
                let tombstone = fault == Fault::SourceTombstoned;
                if tombstone && self.source.plain && self.dice.permille(700) {
                    self.group.read_all(&self.source);
                }
                let at = &mut self.source.streams[stream];
                if at.being == Being::Live {
                    at.being = if tombstone {
                        Being::Tombstoned
                    } else {
                        Being::SoftDeleted
                    };
                    at.ever_deleted = true;
                }
                if tombstone {
                    self.push_all();
                } else {
                    let at = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(5));
                    self.agenda.plan(at, Happening::Write);
                }
            }
            _ => {}
        }
    }

    fn destination_goes(&mut self) {
        if self.destination_away.is_some() {
            return;
        }
        let how = self.dice.pick(&[Away::Refuses, Away::Hangs]);
        self.destination_away = Some(how);
        self.destination_gone = self.now;
        let back = self.now
            + self
                .dice
                .time(Duration::from_millis(100), Duration::from_secs(60));
        self.agenda.plan(back, Happening::Back(Part::Destination));
        if how == Away::Refuses {
            for daemon in 0..self.daemons.len() {
                if self.daemons[daemon].runs() {
                    self.end_calls(daemon);
                }
            }
        }
    }

    /// The source restarts. Everything in the group's memory is gone.
    fn source_goes(&mut self) {
        if self.source_away.is_some() {
            return;
        }
        self.source_away = Some(self.dice.pick(&[Away::Refuses, Away::Hangs]));
        self.group.reload(&self.source);
        let back = self.now
            + self
                .dice
                .time(Duration::from_millis(100), Duration::from_secs(20));
        self.agenda.plan(back, Happening::Back(Part::Source));
        self.drop_everybody();
    }

    /// The server ends every session; the dittos notice sooner or later.
    pub(crate) fn drop_everybody(&mut self) {
        for daemon in 0..self.daemons.len() {
            let Some(session) = self.daemons[daemon]
                .membership
                .as_ref()
                .map(|membership| membership.session)
            else {
                continue;
            };
            self.broken.insert(session);
            let at = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(3));
            self.agenda.plan(at, Happening::Break { daemon, session });
        }
    }

    /// One connection breaks: one side notices at once, the other maybe much later.
    fn drop_connection(&mut self, daemon: usize) {
        let Some(session) = self.daemons[daemon]
            .membership
            .as_ref()
            .map(|membership| membership.session)
        else {
            return;
        };
        self.broken.insert(session);
        self.group_disturbed = true;
        let late = self.dice.time(Duration::ZERO, Duration::from_secs(20));
        let (server, ditto) = if self.dice.permille(500) {
            (late, Duration::ZERO)
        } else {
            (Duration::ZERO, late)
        };
        self.agenda
            .plan(self.now + server, Happening::Forget { session });
        self.agenda
            .plan(self.now + ditto, Happening::Break { daemon, session });
    }

    fn kill(&mut self, daemon: usize) {
        if !self.daemons[daemon].runs() {
            return;
        }
        if let Some(session) = self.daemons[daemon].kill() {
            self.broken.insert(session);
            self.group_disturbed = true;
            let late = self.dice.time(Duration::ZERO, Duration::from_secs(20));
            self.agenda
                .plan(self.now + late, Happening::Forget { session });
        }
        let at = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(5));
        self.agenda.plan(at, Happening::Start(daemon));
    }

    fn stop(&mut self, daemon: usize) {
        let at = &self.daemons[daemon];
        if !at.runs() || at.stopping.is_some() || at.is_frozen(self.now) {
            return;
        }
        let deadline = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(10));
        self.daemons[daemon].stopping = Some(deadline);
        self.feed(daemon, Input::Stop { deadline });
    }

    /// A ditto takes nothing for a while, up to the end of the faults.
    fn freeze(&mut self, daemon: usize) {
        let longest = 3 * self.options.group.message_timeout;
        let until = self.now + self.dice.time(Duration::from_secs(1), longest);
        let at = &mut self.daemons[daemon];
        if at.runs() && at.stopping.is_none() {
            // One that is frozen thaws no sooner for it: what is kept for then would come late.
            at.frozen_until = at.frozen_until.max(until.min(self.options.fault_time));
        }
    }

    /// Another consumer takes some deliveries; whatever it does with them, it does not copy them.
    fn foreign_takes(&mut self) {
        if self.source_away.is_some() || self.group.presence != Presence::Present {
            return;
        }
        self.group_disturbed = true;
        for _ in 0..self.dice.between(1, 4) {
            let Some(id) = self
                .group
                .push_to_foreign(&self.source, self.now, &mut self.dice)
            else {
                return;
            };
            let acknowledges = self.dice.permille(600);
            let at = self.now
                + self
                    .dice
                    .time(Duration::from_millis(1), Duration::from_secs(10));
            self.agenda
                .plan(at, Happening::ForeignActs { id, acknowledges });
        }
    }

    /// Another consumer acknowledges or returns what it took.
    pub(crate) fn foreign_acts(&mut self, id: Uuid, acknowledges: bool) {
        if acknowledges {
            self.group.ack(id);
        } else {
            self.group.leave(FOREIGN);
        }
        self.push_all();
    }

    fn move_checkpoint(&mut self, fault: Fault) {
        if self.source_away.is_some() {
            return;
        }
        let Some(last) = self.source.last_number() else {
            return;
        };
        let now = self.group.checkpoint;
        self.group.checkpoint = match (fault, now) {
            (Fault::CheckpointBack, None) => None,
            (Fault::CheckpointBack, Some(now)) => self.dice.below(now + 1).checked_sub(1),
            (_, now) => Some(self.dice.between(now.unwrap_or(0).min(last), last)),
        };
        self.group.reload(&self.source);
        self.drop_everybody();
    }

    fn group_goes(&mut self) {
        if self.source_away.is_some() || self.group.presence != Presence::Present {
            return;
        }
        let (why, part) = self.dice.pick(&[
            (JoinRefusal::Missing, Part::Group),
            (JoinRefusal::Denied, Part::Rights),
        ]);
        self.group.presence = Presence::Refused(why);
        self.group.reload(&self.source);
        self.drop_everybody();
        let back = self.now
            + self
                .dice
                .time(Duration::from_secs(1), Duration::from_secs(60));
        self.agenda.plan(back, Happening::Back(part));
    }

    /// The faults stop. What is away comes back; who does not run is started.
    pub(crate) fn heal(&mut self) {
        note!(self, "the faults stop");
        self.phase = Phase::Healed(self.now);
        setup::write_backlog(self);
        if let Some(every) = self.options.trickle {
            self.trickles_for = Some(self.source.entries.len() as u64);
            self.agenda.plan(self.now + every, Happening::Trickle);
        }
        if self.destination_away.is_some() {
            self.come_back(Part::Destination);
        }
        if self.source_away.is_some() {
            self.come_back(Part::Source);
        }
        self.come_back(Part::Writes);
        self.come_back(Part::Node);
        match self.group.presence {
            Presence::Refused(JoinRefusal::Missing) => self.come_back(Part::Group),
            Presence::Refused(_) => self.come_back(Part::Rights),
            Presence::Present => {}
        }
        for daemon in 0..self.daemons.len() {
            let budget = self.options.budget;
            // Behind what a frozen process has still to take.
            self.plan_input(daemon, Duration::ZERO, Input::Budget { bytes: budget });
        }
    }
}
