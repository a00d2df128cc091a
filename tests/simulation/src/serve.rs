//! What the two servers do with what reaches them, and their answers on the way back.
//!
//! Away servers refuse or hang here, single calls fail here. Never decides what should be asked.

use std::time::Duration;

use ditto_core::event::{Event, StreamName};
use ditto_core::port::{
    AppendOutcome, Command, Expected, Input, LinkPage, LogPage, LookupId, LookupRange,
    LookupResult, MetadataOutcome, ParkedPage, ReadId, Rights, Side, SourcePage, WriteId,
};

use crate::commands::GIVE_UP;
use crate::destination::Effect;
use crate::fault::Fault;
use crate::mutation::Mutation;
use crate::options::Feed;
use crate::world::{Away, Happening, Outcome, Part, Send, World, note};

impl World {
    /// A server carries out a command that is answered.
    pub(crate) fn serve(&mut self, daemon: usize, command: Command) {
        match command {
            Command::Join { buffer_size } => self.serve_join(daemon, buffer_size),
            Command::AskGroup => {
                let refusal = self.refusal();
                let input = match refusal {
                    Some(why) => Input::GroupUnseen(why),
                    None => Input::GroupSeen(self.group.seen(&self.source)),
                };
                self.reply(daemon, self.source_away, input);
            }
            Command::Probe { side } => {
                let away = if side == Side::Source {
                    self.source_away
                } else {
                    self.destination_away
                };
                self.reply(
                    daemon,
                    away,
                    Input::Reachable {
                        side,
                        reachable: away.is_none(),
                    },
                );
            }
            Command::Lookup {
                lookup,
                stream,
                range,
                max_bytes,
            } => self.serve_lookup(daemon, lookup, &stream, range, max_bytes),
            Command::Recognise {
                lookup,
                stream,
                event,
            } => self.serve_question(daemon, lookup, &stream, &event),
            Command::AskRights { ask, .. } => {
                let rights = match (self.destination_away, self.destination.lost) {
                    (Some(_), _) => Rights::Unknown,
                    (None, Some(_)) => Rights::Denied,
                    (None, None) if self.goes_wrong(Fault::ReadFails) => Rights::Unknown,
                    (None, None) => Rights::Allowed,
                };
                let input = Input::RightsSeen { ask, rights };
                self.reply(daemon, self.destination_away, input);
            }
            Command::WriteMetadata {
                write,
                stream,
                truncate_before,
                ..
            } => {
                let Some(index) = self.source.index_of(&stream) else {
                    return;
                };
                let lost = self.goes_wrong(Fault::AnswerLost);
                let writer = self.writer(daemon, write);
                let outcome = match (self.destination_away, self.goes_wrong(Fault::AppendLost)) {
                    (None, false) => {
                        self.destination
                            .write_metadata(index, writer, truncate_before)
                    }
                    _ => MetadataOutcome::NoAnswer,
                };
                let outcome = if lost {
                    MetadataOutcome::NoAnswer
                } else {
                    outcome
                };
                self.note_slow_call(index, outcome == MetadataOutcome::NoAnswer);
                self.reply(
                    daemon,
                    self.destination_away,
                    Input::MetadataDone { write, outcome },
                );
            }
            other => self.serve_read(daemon, other),
        }
    }

    /// Which write of which process.
    fn writer(&self, daemon: usize, write: WriteId) -> (usize, u64) {
        (
            daemon,
            (u64::from(self.daemons[daemon].generation) << 40) | write.0,
        )
    }

    /// Reads of the source that are not about the group itself.
    fn serve_read(&mut self, daemon: usize, command: Command) {
        let fails = self.source_away.is_some() || self.goes_wrong(Fault::ReadFails);
        let input = match command {
            Command::ReadSource {
                read,
                stream,
                from,
                count,
                max_bytes,
            } => {
                let page = if fails {
                    SourcePage::Failed
                } else {
                    self.source.read(&stream, from, count, max_bytes)
                };
                // A node that is behind keeps what waits for it, too.
                self.slow_stream(&stream, fails || self.source.behind > 0);
                Input::SourceRead { read, page }
            }
            Command::ReadLinks {
                read,
                from,
                count,
                max_bytes,
            } => {
                let page = if fails {
                    LinkPage::Failed
                } else {
                    self.source.read_links(from, count, max_bytes)
                };
                Input::LinksRead { read, page }
            }
            Command::FirstLink { read, from } => {
                let page = if fails {
                    LinkPage::Failed
                } else {
                    self.source.read_links(from, 1, 1)
                };
                Input::LinksRead { read, page }
            }
            Command::SearchLog { read, after } => {
                let page = if fails {
                    LogPage::Failed
                } else {
                    self.source.search_log(after)
                };
                Input::LogSearched { read, page }
            }
            Command::ReadParked { read, from, count } => self.read_parked(read, from, count, fails),
            other => {
                self.violate(|| format!("a command that nobody serves: {other:?}"));
                return;
            }
        };
        self.reply(daemon, self.source_away, input);
    }

    fn read_parked(&mut self, read: ReadId, from: u64, count: u32, fails: bool) -> Input {
        let page = if fails {
            ParkedPage::Failed
        } else {
            self.group.parking.read(&self.source, from, count)
        };
        Input::ParkedRead { read, page }
    }

    fn serve_lookup(
        &mut self,
        daemon: usize,
        lookup: LookupId,
        stream: &StreamName,
        range: LookupRange,
        max_bytes: usize,
    ) {
        let Some(index) = self.source.index_of(stream) else {
            self.violate(|| format!("a look at {stream}, which is no stream of the source"));
            return;
        };
        let fails = self.destination_away.is_some() || self.goes_wrong(Fault::ReadFails);
        let result = if fails {
            LookupResult::Failed
        } else {
            self.destination.lookup(index, range, max_bytes)
        };
        self.note_slow_call(index, fails);
        self.reply(
            daemon,
            self.destination_away,
            Input::LookedUp { lookup, result },
        );
    }

    /// An append that must be recognised or refused, never written.
    fn serve_question(
        &mut self,
        daemon: usize,
        lookup: LookupId,
        stream: &StreamName,
        event: &Event,
    ) {
        let Some(index) = self.source.index_of(stream) else {
            self.violate(|| format!("asks about {stream}, which is no stream of the source"));
            return;
        };
        let fails = self.destination_away.is_some() || self.goes_wrong(Fault::ReadFails);
        let result = if fails {
            LookupResult::Failed
        } else {
            self.check_question(index, event);
            let lost = self.goes_wrong(Fault::AnswerLost);
            let answer = self.destination.recognise(index, event);
            if lost { LookupResult::Failed } else { answer }
        };
        self.note_slow_call(index, fails);
        let input = Input::LookedUp { lookup, result };
        self.reply(daemon, self.destination_away, input);
    }

    /// What everybody waits for is the destination's silence, and ditto leaves in time.
    fn note_slow_call(&mut self, stream: usize, fails: bool) {
        match self.destination_away {
            None => self.slow[stream] |= fails,
            Some(Away::Hangs) => self.swallowed.push((self.now, stream)),
            Some(_) => {}
        }
    }

    /// The destination answers again, but not what it had swallowed.
    fn forgive_swallowed(&mut self) {
        for (asked, stream) in std::mem::take(&mut self.swallowed) {
            self.slow[stream] |= asked + GIVE_UP > self.now;
        }
    }

    fn slow_stream(&mut self, stream: &StreamName, slow: bool) {
        if slow && let Some(index) = self.source.index_of(stream) {
            self.slow[index] = true;
        }
    }

    /// The answer on its way back; from a server that hangs, the loop's own time limit.
    pub(crate) fn reply(&mut self, daemon: usize, away: Option<Away>, input: Input) {
        let mut delay = self.way();
        if away == Some(Away::Hangs) {
            delay = GIVE_UP;
        } else if self.goes_wrong(Fault::SlowReads) {
            delay += self.dice.time(Duration::ZERO, Duration::from_secs(8));
            self.slow.fill(true);
        }
        self.plan_input(daemon, delay, input);
    }

    /// An append reaches the destination.
    pub(crate) fn serve_append(&mut self, daemon: usize, generation: u32, call: u32, send: Send) {
        let current = self.daemons[daemon].generation == generation
            && self.daemons[daemon].calls.contains(&call);
        if send.outcome == Outcome::Lost || (!current && self.dice.permille(500)) {
            return;
        }
        let answered = |outcome| Happening::Answer {
            daemon,
            generation,
            call: Some(call),
            append: send.append,
            outcome,
        };
        let back = self.now + self.way();
        if let Some(outcome) = self.unheard_of(&send) {
            self.agenda.plan(back, answered(outcome));
            return;
        }
        if self.destination_away == Some(Away::Hangs) {
            let at = self.now + GIVE_UP;
            self.agenda.plan(
                at,
                Happening::GiveUp {
                    daemon,
                    generation,
                    call,
                },
            );
            return;
        }
        let effect = self.store_append(daemon, &send);
        if effect.ends_call {
            self.slow.fill(true);
            if current {
                self.end_call(daemon, call, false);
            }
        } else if send.outcome == Outcome::Answered {
            self.agenda.plan(back, answered(effect.outcome.clone()));
            if self.goes_wrong(Fault::DoubledAnswers) {
                let again = back + self.dice.time(Duration::ZERO, Duration::from_secs(5));
                let (append, outcome) = (send.append, effect.outcome);
                self.agenda.plan(
                    again,
                    Happening::Answer {
                        daemon,
                        generation,
                        call: None,
                        append,
                        outcome,
                    },
                );
            }
        }
    }

    /// The destination carries out an append; what it stores is checked.
    fn store_append(&mut self, daemon: usize, send: &Send) -> Effect {
        let (now, stream, events) = (self.now, send.stream, &send.events);
        let effect = if self.mutation == Some(Mutation::AnyRevision) {
            self.destination.append_anywhere(now, stream, events)
        } else {
            self.destination
                .append(&self.source, now, stream, send.expected, events)
        };
        note!(
            self,
            "{daemon} {:?} at the destination: {:?}, stored from {:?}",
            send.append,
            effect.outcome,
            effect.stored_from
        );
        if let Some(from) = effect.stored_from {
            self.check_stored(send.stream, from, &send.events);
        }
        effect
    }

    /// The answer to an append that the server does not carry out.
    fn unheard_of(&mut self, send: &Send) -> Option<AppendOutcome> {
        match (self.destination_away, send.outcome) {
            (Some(Away::Hangs), _) => None,
            (Some(Away::Refuses), _) | (None, Outcome::NotReady) => Some(AppendOutcome::NotReady),
            (None, Outcome::Odd) => {
                let next = if let Expected::Exact(revision) = send.expected {
                    revision + 1
                } else {
                    0
                };
                Some(AppendOutcome::Written(
                    next + send.events.len() as u64 - 1 + self.dice.between(1, 3),
                ))
            }
            (None, _) => None,
        }
    }

    /// A server that was away, or the group, is back.
    pub(crate) fn come_back(&mut self, part: Part) {
        // The end of the faults may have brought it back already, and others may have joined since.
        let is_away = match part {
            Part::Source => self.source_away.is_some(),
            Part::Destination => self.destination_away.is_some(),
            Part::Writes => self.destination.lost.is_some(),
            Part::Node => self.source.behind > 0,
            Part::Group | Part::Rights => self.group.presence != crate::group::Presence::Present,
        };
        if !is_away {
            return;
        }
        note!(self, "{part:?} is back");
        match part {
            Part::Source => {
                self.source_away = None;
                self.group.reload(&self.source);
            }
            Part::Destination => {
                self.destination_away = None;
                self.forgive_swallowed();
                self.destination.restart();
            }
            Part::Group => {
                self.group.presence = crate::group::Presence::Present;
                self.group.recreate(&self.source);
            }
            Part::Rights => self.group.presence = crate::group::Presence::Present,
            Part::Writes => self.destination.lost = None,
            Part::Node => self.source.behind = 0,
        }
        self.push_all();
    }

    /// Somebody writes, and will again.
    pub(crate) fn trickle(&mut self) {
        if let (Some(every), Some(_)) = (self.options.trickle, self.trickles_for) {
            self.write_one();
            self.agenda.plan(self.now + every, Happening::Trickle);
        }
    }

    /// Somebody writes at the source.
    pub(crate) fn write_one(&mut self) {
        if self.source_away.is_some() {
            self.agenda
                .plan(self.now + Duration::from_secs(1), Happening::Write);
            return;
        }
        let mut dice = self.dice.clone();
        crate::setup::write(self, &mut dice);
        self.dice = dice;
        if self.options.feed == Feed::Plain {
            note!(self, "the source has {} events", self.source.entries.len());
        }
        self.push_all();
    }
}
