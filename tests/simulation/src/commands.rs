//! What a core asks for, as the loop around it would do it: sent on its way, with the loop's own time limits.
//!
//! Each command is checked first (`safety`). Never answers by itself: `serve` does.

use std::collections::VecDeque;
use std::time::Duration;

use ditto_core::ENTRY_OVERHEAD;
use ditto_core::event::Item;
use ditto_core::port::{Append, AppendId, AppendOutcome, Command, Input, LeaveReason, SessionId};

use crate::daemon::{Given, Membership};
use crate::fault::Fault;
use crate::group::Message;
use crate::world::{Happening, Outcome, Phase, Send, World, note};

/// A call that brings no answer for this long is given up.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(10);

impl World {
    /// Sends a command on its way.
    pub(crate) fn carry_out(&mut self, daemon: usize, command: Command) {
        match command {
            Command::Ack { session, ids } => {
                ids.iter()
                    .for_each(|id| self.check_ack(daemon, session, *id));
                let at = self.reaches_source(daemon, Duration::from_millis(20));
                self.agenda.plan(at, Happening::Acks { session, ids });
            }
            Command::Park {
                session,
                ids,
                reason,
            } => {
                ids.iter()
                    .for_each(|id| self.check_park(daemon, session, *id, &reason));
                let at = self.reaches_source(daemon, Duration::ZERO);
                self.agenda.plan(
                    at,
                    Happening::Park {
                        session,
                        ids,
                        reason,
                    },
                );
            }
            Command::Append(Append {
                id: append,
                stream,
                expected,
                events,
                alone,
            }) => {
                let Some(stream) = self.check_append(daemon, append, &stream, expected, &events)
                else {
                    return;
                };
                self.send_append(
                    daemon,
                    Send {
                        append,
                        stream,
                        expected,
                        events,
                        outcome: Outcome::Answered,
                    },
                    alone,
                );
            }
            Command::Poll { session, on } => self.poll(daemon, session, on),
            Command::Leave { session, why } => self.leave(daemon, session, why),
            Command::WakeAt { at } => {
                let at = at.max(self.now);
                let generation = self.daemons[daemon].generation;
                self.daemons[daemon].wake = Some(at);
                self.agenda.plan(
                    at,
                    Happening::Wake {
                        daemon,
                        generation,
                        at,
                    },
                );
            }
            Command::FirstLink { read, .. } => {
                self.daemons[daemon].first_link = Some(read);
                self.ask(daemon, command);
            }
            Command::Finished { why, left } => self.finished(daemon, why, left),
            Command::Report(report) => self.check_tell(report),
            Command::Join { .. } => {
                self.check_join(daemon);
                self.daemons[daemon].joining = true;
                self.ask(daemon, command);
            }
            other => self.ask(daemon, other),
        }
    }

    /// A command that some server answers.
    pub(crate) fn ask(&mut self, daemon: usize, command: Command) {
        let at = self.now + self.way();
        let generation = self.daemons[daemon].generation;
        self.agenda.plan(
            at,
            Happening::Serve {
                daemon,
                generation,
                command,
            },
        );
    }

    /// When something sent over the session's connection now reaches the source, in order.
    fn reaches_source(&mut self, daemon: usize, batching: Duration) -> Duration {
        let at = self.now + self.way() + self.dice.time(Duration::ZERO, batching);
        match self.daemons[daemon].membership.as_mut() {
            Some(membership) => {
                membership.reaches = membership.reaches.max(at);
                membership.reaches
            }
            None => at,
        }
    }

    fn send_append(&mut self, daemon: usize, mut send: Send, alone: bool) {
        let call = self.daemons[daemon].call_for(send.stream, alone);
        let generation = self.daemons[daemon].generation;
        self.daemons[daemon].unanswered.push((send.append, call));
        send.outcome = if self.goes_wrong(Fault::AnswerLost) {
            Outcome::Unheard
        } else if self.goes_wrong(Fault::AppendLost) {
            Outcome::Lost
        } else if self.goes_wrong(Fault::NotReady) {
            Outcome::NotReady
        } else if self.goes_wrong(Fault::OddAnswers) {
            Outcome::Odd
        } else {
            Outcome::Answered
        };
        let mut at = self.now + self.way();
        if send.outcome == Outcome::Unheard
            && self.options.faults.has(Fault::LateWrites)
            && self.dice.permille(500)
        {
            at += self.dice.time(Duration::ZERO, Duration::from_secs(30));
        }
        if send.outcome != Outcome::Answered && send.outcome != Outcome::NotReady {
            self.slow[send.stream] = true;
        }
        if matches!(send.outcome, Outcome::Unheard | Outcome::Lost) {
            self.leave_unanswered(daemon, call, send.append);
        }
        self.agenda.plan(
            at,
            Happening::Append {
                daemon,
                generation,
                call,
                send,
            },
        );
    }

    /// Nobody will answer: the loop gives up the append, or the whole call.
    pub(crate) fn leave_unanswered(&mut self, daemon: usize, call: u32, append: AppendId) {
        let generation = self.daemons[daemon].generation;
        if self.dice.permille(500) {
            let at = self.now + self.dice.time(Duration::from_millis(500), GIVE_UP);
            let outcome = AppendOutcome::NoAnswer;
            self.agenda.plan(
                at,
                Happening::Answer {
                    daemon,
                    generation,
                    call: Some(call),
                    append,
                    outcome,
                },
            );
        } else {
            self.agenda.plan(
                self.now + GIVE_UP,
                Happening::GiveUp {
                    daemon,
                    generation,
                    call,
                },
            );
        }
    }

    /// A batch call of this ditto ends; its appends may still be carried out.
    pub(crate) fn end_call(&mut self, daemon: usize, call: u32, silent: bool) {
        let Some(lane) = self.daemons[daemon].end_call(call) else {
            return;
        };
        let mut unanswered = Vec::new();
        self.daemons[daemon].unanswered.retain(|(append, of)| {
            if *of == call {
                unanswered.push(*append);
            }
            *of != call
        });
        if unanswered.is_empty() {
            return;
        }
        if let ([alone], false) = (&unanswered[..], silent) {
            let frozen = self.daemons[daemon].frozen.get(alone);
            if let Some(stream) = frozen.map(|frozen| frozen.stream) {
                self.suspected[stream] = true;
            }
        }
        let delay = self.way();
        self.plan_input(
            daemon,
            delay,
            Input::CallEnded {
                lane,
                unanswered,
                silent,
                said: String::new(),
            },
        );
    }

    /// Every batch call of this ditto ends.
    pub(crate) fn end_calls(&mut self, daemon: usize) {
        for call in self.daemons[daemon].calls {
            self.end_call(daemon, call, false);
        }
    }

    /// An answer reaches the loop, which passes on only what it waits for; except when answers come doubled.
    pub(crate) fn answer(
        &mut self,
        daemon: usize,
        call: Option<u32>,
        append: AppendId,
        outcome: AppendOutcome,
    ) {
        let waiting = &mut self.daemons[daemon].unanswered;
        let before = waiting.len();
        match call {
            Some(call) => waiting.retain(|waits| *waits != (append, call)),
            None => waiting.retain(|(waits, _)| *waits != append),
        }
        if before != waiting.len() || call.is_none() {
            self.feed(daemon, Input::Appended { append, outcome });
        }
    }

    fn poll(&mut self, daemon: usize, session: SessionId, on: bool) {
        let Some(membership) = self.daemons[daemon]
            .membership
            .as_mut()
            .filter(|membership| membership.session == session && membership.confirmed)
        else {
            self.violate(|| format!("poll over {session:?}, which is over"));
            return;
        };
        membership.polling = on;
        if on {
            self.agenda
                .plan(self.now, Happening::Drain { daemon, session });
        }
    }

    fn leave(&mut self, daemon: usize, session: SessionId, why: LeaveReason) {
        let at = self.reaches_source(daemon, Duration::ZERO);
        let known = self.daemons[daemon]
            .membership
            .as_mut()
            .filter(|membership| membership.session == session && membership.confirmed);
        match known {
            Some(membership) if !membership.leaving => membership.leaving = true,
            _ => {
                self.violate(|| format!("leaves {session:?}, which is over"));
                return;
            }
        }
        self.agenda.plan(
            at,
            Happening::Leave {
                daemon,
                session,
                why,
            },
        );
    }

    /// A session that the server said yes to.
    pub(crate) fn begin_session(&mut self, daemon: usize, session: SessionId) {
        self.daemons[daemon].membership = Some(Membership {
            session,
            confirmed: false,
            polling: false,
            leaving: false,
            left: None,
            pipe: VecDeque::new(),
            arrives: self.now,
            reaches: self.now,
            delivered: Vec::new(),
            parked: Vec::new(),
        });
    }

    /// The session is over for the loop; what had arrived and was not taken is gone.
    pub(crate) fn end_session(&mut self, daemon: usize, session: SessionId, why: LeaveReason) {
        let Some(membership) = self.daemons[daemon].membership.take() else {
            return;
        };
        self.broken.insert(session);
        if membership.confirmed {
            self.feed(daemon, Input::Left { session, why });
        } else if self.daemons[daemon].joining {
            let why = ditto_core::port::JoinRefusal::Unavailable;
            self.feed(daemon, Input::Refused { why });
        }
    }

    /// A delivery reaches the loop.
    pub(crate) fn arrive(&mut self, daemon: usize, session: SessionId, message: Message) {
        if self.broken.contains(&session) {
            return;
        }
        if let Some(membership) = self.daemons[daemon]
            .membership
            .as_mut()
            .filter(|membership| membership.session == session)
        {
            membership.pipe.push_back(message);
            self.drain(daemon, session);
        }
    }

    /// Hands over what arrived, while the core takes it.
    pub(crate) fn drain(&mut self, daemon: usize, session: SessionId) {
        loop {
            let runs = self.daemons[daemon].runs() && self.violation.is_none();
            let budget = self.daemons[daemon].budget_now;
            let Some(membership) = self.daemons[daemon].membership.as_mut() else {
                return;
            };
            if !runs
                || membership.session != session
                || !membership.confirmed
                || !membership.polling
            {
                return;
            }
            let Some(Message {
                number,
                ack,
                target,
                item,
                ..
            }) = membership.pipe.pop_front()
            else {
                return;
            };
            let with_event = !matches!(item, Item::Never(_));
            let takes = !membership.leaving;
            let waiting = self.bytes_waiting(daemon);
            let filled = self.daemons[daemon].fills(&self.source, target);
            let bytes = match &item {
                Item::Event(event) if !filled => event.size() + ENTRY_OVERHEAD,
                _ => 0,
            };
            if let Some(membership) = self.daemons[daemon].membership.as_mut() {
                membership.delivered.push(Given {
                    ack,
                    target,
                    with_event,
                    bytes,
                    taken: takes,
                });
            }
            // What comes after the wish to leave, or while it ends, is ignored and not held.
            if takes && waiting > 0 && waiting >= budget {
                self.violate(|| {
                    format!("takes a delivery while {waiting} bytes wait, {budget} are allowed")
                });
            }
            self.feed(
                daemon,
                Input::Delivery {
                    session,
                    ack,
                    number,
                    item,
                },
            );
        }
    }

    /// What deliveries without an answer cost; several of one event are held once, and of what waits to be parked the event
    /// itself is not held. Both matter from the budget on.
    fn bytes_waiting(&self, daemon: usize) -> usize {
        let Some(membership) = &self.daemons[daemon].membership else {
            return 0;
        };
        let all: usize = membership.delivered.iter().map(|given| given.bytes).sum();
        if all < self.daemons[daemon].budget_now {
            return all;
        }
        let mut seen = Vec::new();
        let mut bytes = 0;
        let kept_back = self.may_keep_back(daemon);
        for given in &membership.delivered {
            // What is at the destination waits for nothing but its answer.
            if kept_back && self.may_acknowledge(*given) {
                continue;
            }
            if seen.contains(&given.target) {
                continue;
            }
            seen.push(given.target);
            let parks = given.target.stream().is_some_and(|at| self.in_trouble(at));
            bytes += if parks {
                given.bytes.min(ENTRY_OVERHEAD)
            } else {
                given.bytes
            };
        }
        bytes
    }

    /// A ditto does not acknowledge before it knows that nothing is lost below: while its question has no answer, and while
    /// the group may have dropped the first link behind a checkpoint that was truncated.
    fn may_keep_back(&self, daemon: usize) -> bool {
        let from = self.source.links_from;
        let truncated = self.group.checkpoint.is_some_and(|number| number < from);
        self.daemons[daemon].first_link.is_some() || truncated
    }

    fn finished(&mut self, daemon: usize, why: ditto_core::port::StopReason, left: usize) {
        note!(self, "{daemon} finished, {left} left");
        self.check_finished(daemon, &why);
        self.daemons[daemon].finished = Some(why);
        if let Some(membership) = self.daemons[daemon].membership.take() {
            self.broken.insert(membership.session);
            let at = self.now + self.way();
            self.agenda.plan(
                at,
                Happening::Forget {
                    session: membership.session,
                },
            );
        }
        if !matches!(self.phase, Phase::Stopping(_)) && self.daemons[daemon].stopping.is_some() {
            let at = self.now + self.dice.time(Duration::ZERO, Duration::from_secs(5));
            self.agenda.plan(at, Happening::Start(daemon));
        }
    }
}
