//! The limit against answers that are given, and against servers whose answers follow from it.

use super::*;

fn answered(took: u64, line: bool) -> Answered {
    Answered {
        took: Duration::from_millis(took),
        events: 1,
        flights: MOST as usize,
        line,
        merges: true,
        behind: false,
    }
}

fn after(fixed: Option<u32>, answers: &[(u64, bool)]) -> u32 {
    let mut window = AppendWindow::new(fixed);
    let mut now = Moment::ZERO;
    for (took, line) in answers {
        now += Duration::from_secs(2);
        window.answered(now, answered(*took, *line));
    }
    window.limit()
}

#[test]
fn limit_grows_while_answers_are_quick_and_it_is_reached_and_falls_when_they_are_slow() {
    for (answers, limit) in [
        (&[(5, false); 10][..], 256),
        (&[(5, true); 10], 266),
        (&[(200, true); 10], 266),
        // No longer as quick as the line allows.
        (&[(5, true), (10, true), (11, true), (200, true)], 258),
        (&[(5, true), (800, true)], 192),
        // Lowered once for all answers that were in flight then, and again for later ones.
        (&[(5, true), (9_000, true), (9_000, true)], 192),
        (&[(5, true), (800, true), (800, true)], 144),
        // Slow, but less than three round trips.
        (&[(400, true), (1_000, true)], 257),
    ] {
        assert_eq!(after(None, answers), limit, "{answers:?}");
    }
}

#[test]
fn where_nothing_is_merged_more_are_in_flight_until_answers_are_slow() {
    let mut window = AppendWindow::new(None);
    for (took, limit) in [(5, 257), (200, 258), (499, 259), (800, 192)] {
        let answer = Answered {
            merges: false,
            behind: true,
            ..answered(took, true)
        };
        window.answered(Duration::from_secs(10), answer);
        assert_eq!(window.limit(), limit, "{took} ms");
    }
}

#[test]
fn what_the_operator_gave_stays() {
    assert_eq!(after(Some(8), &[(5, true), (5000, true)]), 8);
}

#[test]
fn limit_has_bounds() {
    assert_eq!(after(None, &vec![(5, true); 5000]), MOST);
    let mut slow = vec![(5, false)];
    slow.extend(vec![(9000, false); 40]);
    assert!(after(None, &slow) >= LEAST);
}

/// A server that does one append after the other, at the end of a line, and a daemon that always has as much to send.
#[derive(Clone, Copy, Debug)]
struct Played {
    streams: f64,
    /// Events that the daemon holds.
    held: f64,
    round_trip: f64,
}

impl Played {
    /// Events that an append carries: streams in line gather, on average half of what their next append carries.
    fn events(self, in_flight: f64) -> f64 {
        let waiting = (self.streams - in_flight).max(0.0) / 2.0;
        (self.held / (in_flight + waiting)).clamp(1.0, 500.0)
    }

    /// Seconds between two answers (protocol §15.7: what an append and an event in it cost).
    fn interval(self, limit: f64) -> f64 {
        let in_flight = limit.min(self.streams);
        let cost = 150e-6 + 10e-6 * self.events(in_flight);
        cost.max((self.round_trip + cost) / in_flight)
    }

    fn rate(self, limit: f64) -> f64 {
        self.events(limit.min(self.streams)) / self.interval(limit)
    }

    /// The limit after so many seconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn settle(self, window: &mut AppendWindow, seconds: f64) -> u32 {
        let mut now = 0.0;
        window.answered(
            Moment::ZERO,
            Answered {
                took: Duration::from_secs_f64(self.round_trip),
                ..answered(0, false)
            },
        );
        while now < seconds {
            let in_flight = f64::from(window.limit()).min(self.streams);
            let interval = self.interval(f64::from(window.limit()));
            now += interval;
            let answer = Answered {
                took: Duration::from_secs_f64(interval * in_flight),
                events: self.events(in_flight) as usize,
                flights: in_flight as usize,
                line: in_flight < self.streams,
                merges: true,
                behind: true,
            };
            window.answered(Duration::from_secs_f64(now), answer);
        }
        window.limit()
    }
}

#[test]
fn limit_settles_where_most_events_arrive() {
    for (streams, held, round_trip) in [
        (100.0, 2_000.0, 0.001),
        (1_000.0, 5_000.0, 0.001),
        (1_000.0, 50_000.0, 0.001),
        (20_000.0, 50_000.0, 0.001),
        (5_000.0, 50_000.0, 0.05),
        (1_000.0, 50_000.0, 0.2),
        (20_000.0, 50_000.0, 0.2),
    ] {
        let played = Played {
            streams,
            held,
            round_trip,
        };
        let limits = [
            16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0,
        ];
        let best = limits.map(|limit| played.rate(limit));
        let best = best.into_iter().fold(0.0, f64::max);
        let limit = played.settle(&mut AppendWindow::new(None), 30.0);
        let rate = played.rate(f64::from(limit));
        assert!(
            rate > 0.85 * best,
            "{played:?}: {rate:.0} of {best:.0} events/s with {limit}"
        );
    }
}

#[test]
fn fewer_in_flight_carry_more_each() {
    let played = Played {
        streams: 100.0,
        held: 2_000.0,
        round_trip: 0.001,
    };
    let mut window = AppendWindow::new(None);
    let limit = played.settle(&mut window, 30.0);
    assert!(limit < 64, "{limit}");
    let (before, after) = (played.rate(f64::from(START)), played.rate(f64::from(limit)));
    assert!(after > 1.1 * before, "{after} instead of {before} events/s");
    // Nothing waits any more.
    window.answered(Duration::from_secs(31), answered(1, false));
    assert_eq!(window.limit(), START);
}
