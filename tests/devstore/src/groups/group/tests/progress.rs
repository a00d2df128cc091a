//! How far a group has come: checkpoints, reloads, starts, backlogs, replays. Never looks at strategies.

use super::*;

#[test]
fn checkpoints_follow_the_lowest_event_not_done_with() {
    let quick = Settings {
        min_checkpoint_count: 1,
        checkpoint_after_ms: 1_000,
        ..settings()
    };
    let mut bench = Bench::new(quick, 12);
    bench.join(1, 20);
    assert_eq!(bench.seconds(3), [""; 0], "nothing acknowledged");
    bench.ack(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(bench.seconds(1), ["checkpoint 5"]);
    bench.ack(&[7]);
    assert_eq!(bench.seconds(3), [""; 0], "a hole holds it back");
    bench.ack(&[6]);
    assert_eq!(bench.seconds(3), ["checkpoint 7"]);
    bench.nack(8, Nack::Retry);
    bench.ack(&[9]);
    bench.leave(1);
    assert_eq!(bench.seconds(3), [""; 0], "so does a retry");
}

#[test]
fn checkpoints_wait_for_the_least_progress_and_come_at_once_at_the_most() {
    let few = Settings {
        min_checkpoint_count: 4,
        checkpoint_after_ms: 1_000,
        ..settings()
    };
    let mut bench = Bench::new(few, 12);
    bench.join(1, 20);
    bench.ack(&[0, 1, 2]);
    assert_eq!(bench.seconds(10), [""; 0]);
    bench.ack(&[3]);
    assert_eq!(bench.seconds(1), ["checkpoint 3"]);

    let never = Settings {
        max_checkpoint_count: 3,
        min_checkpoint_count: 1_000,
        checkpoint_after_ms: 3_600_000,
        ..settings()
    };
    let mut bench = Bench::new(never, 12);
    bench.join(1, 20);
    let seen: Vec<String> = (0..7).flat_map(|number| bench.ack(&[number])).collect();
    assert_eq!(seen, ["checkpoint 2", "checkpoint 5"]);
}

#[test]
fn a_reload_begins_behind_the_checkpoint_and_drops_the_first_event_it_gets() {
    // (what can be read, the checkpoint, what is delivered)
    let cases: [(&[i64], i64, &[i64]); 3] = [
        (&[0, 1, 2, 3, 4, 5], 3, &[4, 5]),
        (&[4, 5], 3, &[5]),
        (&[0, 1, 2, 3], 3, &[]),
    ];
    for (readable, checkpoint, expected) in cases {
        let mut bench = Bench::new(settings(), 0);
        bench.group = Group::new(settings());
        bench.source = readable.iter().copied().map(event).collect();
        bench.group.loaded(
            Some(Position::Stream(checkpoint)),
            Some(ParkedRange { first: 0, last: 0 }),
        );
        let expected: Vec<String> = expected
            .iter()
            .map(|revision| format!("{revision} to 1 retry 0"))
            .collect();
        assert_eq!(bench.join(1, 10), expected, "{readable:?}");
        assert_eq!(
            (
                bench.group.info(0).parked,
                bench.group.info(0).status.as_str()
            ),
            (1, "Live")
        );
    }
}

#[test]
fn a_start_is_inclusive_and_the_end_means_what_comes() {
    // (start, events there, then written, what is delivered)
    let cases: [(i64, i64, &[i64], &[i64]); 4] = [
        (1, 3, &[3], &[1, 2, 3]),
        (-1, 3, &[3], &[3]),
        (6, 4, &[4, 5, 6, 7], &[6, 7]),
        (0, 0, &[0], &[0]),
    ];
    for (start, there, written, expected) in cases {
        let mut bench = Bench::new(
            Settings {
                start: Position::Stream(start),
                ..settings()
            },
            there,
        );
        let mut seen = bench.join(1, 10);
        seen.extend(written.iter().flat_map(|revision| bench.write(*revision)));
        let expected: Vec<String> = expected
            .iter()
            .map(|revision| format!("{revision} to 1 retry 0"))
            .collect();
        assert_eq!(seen, expected, "from {start}");
    }
}

#[test]
fn a_backlog_and_a_running_source_come_in_order_once() {
    let small = Settings {
        history_buffer_size: 30,
        read_batch_size: 10,
        live_buffer_size: 10,
        ..settings()
    };
    let mut bench = Bench::new(small, 100);
    let mut waiting: VecDeque<String> = bench.join(1, 10).into();
    let mut order = Vec::new();
    while let Some(push) = waiting.pop_front() {
        let revision: i64 = push.split(' ').next().unwrap().parse().unwrap();
        waiting.extend(
            bench
                .ack(&[revision])
                .into_iter()
                .filter(|seen| seen.contains("to 1 retry 0")),
        );
        if order.len() < 150 && order.len() % 10 == 0 {
            let first = i64::try_from(bench.source.len()).unwrap();
            waiting.extend(
                (first..first + 10)
                    .flat_map(|revision| bench.write(revision))
                    .collect::<Vec<_>>(),
            );
        }
        order.push(revision);
    }
    assert_eq!(order, (0..250).collect::<Vec<i64>>());
}

#[test]
fn replayed_entries_come_last_are_answered_by_their_own_id_and_can_be_parked_again() {
    let mut bench = Bench::new(settings(), 3);
    bench.join(1, 10);
    bench.nack(1, Nack::Park);
    bench.group.replay(None);
    bench.group.replay(None);
    assert_eq!(
        bench.run(),
        ["ReadParked { from: 0, count: 20 }"],
        "a second replay does nothing while one runs"
    );
    let entry = Item {
        id: id(70),
        position: None,
        bucket: 0,
        payload: (),
    };
    bench.group.parked_page(0, vec![(0, entry)], 1, true);
    assert_eq!(
        bench.run(),
        ["TruncateParked { before: 1 }", "70 to 1 retry 0"]
    );
    assert_eq!(bench.group.info(0).parked, 0);
    assert_eq!(bench.nack(70, Nack::Retry), ["70 to 1 retry 1"]);
    assert_eq!(
        bench.nack(70, Nack::Park),
        ["park 70: Client explicitly NAK'ed message. because"]
    );
    assert_eq!(bench.group.info(0).parked, 1);
}

#[test]
fn events_left_out_by_a_filter_move_the_checkpoint_past_waiting_ones() {
    let quick = Settings {
        min_checkpoint_count: 1,
        checkpoint_after_ms: 500,
        ..settings()
    };
    let mut bench = Bench::new(quick, 3);
    bench.run();
    bench.group.skipped(0, Position::Stream(9), 1);
    assert_eq!(bench.seconds(1), ["checkpoint 9"]);
}

#[test]
fn a_source_that_cannot_be_read_drops_consumers_now_and_later() {
    let mut bench = Bench::new(settings(), 0);
    bench.group = Group::new(settings());
    bench
        .group
        .join(0, Consumer::new(ConsumerId(1), String::new(), 1));
    bench.group.loaded(None, None);
    assert!(matches!(
        bench.group.next_effect(),
        Some(Effect::ReadPage { .. })
    ));
    bench.group.page_failed();
    assert_eq!(bench.run(), ["drop 1"]);
    assert_eq!(bench.join(2, 1), ["drop 2"]);
    assert_eq!(bench.group.info(0).status, "Behind, OutstandingPageRequest");
}

#[test]
fn a_retry_after_later_events_holds_the_checkpoint_back() {
    let quick = Settings {
        min_checkpoint_count: 1,
        checkpoint_after_ms: 1_000,
        ..settings()
    };
    let mut bench = Bench::new(quick, 6);
    bench.join(1, 20);
    bench.nack(3, Nack::Retry);
    bench.ack(&[0, 1, 2, 4, 5]);
    assert_eq!(bench.seconds(3), ["checkpoint 2"]);
    bench.ack(&[3]);
    assert_eq!(bench.seconds(3), ["checkpoint 5"]);
}

#[test]
fn an_event_that_was_passed_over_holds_the_checkpoint_back() {
    let pinned = Settings {
        min_checkpoint_count: 1,
        checkpoint_after_ms: 1_000,
        strategy: Strategy::Pinned,
        ..settings()
    };
    // Of four sources in turn, each consumer with one slot owns two.
    let mut bench = Bench::new(pinned, 8);
    let mut seen = bench.join(1, 1);
    seen.extend(bench.join(2, 1));
    assert_eq!(seen, ["0 to 1 retry 0", "1 to 2 retry 0"]);
    assert_eq!(bench.ack(&[1]), ["3 to 2 retry 0"], "2 is passed over");
    assert_eq!(bench.ack(&[3]), ["5 to 2 retry 0"]);
    assert_eq!(bench.ack(&[0]), ["2 to 1 retry 0"]);
    assert_eq!(bench.ack(&[5]), ["7 to 2 retry 0"]);
    assert_eq!(bench.seconds(3), ["checkpoint 1"], "2 is not done with");
    assert_eq!(bench.ack(&[2]), ["4 to 1 retry 0"]);
    assert_eq!(bench.seconds(3), ["checkpoint 3"]);
    bench.ack(&[4]);
    bench.ack(&[6, 7]);
    assert_eq!(bench.seconds(3), ["checkpoint 7"]);
}
