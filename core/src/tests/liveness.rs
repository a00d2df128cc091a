//! Whether the destination is there although there is nothing to copy: when it is asked, and what is told of it.
//!
//! Never delivers more than one event.

use std::time::Duration;

use super::lines::Lines;
use super::{Bench, event, group, settings};
use crate::event::Item;
use crate::port::{
    GroupSeen, Input, JoinRefusal, LeaveReason, LinkPage, LookupResult, ParkedPage, PipelineState,
    Side,
};

const PROBE: [&str; 1] = ["probe"];
const NOTHING: [&str; 0] = [];

fn pass(bench: &mut Bench, seconds: u64) -> Lines {
    bench.pass(Duration::from_secs(seconds));
    bench.commands()
}

fn state(bench: &Bench) -> PipelineState {
    bench.core.status().state
}

/// A quiet subscription whose destination was last heard of just now.
fn quiet() -> Bench {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.answers_asks = false;
    bench
}

#[test]
fn quiet_subscription_asks_the_destination_every_fifteen_seconds() {
    let mut bench = quiet();
    for round in 0..3 {
        assert_eq!(pass(&mut bench, 14), NOTHING, "{round}");
        assert_eq!(pass(&mut bench, 1), PROBE, "{round}");
        bench.reachable(true);
        assert_eq!(state(&bench), PipelineState::Running);
    }
}

#[test]
fn what_the_destination_answers_delays_the_next_question() {
    let mut bench = quiet();
    assert_eq!(pass(&mut bench, 10), NOTHING);
    bench.deliver("s-1", 1);
    bench.written(1);
    bench.commands();
    assert_eq!(pass(&mut bench, 14), NOTHING);
    assert_eq!(pass(&mut bench, 1), PROBE);
}

#[test]
fn destination_is_not_asked_while_an_append_waits() {
    let mut bench = quiet();
    bench.deliver("s-1", 1);
    bench.commands();
    let asked = |commands: Lines| commands.iter().any(|line| line == "probe");
    assert!(!asked(pass(&mut bench, 40)));
    bench.written(1);
    bench.commands();
    assert!(!asked(pass(&mut bench, 14)));
    assert!(asked(pass(&mut bench, 1)));
}

#[test]
fn silent_destination_is_told_and_asked_ever_less_often() {
    let mut bench = quiet();
    pass(&mut bench, 15);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        bench.reachable(false);
        assert_eq!(state(&bench), PipelineState::Retrying(Side::Destination));
        let silent = bench.now;
        while bench.commands() != PROBE {
            bench.pass(Duration::from_millis(100));
        }
        pauses.push((bench.now - silent).as_millis());
    }
    assert_eq!(
        pauses,
        [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]
    );
    bench.reachable(true);
    assert_eq!(state(&bench), PipelineState::Running);
}

#[test]
fn source_is_not_said_to_fail_once_nothing_waits_for_it() {
    let group = GroupSeen {
        checkpoint: Some(0),
        ..group()
    };
    let mut bench = Bench::joined_to(settings(), group.clone());
    bench.input(Input::ParkedRead {
        read: bench.last_parked_read(),
        page: ParkedPage::Entries(Vec::new()),
    });
    bench.deliver_as(2, Item::Event(event("s-1", 0)));
    bench.looked_up(LookupResult::NotDeleted);
    bench.written(0);
    bench.input(Input::LinksRead {
        read: bench.last_read(),
        page: LinkPage::Failed,
    });
    let failing = PipelineState::Retrying(Side::Source);
    assert_eq!(state(&bench), failing);
    bench.input(Input::GroupSeen(group.clone()));
    assert_eq!(state(&bench), failing, "the hole will be read again");
    bench.deliver_as(1, Item::Event(event("s-2", 0)));
    bench.looked_up(LookupResult::NotDeleted);
    bench.written(0);
    pass(&mut bench, 1);
    assert_eq!(state(&bench), failing);
    bench.input(Input::GroupSeen(group));
    assert_eq!(state(&bench), PipelineState::Running);
}

#[test]
fn subscription_runs_only_once_both_sides_have_answered() {
    let mut bench = Bench::unanswered(settings());
    assert_eq!(state(&bench), PipelineState::Connecting);
    bench.reachable(false);
    assert_eq!(state(&bench), PipelineState::Retrying(Side::Destination));
    pass(&mut bench, 1);
    bench.reachable(true);
    assert_eq!(state(&bench), PipelineState::Running);
}

#[test]
fn status_says_of_each_side_whether_it_answers() {
    let answers = |bench: &Bench| {
        let status = bench.core.status();
        (status.source_answers, status.destination_answers)
    };
    let mut bench = Bench::unanswered(settings());
    assert_eq!(answers(&bench), (Some(true), None));
    bench.reachable(false);
    assert_eq!(answers(&bench), (Some(true), Some(false)));
    pass(&mut bench, 1);
    bench.reachable(true);
    assert_eq!(answers(&bench), (Some(true), Some(true)));
    bench.left(LeaveReason::Ended);
    pass(&mut bench, 1);
    bench.input(Input::Refused {
        why: JoinRefusal::Unavailable,
    });
    assert_eq!(answers(&bench), (Some(false), Some(true)));
    pass(&mut bench, 1);
    for why in [JoinRefusal::Taken, JoinRefusal::Denied] {
        bench.input(Input::Refused { why });
        assert_eq!(answers(&bench), (Some(true), Some(true)), "{why:?}");
        pass(&mut bench, 3);
    }
    let unheard = crate::Core::new(settings()).status();
    assert_eq!(unheard.source_answers, None);
    assert_eq!(unheard.destination_answers, None);
}
