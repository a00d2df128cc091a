//! Denials: nothing is held or parked before the same credentials were allowed elsewhere.

use std::time::Duration;

use super::{Bench, events, settings};
use crate::port::{
    AppendOutcome, CoreSettings, Input, LookupId, LookupResult, MetadataOutcome, PipelineState,
    Report, Rights,
};

/// A quarter of the group's message timeout.
const PATIENCE: Duration = Duration::from_secs(15);

fn rights(bench: &mut Bench, rights: Rights) {
    let ask = LookupId(bench.newest_lookup());
    bench.input(Input::RightsSeen { ask, rights });
}

/// `s-2` is denied its first append; something was written to `s-1` before.
fn denied_after_a_write() -> Bench {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-2", 0);
    bench.looked_up(LookupResult::NotDeleted);
    bench.append_answered(AppendOutcome::Denied);
    assert_eq!(
        bench.commands(),
        [
            "look s-2 metadata",
            "append s-2 after nothing: 0",
            "ask rights s-1"
        ]
    );
    bench
}

#[test]
fn denied_stream_is_held_once_another_was_allowed() {
    let mut bench = denied_after_a_write();
    rights(&mut bench, Rights::Allowed);
    assert_eq!(
        bench.commands(),
        ["look s-2 from 0 count 1"],
        "tried again at once"
    );
    bench.looked_up(LookupResult::NotFound);
    bench.append_answered(AppendOutcome::Denied);
    let commands = bench.commands();
    assert_eq!(commands[0], "append s-2 after nothing: 0");
    assert!(
        commands[1].starts_with("park 1 ditto: refused: "),
        "{commands:?}"
    );
    assert_eq!(bench.core.status().held, [0, 0, 1, 0]);
}

#[test]
fn accepted_append_elsewhere_proves_a_denial_sent_before_it() {
    let mut bench = denied_after_a_write();
    bench.pass(Duration::from_millis(1));
    bench.deliver("s-1", 1);
    bench.commands();
    bench.written(1);
    assert_eq!(bench.commands(), ["look s-2 from 0 count 1", "ack 2"]);
    bench.looked_up(LookupResult::NotFound);
    bench.append_answered(AppendOutcome::Denied);
    assert_eq!(bench.core.status().held, [0, 0, 1, 0]);
}

#[test]
fn append_sent_before_the_denial_proves_nothing() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.begun("s-3");
    bench.deliver("s-1", 1);
    let earlier = bench.newest_append();
    bench.pass(Duration::from_millis(1));
    bench.deliver("s-2", 0);
    bench.looked_up(LookupResult::NotDeleted);
    bench.append_answered(AppendOutcome::Denied);
    bench.commands();
    bench.answered(earlier, AppendOutcome::Written(1));
    assert_eq!(bench.commands(), ["ack 2"], "s-2 is not tried again for it");
}

#[test]
fn rights_lost_everywhere_stop_the_subscription_and_park_nothing() {
    for answer in [Rights::Denied, Rights::Unknown] {
        let mut bench = denied_after_a_write();
        let mut seen = Vec::new();
        for _ in 0..20 {
            rights(&mut bench, answer);
            bench.pass(Duration::from_secs(1));
            if bench
                .commands()
                .contains(&"append s-2 after nothing: 0".to_owned())
            {
                bench.append_answered(AppendOutcome::Denied);
            }
            bench.lookup_of("s-2", LookupResult::NotFound);
            bench.append_answered(AppendOutcome::Denied);
            seen.extend(bench.commands());
        }
        assert!(bench.now >= PATIENCE);
        assert_eq!(
            bench.core.status().state,
            PipelineState::Stopped(
                "no permission to write any stream at the destination".to_owned()
            )
        );
        assert_eq!(bench.core.status().held, [0; 4]);
        assert!(
            !seen.iter().any(|line| line.starts_with("park")),
            "{seen:?}"
        );
    }
}

#[test]
fn streams_denied_before_anything_was_written_hold_nothing() {
    let mut bench = Bench::joined(settings());
    for stream in ["a-1", "b-1", "c-1", "d-1"] {
        bench.deliver(stream, 0);
        bench.looked_up(LookupResult::NotDeleted);
        bench.append_answered(AppendOutcome::Denied);
    }
    let commands = bench.commands();
    let lost = |line: &String| line.starts_with("park") || line.starts_with("ack");
    assert!(!commands.iter().any(lost), "{commands:?}");
    assert_eq!(bench.core.status().state, PipelineState::Running);
    bench.pass(PATIENCE);
    assert!(matches!(
        bench.core.status().state,
        PipelineState::Stopped(_)
    ));
}

#[test]
fn rights_that_come_back_in_time_cost_nothing() {
    let mut bench = denied_after_a_write();
    rights(&mut bench, Rights::Denied);
    bench.pass(Duration::from_secs(1));
    bench.commands();
    bench.lookup_of("s-2", LookupResult::NotFound);
    assert!(
        bench
            .commands()
            .contains(&"append s-2 after nothing: 0".to_owned())
    );
    bench.written(0);
    assert!(bench.commands().contains(&"ack 1".to_owned()));
    bench.pass(PATIENCE);
    assert_eq!(bench.core.status().state, PipelineState::Running);
}

#[test]
fn denied_read_is_proven_by_a_read_of_another_stream() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-2", 0);
    bench.looked_up(LookupResult::Denied);
    assert_eq!(bench.commands(), ["look s-2 metadata", "look s-1 metadata"]);
    bench.looked_up(LookupResult::NotDeleted);
    assert_eq!(bench.commands(), ["look s-2 from 0 count 1"]);
    bench.looked_up(LookupResult::Denied);
    assert_eq!(bench.core.status().held, [0, 0, 1, 0]);
}

#[test]
fn denied_read_of_metadata_is_reported_as_that() {
    let mut bench = Bench::joined(settings());
    bench.begun("s-1");
    bench.deliver("s-2", 0);
    bench.looked_up(LookupResult::MetadataDenied);
    assert_eq!(bench.commands(), ["look s-2 metadata", "look s-1 metadata"]);
    bench.looked_up(LookupResult::NotDeleted);
    assert_eq!(bench.commands(), ["look s-2 from 0 count 1"]);
    bench.looked_up(LookupResult::MetadataDenied);
    let text = "no permission to read this stream's metadata ($mr) at the destination";
    let is_told =
        |report: &Report| matches!(report, Report::Held { text: reported, .. } if reported == text);
    assert!(bench.reports().iter().any(is_told));
}

#[test]
fn denied_metadata_is_not_taken_for_a_denied_stream_at_once() {
    let mut bench = Bench::joined(CoreSettings {
        time_to_live: Some(Duration::from_secs(60)),
        ..settings()
    });
    bench.deliver("s-1", 0);
    bench.looked_up(LookupResult::NotDeleted);
    let write = bench.last_write();
    bench.input(Input::MetadataDone {
        write,
        outcome: MetadataOutcome::Denied,
    });
    assert_eq!(bench.core.status().held, [0; 4]);
    bench.pass(PATIENCE);
    assert!(matches!(
        bench.core.status().state,
        PipelineState::Stopped(_)
    ));
}

#[test]
fn denied_metadata_ends_the_repair_before_it() {
    let mut bench = Bench::looking_up(CoreSettings {
        time_to_live: Some(Duration::from_secs(60)),
        ..settings()
    });
    bench.looked_up(LookupResult::NotFound);
    bench.source_events(events("s-1", 0..5), 9);
    assert_eq!(
        bench.commands(),
        ["source s-1 from 0 count 5", "metadata s-1 Some(60s) None"]
    );
    assert_eq!(bench.core.status().repairs, 1);
    let write = bench.last_write();
    let outcome = MetadataOutcome::Denied;
    bench.input(Input::MetadataDone { write, outcome });
    assert_eq!(
        bench.core.status().repairs,
        0,
        "nothing is known of the stream: what is missing there neither"
    );
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.commands(), ["look s-1 from 0 count 6"], "tried again");
}

#[test]
fn denied_read_elsewhere_proves_nothing() {
    for answer in [
        LookupResult::Denied,
        LookupResult::Failed,
        LookupResult::Refused("no".to_owned()),
    ] {
        let mut bench = Bench::joined(settings());
        bench.begun("s-1");
        bench.deliver("s-2", 0);
        bench.looked_up(LookupResult::Denied);
        bench.commands();
        bench.lookup_of("s-1", answer);
        assert_eq!(bench.commands(), [""; 0]);
        // Asked again after a pause, in which the stream itself is tried as well.
        bench.pass(Duration::from_millis(200));
        let asked = bench.commands();
        assert_eq!(asked, ["look s-1 metadata", "look s-2 from 0 count 1"]);
        bench.lookup_of("s-2", LookupResult::Denied);
        assert_eq!(bench.core.status().held, [0; 4]);
    }
}

#[test]
fn rights_lost_everywhere_are_noticed_after_a_quarter_to_the_moment() {
    let mut bench = Bench::joined_to(
        settings(),
        super::GroupSeen {
            message_timeout: Duration::from_millis(10_400),
            ..super::group()
        },
    );
    bench.deliver("s-1", 0);
    bench.looked_up(LookupResult::Denied);
    bench.pass(Duration::from_millis(2_599));
    assert_eq!(bench.core.status().state, PipelineState::Running);
    bench.pass(Duration::from_millis(1));
    assert_ne!(bench.core.status().state, PipelineState::Running);
}

#[test]
fn rights_are_asked_for_once_at_a_time_and_after_a_pause() {
    let mut bench = denied_after_a_write();
    let denies = |bench: &mut Bench, stream: &str| {
        bench.deliver(stream, 0);
        bench.lookup_of(stream, LookupResult::NotDeleted);
        bench.append_answered(AppendOutcome::Denied);
        let commands = bench.commands();
        commands.contains(&"ask rights s-1".to_owned())
    };
    let asked = LookupId(bench.newest_lookup());
    assert!(!denies(&mut bench, "s-3"), "one question is under way");
    bench.input(Input::RightsSeen {
        ask: asked,
        rights: Rights::Denied,
    });
    assert!(!denies(&mut bench, "s-4"), "it was answered just now");
    bench.pass(Duration::from_millis(199));
    let early = bench.commands();
    assert!(!early.contains(&"ask rights s-1".to_owned()), "{early:?}");
    bench.pass(Duration::from_millis(1));
    let asked = bench.commands();
    assert!(asked.contains(&"ask rights s-1".to_owned()), "{asked:?}");
}

#[test]
fn rights_that_cannot_be_proven_are_asked_for_ever_less_often() {
    let mut bench = denied_after_a_write();
    for after in [200, 400, 800, 1600] {
        let ask = bench.lookups[&"s-1".into()];
        bench.input(Input::RightsSeen {
            ask,
            rights: Rights::Unknown,
        });
        bench.pass(Duration::from_millis(after - 1));
        assert_eq!(bench.lookups[&"s-1".into()], ask, "{after} ms");
        bench.pass(Duration::from_millis(1));
        assert_ne!(bench.lookups[&"s-1".into()], ask, "{after} ms");
    }
}
