//! What the status makes of readings. Never involves a pipeline.

use std::time::SystemTime;

use super::view::TICKS_PER_SECOND;
use super::*;

fn seen(done_up_to: Option<u64>, last_number: Option<u64>) -> Status {
    Status {
        state: PipelineState::Running,
        buffer_size: 1000,
        append_limit: 256,
        source_answers: Some(true),
        destination_answers: Some(true),
        done_up_to,
        last_number,
        ..Status::default()
    }
}

fn group(checkpoint: Option<u64>, start: Option<u64>, last_number: Option<u64>) -> GroupSeen {
    GroupSeen {
        message_timeout: Duration::from_secs(60),
        max_retry_count: 1000,
        checkpoint,
        start,
        parked: 0,
        parked_readable: None,
        last_number,
    }
}

fn entry() -> (Arc<ProcessStatus>, Arc<Entry>) {
    let status = ProcessStatus::new();
    let entry = status.add(&SubscriptionKey {
        stream: "$ce-customer".into(),
        group: "g".into(),
    });
    (status, entry)
}

#[test]
fn lag_is_true_in_every_situation() {
    let million = Some(999_999);
    let rows = [
        ("an empty stream", group(None, Some(0), None), None, Some(0)),
        (
            "nothing copied yet",
            group(None, Some(0), million),
            Some((None, million)),
            Some(1_000_000),
        ),
        (
            "half of it copied",
            group(None, Some(0), million),
            Some((Some(499_999), million)),
            Some(500_000),
        ),
        (
            "all of it copied",
            group(None, Some(0), million),
            Some((million, million)),
            Some(0),
        ),
        (
            "just started, the group has a checkpoint",
            group(Some(899_999), Some(0), million),
            None,
            Some(100_000),
        ),
        (
            "standby, somebody else copies",
            group(Some(999_998), Some(0), million),
            Some((None, None)),
            Some(1),
        ),
        (
            "ditto is ahead of the checkpoint",
            group(Some(10), Some(0), million),
            Some((Some(999_989), million)),
            Some(10),
        ),
        (
            "the stream grew since the last reading",
            group(None, Some(0), Some(9)),
            Some((Some(4), Some(4))),
            Some(5),
        ),
        (
            "a group that starts later",
            group(None, Some(900_000), million),
            Some((None, million)),
            Some(100_000),
        ),
        (
            "a group from the end",
            group(None, None, million),
            Some((None, million)),
            Some(0),
        ),
        (
            "a stream that was truncated",
            group(None, Some(0), Some(4)),
            Some((Some(9), Some(4))),
            Some(0),
        ),
    ];
    for (name, group, reading, expected) in rows {
        let (status, entry) = entry();
        assert_eq!(status.views()[0].lag_events(), None, "{name}: not seen yet");
        entry.group(&group);
        if let Some((done, last)) = reading {
            entry.status(&seen(done, last));
        }
        assert_eq!(status.views()[0].lag_events(), expected, "{name}");
    }
}

#[test]
fn the_age_of_the_oldest_open_event_outlasts_a_disconnection() {
    let (status, entry) = entry();
    let created = 1_700_000_000;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_090);
    let lag = || status.views()[0].lag_time(now);
    assert_eq!(lag(), None, "not seen yet");
    entry.group(&group(None, Some(0), Some(9)));
    let open = Status {
        oldest_created: Some(created * TICKS_PER_SECOND),
        ..seen(Some(4), Some(9))
    };
    entry.status(&open);
    assert_eq!(lag(), Some(Duration::from_secs(90)));
    // Everything was given back: nothing is held, and yet nothing was done.
    entry.status(&seen(Some(4), Some(9)));
    assert_eq!(lag(), Some(Duration::from_secs(90)));
    entry.status(&seen(Some(9), Some(9)));
    assert_eq!(lag(), Some(Duration::ZERO));
}

#[test]
fn a_stall_is_unhealthy_until_something_moves() {
    let (status, entry) = entry();
    let is_stalled = || status.views()[0].is_stalled();
    entry.failed("it stood still".to_owned(), true);
    assert!(is_stalled());
    entry.begin();
    entry.status(&seen(None, Some(9)));
    assert!(
        is_stalled(),
        "the first reading of a new run is no progress"
    );
    entry.status(&Status {
        progress: 1,
        ..seen(Some(0), Some(9))
    });
    assert!(!is_stalled());
    entry.failed("it panicked".to_owned(), false);
    assert!(!is_stalled());
}

#[test]
fn the_summary_counts_running_subscriptions_and_mirrors() {
    for (keys, expected) in [
        (&[("$ce-a", false)][..], "0 subscriptions running"),
        (&[("$all", true)], "1 mirror running"),
        (&[("$all", true), ("$all", true)], "2 mirrors running"),
        (
            &[("$ce-a", true), ("$all", false)],
            "1 subscription and 0 mirrors running",
        ),
        (
            &[("$ce-a", true), ("$ce-b", true), ("$all", true)],
            "2 subscriptions and 1 mirror running",
        ),
    ] {
        let status = ProcessStatus::new();
        for (number, (stream, runs)) in keys.iter().enumerate() {
            let entry = status.add(&SubscriptionKey {
                stream: (*stream).into(),
                group: format!("g{number}").into(),
            });
            if *runs {
                entry.state(PipelineState::Running);
            }
        }
        let summary = status.summary();
        let running = summary.split(',').next();
        assert_eq!(running, Some(expected), "{summary}");
    }
}

#[test]
fn the_summary_names_what_is_not_running_and_why() {
    let status = ProcessStatus::new();
    assert_eq!(status.summary(), "no subscriptions or mirrors configured");
    let entries: Vec<_> = (0..6)
        .map(|number| {
            status.add(&SubscriptionKey {
                stream: "$ce-orders".into(),
                group: format!("g{number}").into(),
            })
        })
        .collect();
    for entry in &entries {
        entry.state(PipelineState::Running);
    }
    assert_eq!(status.summary(), "6 subscriptions running");
    entries[0].trouble(Side::Destination, "the destination refused\nthe connection");
    entries[0].state(PipelineState::Retrying(Side::Destination));
    entries[1].state(PipelineState::Standby);
    let expected = "4 subscriptions running, 1 retrying: $ce-orders::g0 (the destination refused the connection), \
                    1 standby: $ce-orders::g1 (another consumer has the group)";
    assert_eq!(status.summary(), expected);
    for entry in &entries[1..] {
        entry.state(PipelineState::Stopped("denied".to_owned()));
    }
    assert!(
        status
            .summary()
            .ends_with("$ce-orders::g3 (denied) and 2 more"),
        "{}",
        status.summary()
    );
    let held = Status {
        held: [1, 0, 2, 0],
        ..seen(None, None)
    };
    entries[0].status(&held);
    assert!(
        status.summary().ends_with(", 3 streams held"),
        "{}",
        status.summary()
    );
}

#[tokio::test(start_paused = true)]
async fn the_history_keeps_ten_minutes_and_no_more() {
    let (status, entry) = entry();
    // As often as the supervisor ticks, for a quarter of an hour, ten events a second.
    for _ in 0..1_800 {
        status.sample(Instant::now());
        entry.copied(5, 0);
        tokio::time::advance(Duration::from_millis(500)).await;
    }
    let histories = status.histories();
    let (key, samples) = &histories[0];
    assert_eq!(key.to_string(), "$ce-customer::g");
    assert_eq!(samples.len(), 120);
    let (first, last) = (&samples[0], &samples[119]);
    assert_eq!(last.at - first.at, Duration::from_secs(595));
    assert!(
        samples.iter().all(|sample| sample.rate == 10.0),
        "{samples:?}"
    );
    assert_eq!((last.lag, last.state), (None, "connecting"));
    assert_eq!(status.views()[0].rate, 10.0);
    status.remove(key);
    assert!(status.histories().is_empty(), "gone with its subscription");
}

#[test]
fn the_last_error_is_kept_whoever_it_came_from() {
    let (status, entry) = entry();
    entry.trouble(Side::Destination, "connection refused");
    let last = status.views()[0].last_error.clone();
    assert_eq!(last.expect("an error").0, "connection refused");
    entry.failed("it panicked".to_owned(), false);
    let last = status.views()[0].last_error.clone();
    assert_eq!(last.expect("an error").0, "it panicked");
}

#[test]
fn what_a_side_answers_follows_the_state_at_once() {
    let (status, entry) = entry();
    let answers = |side| status.views()[0].answers(side);
    assert_eq!(answers(Side::Destination), None);
    entry.status(&seen(None, None));
    entry.state(PipelineState::Retrying(Side::Destination));
    assert_eq!(answers(Side::Destination), Some(false));
    assert_eq!(answers(Side::Source), Some(true));
    entry.state(PipelineState::Running);
    assert_eq!(answers(Side::Destination), Some(true));
}
