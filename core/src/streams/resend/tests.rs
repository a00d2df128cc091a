use std::time::Duration;

use super::culprit::ALONE_IS_REFUSED;
use super::*;
use crate::pause::{LONGEST, back_off};

const A: AppendId = AppendId(1);
const B: AppendId = AppendId(2);
const C: AppendId = AppendId(3);

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

/// A state in which the lane of these appends has ended twice while no other did.
fn lane_ended_twice(appends: &[AppendId]) -> Resend {
    let mut resend = Resend::default();
    resend.call_ended(at(1), 0, appends.to_vec());
    assert_eq!(resend.next(at(1)), Next::Send(appends.to_vec()));
    resend.call_ended(at(1), 0, appends.to_vec());
    resend
}

#[test]
fn what_was_on_a_lane_that_ended_twice_goes_alone_while_others_go_on() {
    let mut resend = lane_ended_twice(&[A, B]);
    assert!(resend.is_open(), "suspects hold up nobody");
    assert_eq!(resend.next(at(1)), Next::SendAlone(A));
    assert_eq!(resend.next(at(1)), Next::Wait, "one suspect at a time");
    resend.answered(C);
    assert_eq!(resend.next(at(1)), Next::Wait);
    resend.answered(A);
    assert_eq!(resend.next(at(1)), Next::SendAlone(B));
    resend.answered(B);
    assert_eq!(resend.next(at(1)), Next::Wait);
}

#[test]
fn cut_of_several_lanes_makes_nobody_suspect() {
    let mut resend = Resend::default();
    for round in 1..ALL_SUSPECT_AFTER {
        let now = at(100 * u64::from(round));
        resend.call_ended(now, 0, vec![A]);
        resend.call_ended(now, 1, vec![B]);
        resend.call_ended(now, 2, vec![C]);
        let later = if round == 1 { now } else { now + LONGEST };
        assert_eq!(
            resend.next(later),
            Next::Send(vec![A, B, C]),
            "round {round}"
        );
    }
    resend.answered(A);
    resend.answered(B);
    resend.answered(C);
    assert!(resend.is_open());
}

#[test]
fn end_of_another_lane_later_counts_for_what_is_on_it_alone() {
    let mut resend = Resend::default();
    resend.call_ended(at(1), 0, vec![A]);
    assert_eq!(resend.next(at(1)), Next::Send(vec![A]));
    resend.answered(C);
    resend.call_ended(at(2), 1, vec![B]);
    assert_eq!(resend.next(at(2)), Next::Send(vec![B]), "its first end");
    resend.answered(B);
    resend.call_ended(at(3), 0, vec![A]);
    assert_eq!(resend.next(at(3)), Next::SendAlone(A), "its second");
}

#[test]
fn two_that_end_their_calls_are_both_found() {
    let mut resend = Resend::default();
    for round in 1..=u64::from(ALL_SUSPECT_AFTER) {
        resend.call_ended(at(100 * round), 0, vec![A]);
        resend.call_ended(at(100 * round), 1, vec![B]);
        if round < u64::from(ALL_SUSPECT_AFTER) {
            assert_eq!(resend.next(at(100 * round + 50)), Next::Send(vec![A, B]));
        }
    }
    let later = at(1_000);
    assert_eq!(resend.next(later), Next::Probe);
    assert_eq!(resend.probed(later, true), Verdict::None);
    for guilty in [A, B] {
        for round in 1..=ALONE_IS_REFUSED {
            assert_eq!(resend.next(later), Next::SendAlone(guilty));
            resend.call_ended(later, 9, vec![guilty]);
            assert_eq!(resend.next(later), Next::Probe);
            let verdict = resend.probed(later, true);
            assert_eq!(
                verdict == Verdict::Refuse(guilty),
                round == ALONE_IS_REFUSED
            );
        }
    }
    assert!(resend.is_open());
}

#[test]
fn what_ends_the_call_alone_three_times_while_reads_are_answered_is_refused() {
    let mut resend = lane_ended_twice(&[A, B]);
    let mut verdicts = Vec::new();
    for round in 0..3 {
        assert_eq!(resend.next(at(10)), Next::SendAlone(A), "round {round}");
        resend.call_ended(at(10), 9, vec![A]);
        assert_eq!(resend.next(at(10)), Next::Probe);
        verdicts.push(resend.probed(at(10), true));
    }
    let none = Verdict::None;
    assert_eq!(verdicts, [none, none, Verdict::Refuse(A)]);
    assert_eq!(resend.next(at(10)), Next::SendAlone(B), "the others go on");
}

#[test]
fn pauses_begin_again_after_a_culprit_was_found() {
    let mut resend = Resend::default();
    for second in [10, 20, 30] {
        resend.not_ready(at(second), A);
        assert_eq!(resend.next(at(second + 9)), Next::SendAlone(A));
    }
    for _ in 0..ALONE_IS_REFUSED {
        resend.call_ended(at(40), 9, vec![A]);
        assert_eq!(resend.next(at(40)), Next::Probe);
        resend.probed(at(40), true);
        resend.next(at(40));
    }
    resend.not_ready(at(50), B);
    let pause = resend.retry_at().map(|until| until - at(50));
    assert_eq!(pause, Some(Duration::from_millis(200)));
}

#[test]
fn answer_of_another_does_not_clear_a_suspect_that_ended_its_call() {
    let mut resend = lane_ended_twice(&[A]);
    assert_eq!(resend.next(at(1)), Next::SendAlone(A));
    resend.call_ended(at(1), 9, vec![A]);
    resend.answered(C);
    resend.lookup_answered();
    assert_eq!(resend.next(at(1)), Next::Probe, "was it the append?");
}

#[test]
fn server_that_was_away_makes_no_culprit() {
    let mut resend = lane_ended_twice(&[A]);
    for round in 0..10 {
        let now = at(100 * (round + 1));
        assert_eq!(resend.next(now), Next::SendAlone(A), "round {round}");
        resend.call_ended(now, 9, vec![A]);
        assert_eq!(resend.next(now), Next::Probe);
        assert_eq!(resend.probed(now, false), Verdict::None);
        assert!(resend.is_away());
        let later = now + Duration::from_secs(31);
        assert_eq!(
            resend.next(later),
            Next::Probe,
            "asked again before the append is risked"
        );
        assert_eq!(resend.probed(later, true), Verdict::None);
    }
    assert_eq!(resend.next(at(5000)), Next::SendAlone(A));
    resend.answered(A);
    assert!(resend.is_open());
}

#[test]
fn silence_blames_no_append_however_often() {
    let mut resend = Resend::default();
    for round in 1..10 {
        resend.no_answer(at(100 * round), &[A]);
        let later = at(100 * round + 40);
        let again = if round == 1 {
            Next::Send(vec![A])
        } else {
            Next::SendAlone(A)
        };
        assert_eq!(resend.next(later), again, "round {round}");
    }
    resend.answered(A);
    assert!(resend.is_open());
}

#[test]
fn silence_twice_in_a_row_means_that_the_server_is_away() {
    let mut resend = Resend::default();
    resend.no_answer(at(1), &[A]);
    assert!(!resend.is_away());
    resend.answered(B);
    resend.no_answer(at(2), &[A]);
    assert!(!resend.is_away(), "another append was answered between");
    resend.no_answer(at(3), &[A]);
    assert!(resend.is_away() && !resend.is_open());
}

#[test]
fn undecided_appends_are_sent_again_before_the_server_is_away() {
    let mut resend = Resend::default();
    for append in [A, B] {
        resend.undecided(at(1), append);
    }
    assert!(!resend.is_away(), "each was tried once");
    assert_eq!(resend.next(at(1)), Next::Send(vec![A, B]));
    resend.answered(A);
    resend.undecided(at(2), B);
    assert!(!resend.is_away(), "another append was answered between");
    assert_eq!(resend.next(at(2)), Next::Send(vec![B]));
    resend.undecided(at(3), B);
    assert!(resend.is_away(), "it stays undecided");
}

#[test]
fn not_ready_is_tried_again_with_the_append_itself() {
    let mut resend = Resend::default();
    resend.not_ready(at(1), A);
    resend.not_ready(at(1), B);
    assert_eq!(resend.next(at(1)), Next::Wait);
    assert_eq!(resend.next(at(2)), Next::SendAlone(A));
    assert_eq!(resend.next(at(2)), Next::Wait, "one at a time");
    resend.answered(A);
    assert_eq!(
        resend.next(at(2)),
        Next::Send(vec![B]),
        "after an outage all go on at once"
    );
}

#[test]
fn suspect_that_a_server_is_not_ready_for_is_tried_again() {
    let mut resend = lane_ended_twice(&[A]);
    assert_eq!(resend.next(at(1)), Next::SendAlone(A));
    resend.not_ready(at(1), A);
    assert!(resend.is_away());
    assert_eq!(resend.next(at(1)), Next::Wait, "a pause first");
    assert_eq!(resend.next(at(2)), Next::SendAlone(A));
    resend.answered(A);
    assert!(resend.is_open());
}

#[test]
fn lookup_that_fails_closes_until_a_read_is_answered() {
    let mut resend = Resend::default();
    resend.lookup_failed(at(1));
    assert!(resend.is_away() && !resend.is_open());
    assert_eq!(resend.next(at(1)), Next::Wait);
    assert_eq!(resend.next(at(2)), Next::Probe);
    assert_eq!(resend.next(at(2)), Next::Wait, "one probe at a time");
    assert_eq!(resend.probed(at(2), true), Verdict::None);
    assert!(resend.is_open() && !resend.is_away());
    assert_eq!(resend.probed(at(3), true), Verdict::None, "nobody asked");
}

#[test]
fn pauses_double_up_to_thirty_seconds() {
    let pauses: Vec<u128> = [1, 2, 3, 8, 9, 100]
        .iter()
        .map(|n| back_off(*n).as_millis())
        .collect();
    assert_eq!(pauses, [200, 400, 800, 25_600, 30_000, 30_000]);
}

#[test]
fn append_that_ends_its_call_is_found_among_those_that_an_outage_left() {
    let mut resend = Resend::default();
    resend.not_ready(at(1), A);
    resend.not_ready(at(1), B);
    for round in 1..=ALONE_IS_REFUSED {
        assert_eq!(resend.next(at(2)), Next::SendAlone(A), "round {round}");
        resend.call_ended(at(2), 9, vec![A]);
        assert_eq!(resend.next(at(2)), Next::Probe);
        let verdict = resend.probed(at(2), true);
        assert_eq!(verdict == Verdict::Refuse(A), round == ALONE_IS_REFUSED);
    }
    assert_eq!(
        resend.next(at(2)),
        Next::SendAlone(B),
        "without another pause"
    );
    resend.answered(B);
    assert!(resend.is_open() && !resend.is_away());
}

#[test]
fn suspect_on_its_way_needs_no_probe_when_others_are_answered() {
    let mut resend = lane_ended_twice(&[A]);
    assert_eq!(resend.next(at(1)), Next::SendAlone(A));
    resend.call_ended(at(1), 9, vec![A]);
    assert_eq!(resend.next(at(1)), Next::Probe);
    resend.probed(at(1), true);
    assert_eq!(resend.next(at(1)), Next::SendAlone(A));
    resend.lookup_failed(at(1));
    resend.answered(C);
    assert_eq!(resend.next(at(2)), Next::Wait);
}

#[test]
fn lanes_that_end_again_are_tried_after_a_pause() {
    let mut resend = Resend::default();
    let all_end = |resend: &mut Resend| {
        resend.call_ended(at(1), 0, vec![A]);
        resend.call_ended(at(1), 1, vec![B]);
    };
    all_end(&mut resend);
    assert_eq!(resend.next(at(1)), Next::Send(vec![A, B]), "at once");
    all_end(&mut resend);
    let pause = Duration::from_millis(400);
    assert_eq!(resend.retry_at(), Some(at(1) + pause));
    assert_eq!(resend.next(at(1)), Next::Wait);
    assert_eq!(resend.next(at(1) + pause), Next::Send(vec![A, B]));
}

#[test]
fn end_with_another_lane_counts_against_nobody() {
    let mut resend = Resend::default();
    resend.call_ended(at(1), 0, vec![A]);
    resend.call_ended(at(1), 1, vec![B]);
    assert_eq!(resend.next(at(1)), Next::Send(vec![A, B]));
    resend.answered(C);
    resend.call_ended(at(2), 0, vec![A]);
    assert_eq!(resend.next(at(2)), Next::Send(vec![A]), "its first alone");
}

#[test]
fn read_that_is_answered_says_nothing_of_appends_that_wait() {
    let mut resend = Resend::default();
    resend.not_ready(at(1), A);
    resend.lookup_answered();
    assert!(resend.is_away());
    assert_eq!(resend.next(at(2)), Next::SendAlone(A));
    resend.lookup_answered();
    assert!(resend.is_away(), "it is on its way");
    resend.answered(A);
    assert!(!resend.is_away());
}
