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

/// A trial in which the lane of these appends has ended twice while no other did.
fn lane_ended_twice(appends: &[AppendId]) -> Resend {
    let mut trial = Resend::default();
    trial.call_ended(at(1), 0, appends.to_vec());
    assert_eq!(trial.next(at(1)), Next::Send(appends.to_vec()));
    trial.call_ended(at(1), 0, appends.to_vec());
    trial
}

#[test]
fn what_was_on_a_lane_that_ended_twice_goes_alone_while_others_go_on() {
    let mut trial = lane_ended_twice(&[A, B]);
    assert!(trial.is_open(), "suspects hold up nobody");
    assert_eq!(trial.next(at(1)), Next::SendAlone(A));
    assert_eq!(trial.next(at(1)), Next::Wait, "one suspect at a time");
    trial.answered(C);
    assert_eq!(trial.next(at(1)), Next::Wait);
    trial.answered(A);
    assert_eq!(trial.next(at(1)), Next::SendAlone(B));
    trial.answered(B);
    assert_eq!(trial.next(at(1)), Next::Wait);
}

#[test]
fn cut_of_several_lanes_makes_nobody_suspect() {
    let mut trial = Resend::default();
    for round in 1..ALL_SUSPECT_AFTER {
        let now = at(100 * u64::from(round));
        trial.call_ended(now, 0, vec![A]);
        trial.call_ended(now, 1, vec![B]);
        trial.call_ended(now, 2, vec![C]);
        let later = if round == 1 { now } else { now + LONGEST };
        assert_eq!(
            trial.next(later),
            Next::Send(vec![A, B, C]),
            "round {round}"
        );
    }
    trial.answered(A);
    trial.answered(B);
    trial.answered(C);
    assert!(trial.is_open());
}

#[test]
fn end_of_another_lane_later_counts_for_what_is_on_it_alone() {
    let mut trial = Resend::default();
    trial.call_ended(at(1), 0, vec![A]);
    assert_eq!(trial.next(at(1)), Next::Send(vec![A]));
    trial.answered(C);
    trial.call_ended(at(2), 1, vec![B]);
    assert_eq!(trial.next(at(2)), Next::Send(vec![B]), "its first end");
    trial.answered(B);
    trial.call_ended(at(3), 0, vec![A]);
    assert_eq!(trial.next(at(3)), Next::SendAlone(A), "its second");
}

#[test]
fn two_that_end_their_calls_are_both_found() {
    let mut trial = Resend::default();
    for round in 1..=u64::from(ALL_SUSPECT_AFTER) {
        trial.call_ended(at(100 * round), 0, vec![A]);
        trial.call_ended(at(100 * round), 1, vec![B]);
        if round < u64::from(ALL_SUSPECT_AFTER) {
            assert_eq!(trial.next(at(100 * round + 50)), Next::Send(vec![A, B]));
        }
    }
    let later = at(1_000);
    assert_eq!(trial.next(later), Next::Probe);
    assert_eq!(trial.probed(later, true), Verdict::None);
    for guilty in [A, B] {
        for round in 1..=ALONE_IS_REFUSED {
            assert_eq!(trial.next(later), Next::SendAlone(guilty));
            trial.call_ended(later, 9, vec![guilty]);
            assert_eq!(trial.next(later), Next::Probe);
            let verdict = trial.probed(later, true);
            assert_eq!(
                verdict == Verdict::Refuse(guilty),
                round == ALONE_IS_REFUSED
            );
        }
    }
    assert!(trial.is_open());
}

#[test]
fn what_ends_the_call_alone_three_times_while_reads_are_answered_is_refused() {
    let mut trial = lane_ended_twice(&[A, B]);
    let mut verdicts = Vec::new();
    for round in 0..3 {
        assert_eq!(trial.next(at(10)), Next::SendAlone(A), "round {round}");
        trial.call_ended(at(10), 9, vec![A]);
        assert_eq!(trial.next(at(10)), Next::Probe);
        verdicts.push(trial.probed(at(10), true));
    }
    let none = Verdict::None;
    assert_eq!(verdicts, [none, none, Verdict::Refuse(A)]);
    assert_eq!(trial.next(at(10)), Next::SendAlone(B), "the others go on");
}

#[test]
fn pauses_begin_again_after_a_culprit_was_found() {
    let mut trial = Resend::default();
    for second in [10, 20, 30] {
        trial.not_ready(at(second), A);
        assert_eq!(trial.next(at(second + 9)), Next::SendAlone(A));
    }
    for _ in 0..ALONE_IS_REFUSED {
        trial.call_ended(at(40), 9, vec![A]);
        assert_eq!(trial.next(at(40)), Next::Probe);
        trial.probed(at(40), true);
        trial.next(at(40));
    }
    trial.not_ready(at(50), B);
    let pause = trial.retry_at().map(|until| until - at(50));
    assert_eq!(pause, Some(Duration::from_millis(200)));
}

#[test]
fn answer_of_another_does_not_clear_a_suspect_that_ended_its_call() {
    let mut trial = lane_ended_twice(&[A]);
    assert_eq!(trial.next(at(1)), Next::SendAlone(A));
    trial.call_ended(at(1), 9, vec![A]);
    trial.answered(C);
    trial.lookup_answered();
    assert_eq!(trial.next(at(1)), Next::Probe, "was it the append?");
}

#[test]
fn server_that_was_away_makes_no_culprit() {
    let mut trial = lane_ended_twice(&[A]);
    for round in 0..10 {
        let now = at(100 * (round + 1));
        assert_eq!(trial.next(now), Next::SendAlone(A), "round {round}");
        trial.call_ended(now, 9, vec![A]);
        assert_eq!(trial.next(now), Next::Probe);
        assert_eq!(trial.probed(now, false), Verdict::None);
        assert!(trial.is_away());
        let later = now + Duration::from_secs(31);
        assert_eq!(
            trial.next(later),
            Next::Probe,
            "asked again before the append is risked"
        );
        assert_eq!(trial.probed(later, true), Verdict::None);
    }
    assert_eq!(trial.next(at(5000)), Next::SendAlone(A));
    trial.answered(A);
    assert!(trial.is_open());
}

#[test]
fn silence_blames_no_append_however_often() {
    let mut trial = Resend::default();
    for round in 1..10 {
        trial.no_answer(at(100 * round), &[A]);
        let later = at(100 * round + 40);
        let again = if round == 1 {
            Next::Send(vec![A])
        } else {
            Next::SendAlone(A)
        };
        assert_eq!(trial.next(later), again, "round {round}");
    }
    trial.answered(A);
    assert!(trial.is_open());
}

#[test]
fn silence_twice_in_a_row_means_that_the_server_is_away() {
    let mut trial = Resend::default();
    trial.no_answer(at(1), &[A]);
    assert!(!trial.is_away());
    trial.answered(B);
    trial.no_answer(at(2), &[A]);
    assert!(!trial.is_away(), "another append was answered between");
    trial.no_answer(at(3), &[A]);
    assert!(trial.is_away() && !trial.is_open());
}

#[test]
fn undecided_appends_are_sent_again_before_the_server_is_away() {
    let mut trial = Resend::default();
    for append in [A, B] {
        trial.undecided(at(1), append);
    }
    assert!(!trial.is_away(), "each was tried once");
    assert_eq!(trial.next(at(1)), Next::Send(vec![A, B]));
    trial.answered(A);
    trial.undecided(at(2), B);
    assert!(!trial.is_away(), "another append was answered between");
    assert_eq!(trial.next(at(2)), Next::Send(vec![B]));
    trial.undecided(at(3), B);
    assert!(trial.is_away(), "it stays undecided");
}

#[test]
fn not_ready_is_tried_again_with_the_append_itself() {
    let mut trial = Resend::default();
    trial.not_ready(at(1), A);
    trial.not_ready(at(1), B);
    assert_eq!(trial.next(at(1)), Next::Wait);
    assert_eq!(trial.next(at(2)), Next::SendAlone(A));
    assert_eq!(trial.next(at(2)), Next::Wait, "one at a time");
    trial.answered(A);
    assert_eq!(
        trial.next(at(2)),
        Next::Send(vec![B]),
        "after an outage all go on at once"
    );
}

#[test]
fn suspect_that_a_server_is_not_ready_for_is_tried_again() {
    let mut trial = lane_ended_twice(&[A]);
    assert_eq!(trial.next(at(1)), Next::SendAlone(A));
    trial.not_ready(at(1), A);
    assert!(trial.is_away());
    assert_eq!(trial.next(at(1)), Next::Wait, "a pause first");
    assert_eq!(trial.next(at(2)), Next::SendAlone(A));
    trial.answered(A);
    assert!(trial.is_open());
}

#[test]
fn look_that_fails_closes_until_a_read_is_answered() {
    let mut trial = Resend::default();
    trial.lookup_failed(at(1));
    assert!(trial.is_away() && !trial.is_open());
    assert_eq!(trial.next(at(1)), Next::Wait);
    assert_eq!(trial.next(at(2)), Next::Probe);
    assert_eq!(trial.next(at(2)), Next::Wait, "one probe at a time");
    assert_eq!(trial.probed(at(2), true), Verdict::None);
    assert!(trial.is_open() && !trial.is_away());
    assert_eq!(trial.probed(at(3), true), Verdict::None, "nobody asked");
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
    let mut trial = Resend::default();
    trial.not_ready(at(1), A);
    trial.not_ready(at(1), B);
    for round in 1..=ALONE_IS_REFUSED {
        assert_eq!(trial.next(at(2)), Next::SendAlone(A), "round {round}");
        trial.call_ended(at(2), 9, vec![A]);
        assert_eq!(trial.next(at(2)), Next::Probe);
        let verdict = trial.probed(at(2), true);
        assert_eq!(verdict == Verdict::Refuse(A), round == ALONE_IS_REFUSED);
    }
    assert_eq!(
        trial.next(at(2)),
        Next::SendAlone(B),
        "without another pause"
    );
    trial.answered(B);
    assert!(trial.is_open() && !trial.is_away());
}

#[test]
fn suspect_on_its_way_needs_no_probe_when_others_are_answered() {
    let mut trial = lane_ended_twice(&[A]);
    assert_eq!(trial.next(at(1)), Next::SendAlone(A));
    trial.call_ended(at(1), 9, vec![A]);
    assert_eq!(trial.next(at(1)), Next::Probe);
    trial.probed(at(1), true);
    assert_eq!(trial.next(at(1)), Next::SendAlone(A));
    trial.lookup_failed(at(1));
    trial.answered(C);
    assert_eq!(trial.next(at(2)), Next::Wait);
}

#[test]
fn lanes_that_end_again_are_tried_after_a_pause() {
    let mut trial = Resend::default();
    let all_end = |trial: &mut Resend| {
        trial.call_ended(at(1), 0, vec![A]);
        trial.call_ended(at(1), 1, vec![B]);
    };
    all_end(&mut trial);
    assert_eq!(trial.next(at(1)), Next::Send(vec![A, B]), "at once");
    all_end(&mut trial);
    let pause = Duration::from_millis(400);
    assert_eq!(trial.retry_at(), Some(at(1) + pause));
    assert_eq!(trial.next(at(1)), Next::Wait);
    assert_eq!(trial.next(at(1) + pause), Next::Send(vec![A, B]));
}

#[test]
fn end_with_another_lane_counts_against_nobody() {
    let mut trial = Resend::default();
    trial.call_ended(at(1), 0, vec![A]);
    trial.call_ended(at(1), 1, vec![B]);
    assert_eq!(trial.next(at(1)), Next::Send(vec![A, B]));
    trial.answered(C);
    trial.call_ended(at(2), 0, vec![A]);
    assert_eq!(trial.next(at(2)), Next::Send(vec![A]), "its first alone");
}

#[test]
fn read_that_is_answered_says_nothing_of_appends_that_wait() {
    let mut trial = Resend::default();
    trial.not_ready(at(1), A);
    trial.lookup_answered();
    assert!(trial.is_away());
    assert_eq!(trial.next(at(2)), Next::SendAlone(A));
    trial.lookup_answered();
    assert!(trial.is_away(), "it is on its way");
    trial.answered(A);
    assert!(!trial.is_away());
}
