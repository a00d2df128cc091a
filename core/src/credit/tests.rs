//! The buffer size by what was observed, second by second.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

#[test]
fn the_first_credit_is_the_operators_or_chosen_and_fits_the_throttle() {
    for (fixed, throttle_ms, expected) in [
        (None, 0, START),
        (Some(50), 0, 50),
        (None, 10, 1500),
        (Some(50), 10, 50),
    ] {
        let credit = Credit::new(fixed, Duration::from_millis(throttle_ms));
        assert_eq!(
            credit.ask(Some(TIMEOUT)),
            expected,
            "{fixed:?} {throttle_ms}"
        );
    }
}

#[test]
fn a_throttle_above_a_quarter_of_the_timeout_cannot_work() {
    for (throttle, cannot) in [(15, false), (16, true), (60, true)] {
        assert_eq!(
            Credit::new(None, Duration::from_secs(throttle)).throttle_cannot_work(TIMEOUT),
            cannot
        );
    }
}

#[test]
fn after_a_timeout_the_credit_is_what_got_done_in_a_quarter_of_it() {
    for (outcomes, expected) in [(0, 1), (7, 7), (100_000, START)] {
        let mut credit = Credit::new(None, Duration::ZERO);
        (0..outcomes).for_each(|_| credit.outcome(Duration::from_secs(100)));
        credit.shrink(Duration::from_secs(110), TIMEOUT);
        assert_eq!(credit.ask(Some(TIMEOUT)), expected);
    }
    let mut old = Credit::new(None, Duration::ZERO);
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
fn grew(credit: &mut Credit, here: usize, quick: bool, done: u32) -> Vec<u64> {
    let mut grew = Vec::new();
    let stay = Reading {
        here,
        credit: START,
        quick,
        round_trip: Duration::ZERO,
        message_timeout: TIMEOUT,
    };
    for second in 0..200 {
        let now = Duration::from_secs(second);
        if credit.should_grow(now, &stay) {
            credit.grow(now, &stay);
            grew.push(second);
        }
        (0..done).for_each(|_| credit.outcome(now));
        // Whoever comes last waits for all that is here.
        credit.waited(
            now,
            Duration::from_millis(here as u64 * 1000 / u64::from(done)),
        );
    }
    grew
}

/// A line with this round trip to the source, a destination with this one that takes so many a second: what is asked
/// for after so many seconds, of a source that always has more.
fn recovered(source: u64, destination: u64, most: u64, seconds: u64) -> u32 {
    let mut credit = Credit::new(None, Duration::ZERO);
    credit.shrink(Duration::ZERO, TIMEOUT);
    credit.joined(Duration::from_millis(2 * source));
    let (mut done, mut here) = (0, 0);
    for second in 1..=seconds {
        let now = Duration::from_secs(second);
        let asked = u64::from(credit.ask(Some(TIMEOUT)));
        // Thousandths of a second that a delivery takes from the push to its acknowledgement.
        let queued = asked * 1000 / most;
        let cycle = source + destination + queued;
        done += asked * 1000;
        while done >= cycle {
            done -= cycle;
            credit.outcome(now - Duration::from_millis(1));
        }
        credit.waited(
            now - Duration::from_millis(1),
            Duration::from_millis(destination + queued),
        );
        // A small buffer is empty at some ticks.
        here = here % 1000 + asked * 1000 * (destination + queued) / cycle;
        let stay = Reading {
            here: usize::try_from(here / 1000).unwrap(),
            credit: u32::try_from(asked).unwrap(),
            quick: true,
            round_trip: Duration::from_millis(destination),
            message_timeout: TIMEOUT,
        };
        if credit.should_grow(now, &stay) {
            credit.grow(now, &stay);
        }
    }
    credit.ask(Some(TIMEOUT))
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
        let mut credit = Credit::new(None, Duration::ZERO);
        assert_eq!(grew(&mut credit, here, quick, done), expected, "{why}");
        let asked = if expected.is_empty() { START } else { MOST };
        assert_eq!(credit.ask(Some(TIMEOUT)), asked, "{why}");
    }
}

#[test]
fn it_grows_at_most_once_a_minute() {
    let mut credit = Credit::new(None, Duration::ZERO);
    (0..1_000).for_each(|_| credit.outcome(Duration::ZERO));
    credit.shrink(Duration::ZERO, TIMEOUT);
    assert_eq!(grew(&mut credit, 5000, true, 1000), [4, 64, 124, 184]);
}

#[test]
fn what_is_on_a_long_way_counts_as_out() {
    for (join, here, expected) in [(400, 2_800, &[4][..]), (400, 2_000, &[]), (4, 2_800, &[])] {
        let mut credit = Credit::new(None, Duration::ZERO);
        credit.joined(Duration::from_secs(9));
        credit.joined(Duration::from_millis(join));
        assert_eq!(grew(&mut credit, here, true, 9_000), expected, "{join} ms");
    }
}
