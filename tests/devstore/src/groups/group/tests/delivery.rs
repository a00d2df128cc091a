//! Who gets what, how often: slots, answers, time, leaving, strategies. Never looks at checkpoints.

use super::*;

#[test]
fn slots_bound_what_is_in_flight_and_every_answer_frees_one() {
    let mut bench = Bench::new(
        Settings {
            max_retry_count: 2,
            ..settings()
        },
        6,
    );
    assert_eq!(
        bench.join(1, 3),
        ["0 to 1 retry 0", "1 to 1 retry 0", "2 to 1 retry 0"]
    );
    assert_eq!(bench.ack(&[0]), ["3 to 1 retry 0"]);
    assert_eq!(bench.nack(1, Nack::Retry), ["1 to 1 retry 1"]);
    assert_eq!(bench.nack(1, Nack::Skip), ["4 to 1 retry 0"]);
    assert_eq!(
        bench.nack(2, Nack::Park),
        [
            "park 2: Client explicitly NAK'ed message. because",
            "5 to 1 retry 0"
        ]
    );
    assert_eq!(
        bench.ack(&[99, 0]),
        [""; 0],
        "unknown ids and ids of events already done with do nothing"
    );
    assert_eq!(bench.ack(&[3, 4, 5]), [""; 0]);
    assert_eq!(bench.group.info(0).outstanding, 0);
    assert_eq!(bench.write(6), ["6 to 1 retry 0"]);
}

#[test]
fn a_consumer_without_slots_gets_nothing() {
    let mut bench = Bench::new(settings(), 3);
    assert_eq!(bench.join(1, 0), [""; 0]);
    assert_eq!(bench.join(2, 1), ["0 to 2 retry 0"]);
}

#[test]
fn time_runs_out_at_the_tick_and_the_limit_parks() {
    // (timeout, most retries, what the seconds bring)
    let cases: [(i32, i32, &[&str]); 4] = [
        (
            1_000,
            2,
            &[
                "0 to 1 retry 1",
                "0 to 1 retry 2",
                "park 0: Reached retry count of 2",
            ],
        ),
        (1_000, 0, &["park 0: Reached retry count of 0"]),
        (
            0,
            1,
            &["0 to 1 retry 1", "park 0: Reached retry count of 1"],
        ),
        (2_500, 10, &["0 to 1 retry 1"]),
    ];
    for (message_timeout_ms, max_retry_count, expected) in cases {
        let mut bench = Bench::new(
            Settings {
                message_timeout_ms,
                max_retry_count,
                ..settings()
            },
            1,
        );
        assert_eq!(bench.join(1, 10), ["0 to 1 retry 0"]);
        assert_eq!(
            bench.seconds(5),
            expected,
            "timeout {message_timeout_ms}, retries {max_retry_count}"
        );
    }
}

#[test]
fn leaving_counts_a_retry_but_never_parks_and_keeps_the_order() {
    let mut bench = Bench::new(
        Settings {
            max_retry_count: 1,
            ..settings()
        },
        6,
    );
    bench.join(1, 4);
    assert_eq!(bench.ack(&[1]), ["4 to 1 retry 0"]);
    bench.leave(1);
    let info = bench.group.info(0);
    assert_eq!(
        (info.retry_buffer, info.read_buffer, info.outstanding),
        (4, 1, 0)
    );
    let again = [
        "0 to 2 retry 1",
        "2 to 2 retry 1",
        "3 to 2 retry 1",
        "4 to 2 retry 1",
        "5 to 2 retry 0",
    ];
    assert_eq!(bench.join(2, 10), again);
    bench.leave(2);
    bench.join(3, 10);
    assert_eq!(
        bench.nack(0, Nack::Retry),
        ["park 0: Reached retry count of 1"]
    );
    bench.join(4, 10);
    assert_eq!(
        bench.leave(3),
        [
            "2 to 4 retry 3",
            "3 to 4 retry 3",
            "4 to 4 retry 3",
            "5 to 4 retry 2"
        ]
    );
}

#[test]
fn strategies_spread_over_two_consumers() {
    let cases: [(Strategy, &[&str]); 3] = [
        (
            Strategy::DispatchToSingle,
            &["0 to 1", "1 to 1", "2 to 2", "3 to 2"],
        ),
        (
            Strategy::RoundRobin,
            &["0 to 1", "1 to 2", "2 to 1", "3 to 2"],
        ),
        (Strategy::Pinned, &["0 to 1", "1 to 2", "2 to 1", "3 to 2"]),
    ];
    for (strategy, expected) in cases {
        let mut bench = Bench::new(
            Settings {
                strategy,
                ..settings()
            },
            0,
        );
        bench.join(1, 2);
        bench.join(2, 2);
        let seen: Vec<String> = (0..6).flat_map(|revision| bench.write(revision)).collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|push| format!("{push} retry 0"))
            .collect();
        assert_eq!(seen, expected, "{strategy:?}");
    }
}

#[test]
fn a_full_owner_is_passed_over() {
    let mut bench = Bench::new(
        Settings {
            strategy: Strategy::Pinned,
            ..settings()
        },
        0,
    );
    bench.join(1, 2);
    bench.join(2, 2);
    let mut events = [event(0), event(4), event(8), event(1)];
    events
        .iter_mut()
        .for_each(|item| item.bucket = u16::from(item.id.as_u128() == 1));
    for item in events {
        bench.group.live(0, item);
    }
    assert_eq!(
        bench.run(),
        ["0 to 1 retry 0", "4 to 1 retry 0", "1 to 2 retry 0"]
    );
    assert_eq!(bench.ack(&[0]), ["8 to 1 retry 0"]);
}

#[test]
fn an_id_twice_in_the_source_is_pushed_twice_and_tracked_once() {
    let mut bench = Bench::new(settings(), 0);
    bench.source = vec![
        event(0),
        event(1),
        Item {
            id: id(0),
            ..event(2)
        },
        event(3),
    ];
    bench.group = Group::new(settings());
    bench.group.loaded(None, None);
    assert_eq!(
        bench.join(1, 10),
        [
            "0 to 1 retry 0",
            "1 to 1 retry 0",
            "0 to 1 retry 0",
            "3 to 1 retry 0"
        ]
    );
    assert_eq!(bench.group.info(0).outstanding, 3);
    assert_eq!(bench.ack(&[0, 1, 3]), [""; 0]);
    assert_eq!(bench.group.info(0).outstanding, 0);
    assert_eq!(
        bench.seconds(60),
        [""; 0],
        "the second one is never retried"
    );
}
