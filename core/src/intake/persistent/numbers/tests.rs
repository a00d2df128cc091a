//! Ranges of numbers through deliveries, pages and checkpoints.

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn numbers(base: u64, delivered: &[u64]) -> Numbers {
    let mut numbers = Numbers::default();
    numbers.begin(base);
    for number in delivered {
        numbers.delivered(*number, at(0), false);
    }
    numbers
}

#[test]
fn done_up_to_stops_at_what_is_open_and_at_what_never_came() {
    for (base, delivered, done, expected) in [
        (0, &[][..], &[][..], None),
        (10, &[], &[], Some(9)),
        (10, &[10, 11, 12], &[10, 11], Some(11)),
        (10, &[10, 11, 12], &[11, 12], Some(9)),
        (10, &[10, 12], &[10, 12], Some(10)),
        (10, &[12, 10, 11], &[10, 11, 12], Some(12)),
    ] {
        let mut numbers = numbers(base, delivered);
        done.iter().for_each(|number| numbers.done(*number));
        assert_eq!(
            numbers.done_up_to(),
            expected,
            "{base} {delivered:?} {done:?}"
        );
    }
}

#[test]
fn a_gap_is_due_after_the_patience_and_keeps_its_age_when_split() {
    let mut numbers = numbers(0, &[0, 5]);
    assert_eq!(numbers.due(at(59), PATIENCE), None);
    numbers.delivered(3, at(59), false);
    assert_eq!(numbers.due(at(60), PATIENCE), Some((1, 2)));
    numbers.close(1, 2, &[]);
    assert_eq!(numbers.due(at(60), PATIENCE), Some((4, 4)));
}

#[test]
fn a_gap_at_the_first_join_is_due_at_once() {
    let mut numbers = Numbers::default();
    numbers.begin(3);
    numbers.delivered(7, at(0), true);
    assert_eq!(numbers.due(at(0), PATIENCE), Some((3, 6)));
}

#[test]
fn closing_a_page_leaves_the_rest_of_the_gap() {
    let mut numbers = numbers(0, &[100]);
    numbers.close(0, 9, &[0, 2, 4, 6, 8]);
    assert_eq!(numbers.due(at(60), PATIENCE), Some((10, 99)));
    assert_eq!(numbers.done_up_to(), None, "0 was handed over and is open");
    for number in [0, 2, 4, 6, 8] {
        numbers.done(number);
    }
    assert_eq!(numbers.done_up_to(), Some(9));
}

#[test]
fn a_hundred_thousand_gaps_cost_an_input_as_much_as_one() {
    const GAPS: u64 = 100_000;
    let mut numbers = numbers(0, &[]);
    for number in 0..GAPS {
        // Every other number goes to another consumer.
        numbers.delivered(2 * number + 1, at(number), false);
        numbers.due(at(number), PATIENCE * 10_000);
        numbers.due_in(at(number), PATIENCE);
    }
    assert_eq!(numbers.due(at(GAPS), PATIENCE), Some((0, 0)));
    for number in 0..GAPS {
        numbers.close(2 * number, 2 * number, &[]);
        numbers.due(at(GAPS), PATIENCE);
    }
    assert_eq!(numbers.due(at(GAPS), PATIENCE), None);
    let looked_up_at = numbers.gaps.looked_up_at.get();
    assert!(looked_up_at < 10 * GAPS, "{looked_up_at} looks at a gap");
}

#[test]
fn a_gap_of_any_width_is_closed_at_once() {
    let last = u64::MAX - 1;
    let mut numbers = numbers(0, &[last]);
    numbers.close(0, last - 1, &[7, last]);
    assert_eq!(numbers.due_in(at(0), PATIENCE), None, "no gap is left");
    numbers.done(7);
    assert_eq!(numbers.done_up_to(), Some(last - 1), "{last} is open");
}

#[test]
fn without_a_base_the_first_delivery_is_the_base() {
    let mut numbers = Numbers::default();
    numbers.delivered(40, at(0), true);
    assert_eq!(
        (numbers.done_up_to(), numbers.due(at(0), PATIENCE)),
        (Some(39), None)
    );
}

#[test]
fn an_assumed_base_gives_way_to_an_earlier_delivery() {
    let mut numbers = Numbers::default();
    numbers.assume(10);
    assert_eq!(numbers.done_up_to(), Some(9));
    for number in [7, 8, 10] {
        numbers.delivered(number, at(1), false);
        numbers.done(number);
    }
    assert_eq!(numbers.done_up_to(), Some(8), "9 never came");
    assert_eq!(numbers.due(at(61), PATIENCE), Some((9, 9)));
    numbers.delivered(9, at(61), false);
    numbers.done(9);
    assert_eq!(numbers.done_up_to(), Some(10));
    numbers.delivered(6, at(61), false);
    assert_eq!(numbers.done_up_to(), Some(5));
}

#[test]
fn what_was_dropped_is_a_gap_again() {
    let mut numbers = numbers(0, &[0, 1, 2]);
    numbers.forget(1, at(5));
    assert!(numbers.is_gap(1));
    assert_eq!(numbers.due(at(65), PATIENCE), Some((1, 1)));
    numbers.done(1);
    assert!(numbers.is_gap(1), "only a delivery or a page takes it out");
}

#[test]
fn undelivered_numbers_are_found_within_a_range_only() {
    let numbers = numbers(0, &[2, 5, 6, 9]);
    for (from, limit, expected) in [
        (0, 10, Some((0, 8))),
        (1, 4, Some((1, 3))),
        (2, 3, None),
        (2, 8, Some((3, 7))),
        (4, 7, Some((4, 4))),
        (5, 7, None),
        (9, 20, None),
        (4, 4, None),
    ] {
        let found = numbers.undelivered_within(from, limit);
        assert_eq!(found, expected, "{from} to {limit}");
    }
}

#[test]
fn a_checkpoint_that_went_back_makes_what_lies_between_undelivered() {
    let mut numbers = numbers(8, &[8]);
    numbers.done(8);
    numbers.lower(6, at(1));
    assert_eq!(numbers.done_up_to(), Some(5));
    numbers.delivered(6, at(1), false);
    numbers.done(6);
    assert_eq!(numbers.done_up_to(), Some(6));
    assert_eq!(numbers.due(at(61), PATIENCE), Some((7, 7)));
    numbers.lower(9, at(61));
    assert_eq!(
        numbers.done_up_to(),
        Some(6),
        "a checkpoint that went on changes nothing"
    );
}

#[test]
fn numbers_known_to_exist_become_a_gap_that_is_due_at_once() {
    let mut numbers = numbers(5, &[]);
    numbers.exists_up_to(8, at(5));
    assert_eq!(numbers.due(at(5), PATIENCE), Some((5, 8)));
}

#[test]
fn a_last_number_that_was_passed_or_has_no_base_is_no_news() {
    let mut unknown = Numbers::default();
    unknown.exists_up_to(8, at(0));
    assert_eq!(unknown.due(at(0), PATIENCE), None);
    assert_eq!(unknown.done_up_to(), None);
    let mut passed = numbers(5, &[5, 6]);
    for last in [0, 5, 6] {
        passed.exists_up_to(last, at(0));
        passed.done(5);
        passed.done(6);
        assert_eq!(passed.done_up_to(), Some(6), "{last}");
    }
}

#[test]
fn the_next_gap_says_how_long_it_may_still_be_filled() {
    let mut numbers = numbers(0, &[0]);
    assert_eq!(numbers.due_in(at(0), PATIENCE), None);
    numbers.delivered(2, at(10), false);
    for (joined, left) in [(10, 60), (30, 40), (69, 1), (70, 0), (100, 0)] {
        assert_eq!(numbers.due_in(at(joined), PATIENCE), Some(at(left)));
        let due = (left == 0).then_some((1, 1));
        assert_eq!(numbers.due(at(joined), PATIENCE), due);
    }
    numbers.exists_up_to(5, at(20));
    assert_eq!(numbers.due_in(at(20), PATIENCE), Some(at(0)));
}

#[test]
fn what_is_done_stays_done_whatever_a_page_names() {
    let mut numbers = numbers(0, &[0, 1, 3]);
    numbers.done(0);
    numbers.done(1);
    numbers.close(1, 2, &[1]);
    assert_eq!(numbers.done_up_to(), Some(2));
}

#[test]
fn a_delivery_at_an_assumed_base_is_the_first() {
    let mut numbers = Numbers::default();
    numbers.assume(10);
    numbers.delivered(10, at(0), false);
    assert_eq!(numbers.done_up_to(), Some(9));
    numbers.done(10);
    assert_eq!(numbers.done_up_to(), Some(10));
}
