//! Numbers of a category stream that were truncated before the group delivered them.

use std::time::Duration;

use super::{Bench, event, events, group, settings};
use crate::event::{Item, SkipReason, StreamName};
use crate::port::{
    CoreSettings, Feed, GroupSeen, Input, LinkPage, LogPage, LogPosition, LookupResult, Mode,
    PipelineState, Report, SourcePage,
};

pub(super) fn category() -> CoreSettings {
    CoreSettings {
        feed: Feed::Whole,
        ..settings()
    }
}

/// The answer to the question for the first readable number.
fn first_is(bench: &mut Bench, number: u64) {
    let items = vec![(number, Item::Never(SkipReason::Unresolved))];
    page(bench, items, number + 10);
}

fn page(bench: &mut Bench, items: Vec<(u64, Item)>, last: u64) {
    let read = bench.last_read();
    let page = LinkPage::Items { items, last };
    bench.input(Input::LinksRead { read, page });
}

fn log(bench: &mut Bench, page: LogPage) {
    let read = bench.last_read();
    bench.input(Input::LogSearched { read, page });
}

fn found(events: &[(&str, u64)], next: Option<u64>) -> LogPage {
    LogPage::Events {
        found: events
            .iter()
            .map(|(name, revision)| (StreamName::from(*name), *revision))
            .collect(),
        next: next.map(|commit| LogPosition {
            commit,
            prepare: commit,
        }),
    }
}

/// A core whose stream begins at 5, with a group that begins at 0, and that has left to search.
fn searching(settings: CoreSettings) -> Bench {
    let mut bench = Bench::joined(settings);
    first_is(&mut bench, 5);
    bench.left(super::LeaveReason::Waiting);
    bench
}

fn is_searching(bench: &Bench) -> bool {
    matches!(bench.core.status().state, PipelineState::Searching(_))
}

#[test]
fn nothing_is_acknowledged_before_the_first_number_is_known() {
    let mut bench = Bench::joined(category());
    bench.deliver("s-1", 0);
    bench.looked_up(LookupResult::NotDeleted);
    bench.written(0);
    assert_eq!(
        bench.commands(),
        ["look s-1 metadata", "append s-1 after nothing: 0"]
    );
    assert_eq!(bench.core.status().state, PipelineState::Connecting);
    first_is(&mut bench, 0);
    assert_eq!(bench.commands(), ["ack 0"]);
    assert_eq!(bench.core.status().state, PipelineState::Running);
}

#[test]
fn lost_numbers_end_the_session_without_acknowledgements() {
    let mut bench = Bench::joined(category());
    bench.deliver_as(5, Item::Event(event("s-1", 0)));
    bench.looked_up(LookupResult::NotDeleted);
    bench.written(0);
    bench.commands();
    first_is(&mut bench, 5);
    assert_eq!(bench.commands(), ["leave Waiting", "search the log"]);
    assert!(bench.reports().contains(&Report::Unseen { from: 0, to: 4 }));
    assert!(is_searching(&bench));
    bench.left(super::LeaveReason::Waiting);
    assert_eq!(bench.commands(), Vec::<String>::new(), "does not join");
}

#[test]
fn found_streams_are_copied_before_the_next_join() {
    let mut bench = searching(category());
    bench.commands();
    log(&mut bench, found(&[("s-2", 1), ("s-2", 0)], Some(70)));
    assert_eq!(bench.commands(), ["source s-2 tail"]);
    bench.source_events(events("s-2", [1]), 1);
    bench.looked_up(LookupResult::NotFound);
    bench.source_events(events("s-2", [0]), 1);
    bench.written(1);
    assert_eq!(
        bench.commands(),
        [
            "look s-2 from 0 count 2",
            "source s-2 from 0 count 1",
            "append s-2 after nothing: 0 1",
            "search the log after 70"
        ]
    );
    log(&mut bench, found(&[("s-2", 1)], None));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["join 100"], "known streams cost nothing");
    assert!(bench.reports().contains(&Report::UnseenFound {
        from: 0,
        to: 4,
        events: 3
    }));
    assert_eq!(bench.core.status().done_up_to, Some(4));
}

#[test]
fn a_failed_search_is_tried_again_where_it_was() {
    let mut bench = searching(category());
    log(&mut bench, found(&[], Some(70)));
    bench.commands();
    for pause in [200, 400, 800] {
        log(&mut bench, LogPage::Failed);
        bench.pass(Duration::from_millis(pause - 1));
        assert_eq!(bench.commands(), [""; 0], "{pause} ms");
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.commands(), ["search the log after 70"]);
    }
}

#[test]
fn a_log_that_cannot_be_searched_stops_the_subscription() {
    let mut bench = searching(category());
    log(
        &mut bench,
        LogPage::Unsearchable("no permission".to_owned()),
    );
    let PipelineState::Stopped(text) = bench.core.status().state else {
        panic!("not stopped");
    };
    assert!(
        text.contains("0 to 4") && text.contains("no permission"),
        "{text}"
    );
    assert!(text.contains("accept_unseen_below = 5"), "{text}");
    bench.commands();
    for seconds in [2, 4, 8] {
        bench.pass(Duration::from_secs(seconds - 1));
        assert_eq!(bench.commands(), [""; 0], "{seconds} s");
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.commands(), ["search the log"], "rights may be given");
        log(
            &mut bench,
            LogPage::Unsearchable("no permission".to_owned()),
        );
    }
    bench.pass(Duration::from_secs(30));
    assert_eq!(bench.commands(), ["search the log"]);
    log(&mut bench, found(&[], None));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["join 100"]);
}

#[test]
fn lost_numbers_need_the_operator_where_nothing_is_looked_up() {
    let bench = searching(CoreSettings {
        mode: Mode::AppendOnly,
        ..category()
    });
    let state = bench.core.status().state;
    assert!(matches!(state, PipelineState::Stopped(_)), "{state:?}");
}

#[test]
fn events_found_are_copied_one_by_one_without_version_check() {
    let mut bench = searching(CoreSettings {
        mode: Mode::Unversioned,
        feed: Feed::Parts,
        ..category()
    });
    bench.commands();
    log(&mut bench, found(&[("s-2", 3), ("s-2", 7)], None));
    assert_eq!(bench.commands(), ["source s-2 from 3 count 1"]);
    bench.source_events(events("s-2", [3]), 9);
    assert_eq!(
        bench.commands(),
        ["look s-2 back from end", "source s-2 from 7 count 1"]
    );
    bench.source_events(events("s-2", [8]), 9);
    bench.looked_up(LookupResult::NotFound);
    bench.written(0);
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        bench.commands(),
        ["append s-2 after nothing: 3", "join 100"],
        "7 is not shown any more"
    );
}

#[test]
fn accepted_numbers_are_passed_over_and_said_once() {
    let mut bench = Bench::joined(CoreSettings {
        accept_unseen_below: 5,
        ..category()
    });
    first_is(&mut bench, 5);
    assert_eq!(bench.commands(), Vec::<String>::new(), "stays");
    let accepted = Report::UnseenAccepted { from: 0, to: 4 };
    assert!(bench.reports().contains(&accepted));
    assert_eq!(bench.core.status().done_up_to, Some(4));
    assert_eq!(bench.core.status().state, PipelineState::Running);
}

#[test]
fn acceptance_does_not_cover_later_numbers() {
    let mut bench = Bench::joined(CoreSettings {
        accept_unseen_below: 3,
        ..category()
    });
    first_is(&mut bench, 5);
    let reports = bench.reports();
    assert!(reports.contains(&Report::UnseenAccepted { from: 0, to: 2 }));
    assert!(reports.contains(&Report::Unseen { from: 3, to: 4 }));
}

#[test]
fn a_skipped_number_is_asked_for_before_acknowledging() {
    let mut bench = Bench::joined(category());
    first_is(&mut bench, 0);
    bench.begun("s-1");
    bench.deliver_as(3, Item::Event(event("s-1", 1)));
    bench.written(1);
    assert_eq!(
        bench.commands(),
        ["append s-1 after 0: 1", "first link from 1"]
    );
    first_is(&mut bench, 1);
    assert_eq!(bench.commands(), ["ack 3"], "an ordinary hole");
}

#[test]
fn a_page_that_ends_below_the_question_is_asked_again() {
    let mut bench = Bench::joined_to(
        category(),
        GroupSeen {
            checkpoint: Some(8),
            last_number: Some(12),
            ..group()
        },
    );
    page(&mut bench, Vec::new(), 5);
    bench.commands();
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        bench.commands(),
        ["first link from 8"],
        "the node is behind"
    );
    page(&mut bench, Vec::new(), 8);
    assert_eq!(bench.core.status().state, PipelineState::Running);
}

#[test]
fn unanswered_question_ends_the_session_in_time() {
    for fails in [true, false] {
        let mut bench = Bench::joined(category());
        bench.deliver("s-1", 0);
        bench.looked_up(LookupResult::NotDeleted);
        bench.written(0);
        bench.commands();
        if fails {
            let read = bench.last_read();
            let page = LinkPage::Failed;
            bench.input(Input::LinksRead { read, page });
        }
        bench.pass(Duration::from_secs(30));
        assert_eq!(bench.commands().of("leave"), ["leave Waiting"]);
        assert_eq!(bench.core.status().source_answers, Some(false));
    }
}

#[test]
fn a_whole_stream_of_unreadable_links_is_searched_for() {
    let mut bench = Bench::joined(category());
    page(&mut bench, Vec::new(), 4);
    assert!(bench.reports().contains(&Report::Unseen { from: 0, to: 4 }));
}

#[test]
fn a_hole_that_cannot_be_read_any_more_is_lost() {
    let mut bench = Bench::joined(category());
    first_is(&mut bench, 0);
    bench.begun("s-1");
    bench.deliver_as(3, Item::Event(event("s-1", 1)));
    first_is(&mut bench, 1);
    bench.written(1);
    bench.commands();
    bench.pass(Duration::from_secs(120));
    assert_eq!(bench.commands(), ["links from 1 count 2"]);
    page(&mut bench, vec![(3, Item::Event(event("s-1", 1)))], 3);
    assert!(bench.reports().contains(&Report::Unseen { from: 1, to: 2 }));
}

#[test]
fn what_was_dropped_is_searched_for_from_the_beginning() {
    let mut bench = searching(category());
    log(&mut bench, found(&[("s-2", 1)], Some(70)));
    bench.source_events(vec![event("s-2", 1)], 1);
    bench.looked_up(LookupResult::Denied);
    // No stream may be read: the subscription stops, and what waits is dropped.
    bench.pass(Duration::from_secs(15));
    bench.commands();
    bench.input(Input::GroupSeen(group()));
    bench.pass(Duration::from_secs(1));
    assert!(bench.commands().contains(&"search the log".to_owned()));
}

#[test]
fn a_node_behind_the_log_is_asked_again_for_its_event() {
    let mut bench = searching(CoreSettings {
        feed: Feed::Parts,
        ..settings()
    });
    log(&mut bench, found(&[("s-2", 3)], None));
    bench.source(SourcePage::Events {
        events: Vec::new(),
        last: 2,
    });
    bench.commands();
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["source s-2 from 3 count 1"]);
}
