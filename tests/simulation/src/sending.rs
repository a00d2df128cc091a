//! What must hold of every append that a core sends, and of every event that it makes the destination store.
//!
//! Judges by the models' truth alone. Never by what the core says about itself.

use ditto_core::event::{Event, StreamName};
use ditto_core::port::{AppendId, Expected, Mode, OnMissingHistory, OnUnverified};
use uuid::Uuid;

use crate::daemon::{Frozen, Given, InFlight};
use crate::source::{Target, skip};
use crate::world::World;

/// The type of the events that stand for history that is gone.
const PLACEHOLDER: &str = "ditto-missing";

impl World {
    /// An append: frozen if it was sent before; else the right events in the right order with the right expectation.
    pub(crate) fn check_append(
        &mut self,
        daemon: usize,
        append: AppendId,
        stream: &StreamName,
        expected: Expected,
        events: &[Event],
    ) -> Option<usize> {
        let Some(index) = self.source.index_of(stream) else {
            self.violate(|| format!("appends to {stream}, which is no stream of the source"));
            return None;
        };
        let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
        if let Some(frozen) = self.daemons[daemon].frozen.get(&append) {
            if frozen.stream != index || frozen.expected != expected || frozen.ids != ids {
                self.violate(|| format!("{append:?} is sent again, but it is another append"));
            }
            let flights = &mut self.daemons[daemon].in_flight;
            if let Some(flight) = flights.iter_mut().find(|flight| flight.append == append) {
                flight.ended = false;
            } else {
                flights.push(InFlight {
                    append,
                    stream: index,
                    ended: false,
                });
            }
            return Some(index);
        }
        self.check_limits(daemon, events);
        self.check_in_flight(daemon, index);
        self.check_content(index, expected, events);
        self.check_turn(daemon, index, events);
        let at = &mut self.daemons[daemon];
        at.in_flight.retain(|flight| flight.stream != index);
        at.frozen.insert(
            append,
            Frozen {
                stream: index,
                expected,
                ids,
            },
        );
        at.in_flight.push(InFlight {
            append,
            stream: index,
            ended: false,
        });
        Some(index)
    }

    /// Merging limits and the throttle.
    fn check_limits(&mut self, daemon: usize, events: &[Event]) {
        let settings = &self.options.settings;
        let bytes: usize = events.iter().map(Event::append_size).sum();
        let limit = settings
            .max_append_bytes
            .min(self.daemons[daemon].append_limit);
        let throttled = !settings.throttle_interval.is_zero();
        let most = if throttled {
            1
        } else {
            settings.max_append_events as usize
        };
        if events.is_empty() || events.len() > most || (events.len() > 1 && bytes > limit) {
            self.violate(|| format!("an append of {} events and {bytes} bytes", events.len()));
        }
        let (now, interval) = (self.now, self.options.settings.throttle_interval);
        let early = self.daemons[daemon]
            .last_sent
            .replace(now)
            .is_some_and(|last| now - last < interval);
        if throttled && early {
            self.violate(|| "an event is sent before the throttle allows it".to_owned());
        }
    }

    /// One append of a stream in flight, and so many streams at once.
    fn check_in_flight(&mut self, daemon: usize, stream: usize) {
        let flights = &self.daemons[daemon].in_flight;
        if flights
            .iter()
            .any(|flight| flight.stream == stream && !flight.ended)
        {
            self.violate(|| format!("two appends of s-{stream} in flight"));
            return;
        }
        let limit = self.options.settings.appends_in_flight;
        if limit.is_some_and(|limit| {
            flights.iter().filter(|flight| !flight.ended).count() >= limit as usize
        }) {
            self.violate(|| "more appends in flight than allowed".to_owned());
        }
    }

    /// Every event is the source's (or a placeholder for one that is gone), in order, expected where it belongs.
    fn check_content(&mut self, stream: usize, expected: Expected, events: &[Event]) {
        let exact = self.options.settings.mode == Mode::Exact;
        let first = events.first().map_or(0, |event| event.revision);
        let right = first
            .checked_sub(1)
            .map_or(Expected::NoStream, Expected::Exact);
        if exact && expected != right {
            self.violate(|| format!("expects {expected:?} before revision {first}"));
        }
        let step = |pair: &[Event]| {
            if exact {
                pair[1].revision == pair[0].revision + 1
            } else {
                pair[1].revision > pair[0].revision
            }
        };
        if !events.windows(2).all(step) {
            self.violate(|| "an append whose revisions do not follow each other".to_owned());
        }
        for event in events {
            if &*event.event_type == PLACEHOLDER {
                let gone = self.source.readable(stream, event.revision).is_none()
                    || self.source.streams[stream].ever_deleted;
                let fills = self.options.settings.on_missing_history == OnMissingHistory::Fill;
                if !gone || !fills {
                    self.violate(|| {
                        format!(
                            "a placeholder for revision {}, which is there",
                            event.revision
                        )
                    });
                }
                self.destination.streams[stream].disturbed = true;
            } else if self.source.event(stream, event.revision) != Some(event) {
                self.violate(|| format!("sends {event:?}, which is not the source's event"));
            }
        }
    }

    /// Where nothing can be looked at, order is the core's alone: what waits first goes first. (What is refused is set
    /// aside; if its session is over by then it is not parked but comes again.)
    fn check_turn(&mut self, daemon: usize, stream: usize, events: &[Event]) {
        let (Mode::AppendOnly, Some(sent)) = (self.options.settings.mode, events.first()) else {
            return;
        };
        if self.refused_possible(stream) {
            return;
        }
        let waits = |given: &Given| match given.target {
            Target::Event {
                stream: of,
                revision,
            } if of == stream && given.taken && given.with_event => Some(revision),
            _ => None,
        };
        let membership = self.daemons[daemon].membership.as_ref();
        let lacks = |revision: &u64| !self.arrived(stream, *revision);
        let first = membership.and_then(|membership| {
            let waiting = membership.delivered.iter().filter_map(waits);
            waiting.filter(lacks).min()
        });
        if let Some(first) = first.filter(|first| *first < sent.revision) {
            self.violate(|| {
                format!(
                    "sends revision {} of s-{stream} while {first} waits",
                    sent.revision
                )
            });
        }
    }

    /// Something was stored: never a second time, and in Exact at the source's revision and behind the source's events.
    pub(crate) fn check_stored(&mut self, stream: usize, from: u64, events: &[Event]) {
        let mode = self.options.settings.mode;
        if mode == Mode::Exact {
            self.check_before(stream, from);
        }
        for (at, event) in (from..).zip(events) {
            if mode == Mode::Exact
                && at != event.revision
                && !self.destination.streams[stream].disturbed
            {
                self.violate(|| {
                    format!(
                        "revision {} of s-{stream} is stored at {at}",
                        event.revision
                    )
                });
            }
            let there = &self.destination.streams[stream];
            let times = there.placed[skip(event.revision)].times;
            // A stream that was soft-deleted at the destination may rightly be begun again.
            if mode != Mode::AppendOnly && times > 1 && !there.disturbed {
                self.violate(|| {
                    format!(
                        "revision {} of s-{stream} is stored {times} times",
                        event.revision
                    )
                });
            }
        }
    }

    /// What stands before something that was stored is the source's, or nothing can tell that it is not.
    fn check_before(&mut self, stream: usize, from: u64) {
        let Some(before) = from.checked_sub(1) else {
            return;
        };
        let there = &self.destination.streams[stream].events[skip(before)];
        let own = self.source.event(stream, before);
        let same = own.is_some_and(|event| event.id == there.id);
        let placeholder = &*there.event_type == PLACEHOLDER;
        // What was deleted at the destination is begun again behind whatever was there.
        let begun_again = self.destination.streams[stream].first >= from;
        let at = &self.source.streams[stream];
        let unknowable = !at.denied && self.missing_possible(stream);
        let passes = self.options.settings.on_unverified == OnUnverified::Pass
            && self.unverified_possible(stream);
        if !same && !placeholder && !unknowable && !passes && !begun_again {
            self.violate(|| {
                format!("writes s-{stream} behind revision {before}, which is another's")
            });
        }
    }
}
