//! The buffer size by what was observed, second by second.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

#[test]
fn first_buffer_size_is_configured_or_chosen_and_fits_throttle() {
    for (fixed, throttle_ms, expected) in [
        (None, 0, START),
        (Some(50), 0, 50),
        (None, 10, 1500),
        (Some(50), 10, 50),
    ] {
        let buffer_size = BufferSize::new(fixed, Duration::from_millis(throttle_ms));
        assert_eq!(
            buffer_size.ask(Some(TIMEOUT)),
            expected,
            "{fixed:?} {throttle_ms}"
        );
    }
}

#[test]
fn a_throttle_above_a_quarter_of_the_timeout_cannot_work() {
    for (throttle, cannot) in [(15, false), (16, true), (60, true)] {
        assert_eq!(
            BufferSize::new(None, Duration::from_secs(throttle)).throttle_cannot_work(TIMEOUT),
            cannot
        );
    }
}

#[test]
fn timeout_lowers_the_buffer_size_to_what_a_quarter_of_it_copied() {
    for (outcomes, expected) in [(0, 1), (7, 7), (100_000, START)] {
        let mut buffer_size = BufferSize::new(None, Duration::ZERO);
        (0..outcomes).for_each(|_| buffer_size.outcome(Duration::from_secs(100)));
        buffer_size.shrink(Duration::from_secs(110), TIMEOUT);
        assert_eq!(buffer_size.ask(Some(TIMEOUT)), expected);
    }
    let mut old = BufferSize::new(None, Duration::ZERO);
    old.outcome(Duration::from_secs(10));
    old.outcome(Duration::from_secs(10));
    old.shrink(Duration::from_secs(100), TIMEOUT);
    assert_eq!(
        old.ask(Some(TIMEOUT)),
        1,
        "outcomes before the quarter do not count"
    );
}

/// Seconds at which it grew, of 200, while so many of 5,000 are here and so many get done a second.
fn grew(buffer_size: &mut BufferSize, here: usize, quick: bool, done: u32) -> Vec<u64> {
    let mut grew = Vec::new();
    let session = Reading {
        here,
        buffer_size: START,
        quick,
        round_trip: Duration::ZERO,
        message_timeout: TIMEOUT,
    };
    for second in 0..200 {
        let now = Duration::from_secs(second);
        if buffer_size.should_grow(now, &session) {
            buffer_size.grow(now, &session);
            grew.push(second);
        }
        (0..done).for_each(|_| buffer_size.outcome(now));
        // Whoever comes last waits for all that is here.
        buffer_size.waited(
            now,
            Duration::from_millis(here as u64 * 1000 / u64::from(done)),
        );
    }
    grew
}

/// A line with this round trip to the source, a destination with this one that takes so many a second: what is asked
/// for after so many seconds, of a source that always has more.
fn recovered(source: u64, destination: u64, most: u64, seconds: u64) -> u32 {
    let mut buffer_size = BufferSize::new(None, Duration::ZERO);
    buffer_size.shrink(Duration::ZERO, TIMEOUT);
    buffer_size.joined(Duration::from_millis(2 * source));
    let (mut done, mut here) = (0, 0);
    for second in 1..=seconds {
        let now = Duration::from_secs(second);
        let asked = u64::from(buffer_size.ask(Some(TIMEOUT)));
        // Thousandths of a second that a delivery takes from the push to its acknowledgement.
        let queued = asked * 1000 / most;
        let cycle = source + destination + queued;
        done += asked * 1000;
        while done >= cycle {
            done -= cycle;
            buffer_size.outcome(now - Duration::from_millis(1));
        }
        buffer_size.waited(
            now - Duration::from_millis(1),
            Duration::from_millis(destination + queued),
        );
        // A small buffer is empty at some ticks.
        here = here % 1000 + asked * 1000 * (destination + queued) / cycle;
        let session = Reading {
            here: usize::try_from(here / 1000).unwrap(),
            buffer_size: u32::try_from(asked).unwrap(),
            quick: true,
            round_trip: Duration::from_millis(destination),
            message_timeout: TIMEOUT,
        };
        if buffer_size.should_grow(now, &session) {
            buffer_size.grow(now, &session);
        }
    }
    buffer_size.ask(Some(TIMEOUT))
}

#[test]
fn a_buffer_of_one_recovers_over_any_line() {
    for (source, destination) in [(1, 1), (50, 1), (200, 5), (200, 400), (800, 800)] {
        let asked = recovered(source, destination, 10_000, 60);
        assert!(asked >= LEAST_CHOSEN, "{source} {destination}: {asked}");
    }
}

#[test]
fn a_buffer_of_one_stays_small_for_a_slow_destination() {
    for (most, fits) in [(1, 30), (10, 300)] {
        let asked = recovered(50, 5, most, 600);
        assert!((2..=fits).contains(&asked), "{most} a second: {asked}");
    }
}

#[test]
fn it_grows_after_being_full_for_a_while_and_not_when_that_would_not_help() {
    for (here, quick, done, expected, why) in [
        (5000, true, 1000, &[4][..], "one doubling reaches the most"),
        (100, true, 1000, &[], "it is not the limit"),
        (5000, false, 1000, &[], "the destination does not keep up"),
        (
            5000,
            true,
            600,
            &[],
            "10,000 would not be done in a quarter of the message timeout",
        ),
    ] {
        let mut buffer_size = BufferSize::new(None, Duration::ZERO);
        assert_eq!(grew(&mut buffer_size, here, quick, done), expected, "{why}");
        let asked = if expected.is_empty() { START } else { MOST };
        assert_eq!(buffer_size.ask(Some(TIMEOUT)), asked, "{why}");
    }
}

#[test]
fn it_grows_at_most_once_a_minute() {
    let mut buffer_size = BufferSize::new(None, Duration::ZERO);
    (0..1_000).for_each(|_| buffer_size.outcome(Duration::ZERO));
    buffer_size.shrink(Duration::ZERO, TIMEOUT);
    assert_eq!(grew(&mut buffer_size, 5000, true, 1000), [4, 64, 124, 184]);
}

#[test]
fn what_is_on_a_long_way_counts_as_out() {
    for (join, here, expected) in [(400, 2_800, &[4][..]), (400, 2_000, &[]), (4, 2_800, &[])] {
        let mut buffer_size = BufferSize::new(None, Duration::ZERO);
        buffer_size.joined(Duration::from_secs(9));
        buffer_size.joined(Duration::from_millis(join));
        assert_eq!(
            grew(&mut buffer_size, here, true, 9_000),
            expected,
            "{join} ms"
        );
    }
}

fn session(here: usize, buffer_size: u32, round_trip: u64) -> Reading {
    Reading {
        here,
        buffer_size,
        quick: true,
        round_trip: Duration::from_millis(round_trip),
        message_timeout: TIMEOUT,
    }
}

/// A buffer size that timeouts have made this small, or that is as it was chosen.
fn selected(fixed: Option<u32>, selected: u32) -> BufferSize {
    let mut buffer_size = BufferSize::new(fixed, Duration::ZERO);
    buffer_size.selected = selected;
    buffer_size
}

#[test]
fn what_waited_decides_how_much_more_is_asked_for() {
    for (fixed, now, waited, round_trip, more) in [
        // Twice as much, if twice the wait is a quarter of the message timeout at most.
        (None, 2_000, 7_500, 0, 4_000),
        (None, 2_000, 7_501, 0, 2_000),
        (None, 2_000, 8_000, 500, 4_000),
        (None, 1_000, 0, 0, 2_000),
        (None, 6_000, 10, 0, MOST),
        (Some(50), 50, 10, 0, 50),
        // After timeouts: as much as fits into half of it.
        (None, 10, 30_001, 0, 10),
        (None, 10, 30_000, 0, 10),
        (None, 10, 15_001, 0, 10),
        (None, 10, 15_000, 0, 20),
        (None, 10, 7_500, 0, 20),
        (None, 10, 5_000, 0, 30),
        (None, 10, 5_500, 500, 30),
        (None, 10, 1_000, 0, 150),
        (None, 10, 1, 0, LEAST_CHOSEN),
        (None, 999, 15_000, 0, LEAST_CHOSEN),
        (Some(50), 10, 1, 0, 50),
        (Some(50), 10, 5_000, 0, 30),
    ] {
        let mut buffer_size = selected(fixed, now);
        buffer_size.waited(Duration::from_secs(9), Duration::from_millis(waited));
        buffer_size.waited(Duration::from_secs(9), Duration::from_millis(1));
        let asked = buffer_size.more(Duration::from_secs(10), &session(1, now, round_trip));
        assert_eq!(asked, more, "{fixed:?}: {now}, {waited} ms");
    }
}

#[test]
fn only_the_last_five_whole_seconds_count() {
    for (second, counts) in [
        (4, false),
        (5, true),
        (7, true),
        (9, true),
        (10, false),
        (11, false),
    ] {
        let mut buffer_size = selected(None, 2_000);
        (0..3).for_each(|_| buffer_size.outcome(Duration::from_secs(second)));
        let (done, seconds) = buffer_size.done_lately(Duration::from_millis(10_900));
        let expected = if counts { (3, 10 - second) } else { (0, 0) };
        assert_eq!((done, seconds), expected, "second {second}");
    }
}

#[test]
fn session_is_full_by_what_is_here_and_on_its_way() {
    for (now, here, done, round_trip, full) in [
        (2_000, &[1_800][..], 1, 0, true),
        (2_000, &[1_799], 1, 0, false),
        (2_000, &[1_800], 0, 0, false),
        (2_000, &[1_700, 1_900], 1, 0, true),
        (2_000, &[1_700, 1_898], 1, 0, false),
        // A thousand a second, for a tenth of it.
        (2_000, &[1_700], 1_000, 100, true),
        (2_000, &[1_700], 990, 100, false),
        // Half is enough once deliveries have timed out.
        (10, &[5], 1, 0, true),
        (10, &[4], 1, 0, false),
        (10, &[4, 5, 6], 1, 0, true),
    ] {
        let mut buffer_size = selected(None, now);
        let at = |second: usize| Duration::from_secs(100 + second as u64);
        for (second, here) in here.iter().enumerate() {
            buffer_size.note_here(at(second), *here);
        }
        let last = at(here.len());
        (0..done).for_each(|_| buffer_size.outcome(last - Duration::from_secs(1)));
        buffer_size.joined(Duration::from_millis(2 * round_trip));
        let is_full = buffer_size.is_full(last, &session(0, now, 0));
        assert_eq!(is_full, full, "{now}: {here:?} {done} {round_trip}");
    }
}

#[test]
fn what_is_here_is_averaged_over_five_seconds() {
    let mut buffer_size = selected(None, 2_000);
    for (second, here) in (0..8).enumerate() {
        let now = Duration::from_secs(second as u64);
        buffer_size.note_here(now, here);
        // Another input in the same second is no other sample.
        buffer_size.note_here(now + Duration::from_millis(500), 99);
    }
    let here: Vec<usize> = buffer_size.here.iter().map(|(_, here)| *here).collect();
    assert_eq!(here, [3, 4, 5, 6, 7]);
}

#[test]
fn what_got_done_is_remembered_for_ten_minutes_at_most() {
    let mut buffer_size = selected(None, 2_000);
    (0..2_000).for_each(|second| buffer_size.outcome(Duration::from_secs(second)));
    assert_eq!(buffer_size.seconds.len(), 600);
    assert_eq!(
        buffer_size.seconds.back().map(|last| last.second),
        Some(1_999)
    );
}

#[test]
fn a_timeout_counts_the_whole_quarter_before_it() {
    let mut buffer_size = selected(None, 2_000);
    (0..5).for_each(|_| buffer_size.outcome(Duration::from_secs(84)));
    (0..7).for_each(|_| buffer_size.outcome(Duration::from_secs(85)));
    buffer_size.shrink(Duration::from_secs(100), TIMEOUT);
    assert_eq!(buffer_size.ask(Some(TIMEOUT)), 7);
}

#[test]
fn small_buffer_size_grows_four_times_as_often() {
    for (now, expected) in [(20, &[3, 18, 33][..]), (2_000, &[3, 63])] {
        let mut buffer_size = selected(None, now);
        let mut grew = Vec::new();
        for second in 0..65 {
            let at = Duration::from_secs(100 + second);
            buffer_size.outcome(at - Duration::from_secs(1));
            let asked = buffer_size.ask(Some(TIMEOUT));
            // It waits so long that it grows twofold at most.
            buffer_size.waited(at - Duration::from_secs(1), Duration::from_millis(7_500));
            let full = session(asked as usize, asked, 0);
            if buffer_size.should_grow(at, &full) && grew.len() < 3 {
                buffer_size.grow(at, &full);
                assert_eq!(buffer_size.ask(Some(TIMEOUT)), 2 * asked);
                grew.push(second);
            }
        }
        assert_eq!(grew, expected, "{now}");
    }
}

#[test]
fn session_that_was_not_full_once_counts_again() {
    let mut buffer_size = selected(None, 2_000);
    let mut grew = Vec::new();
    for second in 0..12 {
        let at = Duration::from_secs(100 + second);
        buffer_size.outcome(at - Duration::from_secs(1));
        let slow = second == 2;
        let reading = Reading {
            quick: !slow,
            ..session(2_000, 2_000, 0)
        };
        if buffer_size.should_grow(at, &reading) {
            grew.push(second);
        }
    }
    assert_eq!(grew, [6, 7, 8, 9, 10, 11]);
}

#[test]
fn the_throttle_lets_so_many_through_in_a_quarter() {
    for (throttle, timeout, most) in [
        (1_000, 60_000, 15),
        (1_000, 10_000, 2),
        (15_000, 60_000, 1),
        (60_000, 60_000, 1),
    ] {
        let buffer_size = BufferSize::new(None, Duration::from_millis(throttle));
        assert_eq!(buffer_size.ask(None), 1, "the group is not known");
        let asked = buffer_size.ask(Some(Duration::from_millis(timeout)));
        assert_eq!(asked, most, "{throttle} {timeout}");
    }
    assert_eq!(BufferSize::new(None, Duration::ZERO).ask(None), START);
}
