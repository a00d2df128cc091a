//! Each way in which a server fails, one after the other: everything arrives once, nothing is held or parked.

use std::time::Duration;

use devstore::{Ending, Fault, FaultKind, Server, Startup};

use crate::support::groups::{self, eager};
use crate::support::{Copying, Servers, seed, subscription, until};

const STREAMS: u64 = 30;

/// Copies between two servers with a fault on one of them, which must strike.
async fn survives(name: &str, fault: Fault, on: impl Fn(&Servers) -> &Server) {
    let servers = Servers::start().await;
    groups::create(&servers.source, "$ce-customer", "ditto", eager()).await;
    for number in 0..STREAMS {
        seed(servers.source.store(), &format!("customer-{number}"), 5);
    }
    let counted = !matches!(
        fault.fault,
        FaultKind::RefuseConnections | FaultKind::HalfOpen
    );
    let faults = on(&servers).faults();
    let id = faults.add(fault);
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    if counted {
        until(&format!("{name} strikes"), || match faults.struck(id) {
            Some(0) | None => Err("it has not"),
            Some(_) => Ok(()),
        })
        .await;
    }
    for number in 0..STREAMS {
        seed(servers.source.store(), &format!("customer-{number}"), 5);
    }
    until(&format!("everything is copied despite {name}"), || {
        servers.difference()
    })
    .await;
    servers.until_written(STREAMS * 10).await;
    println!("without loss despite {name}");
    copying.until_done_without_loss(&servers).await;
}

fn in_call(call: &str, fault: FaultKind, times: u32) -> Fault {
    Fault::new(fault).in_call(call).times(times)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_may_refuse_connections_or_take_and_never_serve_them() {
    let for_a_second = |fault| Fault::new(fault).lasting(Duration::from_secs(1));
    survives(
        "refused connections",
        for_a_second(FaultKind::RefuseConnections),
        |servers| &servers.destination,
    )
    .await;
    survives(
        "half-open connections",
        for_a_second(FaultKind::HalfOpen),
        |servers| &servers.destination,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_refuse_connections_or_take_and_never_serve_them() {
    let for_a_second = |fault| Fault::new(fault).lasting(Duration::from_secs(1));
    survives(
        "refused connections",
        for_a_second(FaultKind::RefuseConnections),
        |servers| &servers.source,
    )
    .await;
    survives(
        "half-open connections",
        for_a_second(FaultKind::HalfOpen),
        |servers| &servers.source,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_calls_may_end_at_any_point() {
    for written in [true, false] {
        let ends = in_call("BatchAppend", FaultKind::BatchEnds { written }, 3).after(2);
        survives(
            &format!("calls that end, written: {written}"),
            ends,
            |servers| &servers.destination,
        )
        .await;
    }
    let cleanly = in_call("BatchAppend", FaultKind::EndCleanly, 2);
    survives("calls that end with OK", cleanly, |servers| {
        &servers.destination
    })
    .await;
}

/// A proxy that restarts does that, and reads are answered meanwhile: no proof against the event that was on the calls.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_call_ends_four_times_in_a_row_is_not_parked() {
    let servers = Servers::start().await;
    let ends = FaultKind::BatchEnds { written: false };
    let faults = servers.destination.faults();
    let id = faults.add(in_call("BatchAppend", ends, 4));
    seed(servers.source.store(), "customer-0", 1);
    let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    servers.until_equal().await;
    assert_eq!(faults.struck(id), Some(4));
    copying.until_done_without_loss(&servers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_may_come_late_out_of_order_or_for_nobody() {
    let rows = [
        FaultKind::BatchLate { ms: 300 },
        FaultKind::BatchReordered,
        FaultKind::BatchStray,
    ];
    for fault in rows {
        survives(
            &format!("{fault:?}"),
            in_call("BatchAppend", fault, 5),
            |servers| &servers.destination,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_may_not_be_ready() {
    survives(
        "not ready",
        in_call("BatchAppend", FaultKind::BatchNotReady, 4),
        |servers| &servers.destination,
    )
    .await;
    survives(
        "undecided",
        in_call("BatchAppend", FaultKind::BatchUndecided, 4),
        |servers| &servers.destination,
    )
    .await;
    survives(
        "unavailable",
        in_call("BatchAppend", FaultKind::Unavailable, 4),
        |servers| &servers.destination,
    )
    .await;
    survives(
        "unavailable reads",
        in_call("Streams/Read", FaultKind::Unavailable, 4),
        |servers| &servers.source,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_append_that_is_too_large_is_sent_one_by_one() {
    let limit = Fault::new(FaultKind::SizeLimit { bytes: 100 }).in_call("BatchAppend");
    survives("a small limit", limit, |servers| &servers.destination).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_nobody_answers_is_sent_again() {
    let silent = in_call("BatchAppend", FaultKind::Unanswered, 1);
    survives("a silent call", silent, |servers| &servers.destination).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_may_end_in_ways_that_make_the_client_panic() {
    let read = "PersistentSubscriptions/Read";
    survives(
        "an end with OK",
        in_call(read, FaultKind::EndCleanly, 2),
        |servers| &servers.source,
    )
    .await;
    survives(
        "a slow consumer",
        in_call(read, FaultKind::ConsumerTooSlow, 2),
        |servers| &servers.source,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_a_starting_source_may_stay_unanswered() {
    let rows = [
        ("PersistentSubscriptions/Read", FaultKind::Unanswered),
        ("PersistentSubscriptions/GetInfo", FaultKind::Unanswered),
        ("PersistentSubscriptions/Read", FaultKind::Unavailable),
        ("PersistentSubscriptions/GetInfo", FaultKind::Unavailable),
    ];
    for (call, fault) in rows {
        let times = if fault == FaultKind::Unavailable {
            4
        } else {
            1
        };
        survives(
            &format!("{call}: {fault:?}"),
            in_call(call, fault, times),
            |servers| &servers.source,
        )
        .await;
    }
}

/// The crate's client is dead for good after the first of these that fails (protocol §11 T1, T2).
#[tokio::test(flavor = "multi_thread")]
async fn a_source_may_not_say_what_it_can_do() {
    for (fault, times) in [(FaultKind::Unavailable, 3), (FaultKind::Unanswered, 1)] {
        survives(
            &format!("GetSupportedMethods: {fault:?}"),
            in_call("GetSupportedMethods", fault, times),
            |servers| &servers.source,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_may_deliver_twice_or_out_of_order() {
    for fault in [FaultKind::DeliverTwice, FaultKind::DeliverOutOfOrder] {
        survives(
            &format!("{fault:?}"),
            Fault::new(fault).times(20).after(3),
            |servers| &servers.source,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_may_end_in_every_way_and_start_slowly() {
    for ending in [Ending::Kill, Ending::Terminate, Ending::Shutdown] {
        let servers = Servers::start().await;
        for number in 0..STREAMS {
            seed(servers.source.store(), &format!("customer-{number}"), 20);
        }
        let copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
        let slowly = Startup {
            without_leader: Duration::from_millis(500),
            subsystems: Duration::from_millis(1500),
        };
        for server in [&servers.destination, &servers.source] {
            copying.until_running().await;
            for number in 0..STREAMS {
                seed(servers.source.store(), &format!("customer-{number}"), 3);
            }
            server.end(ending).await;
            server.begin(slowly).await.unwrap();
        }
        until(&format!("everything is copied after {ending:?}"), || {
            servers.difference()
        })
        .await;
        servers.until_written(STREAMS * 26).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_counts_as_many_open_calls_as_before() {
    let servers = Servers::start().await;
    let settings = subscription("$ce-customer", "ditto");
    for number in 0..STREAMS {
        seed(servers.source.store(), &format!("customer-{number}"), 5);
    }
    let copying = Copying::start(&servers, settings.clone());
    servers.until_equal().await;
    let before = servers.source.counters().open_calls;
    let ends = in_call(
        "PersistentSubscriptions/Read",
        FaultKind::ConsumerTooSlow,
        5,
    );
    let id = servers.source.faults().add(ends);
    until("every call was ended", || {
        match servers.source.faults().struck(id) {
            Some(4) => Ok(()),
            struck => Err(format!("{struck:?}")),
        }
    })
    .await;
    copying.until_running().await;
    seed(servers.source.store(), "customer-0", 5);
    servers.until_equal().await;
    until("no call is left over", || {
        match servers.source.counters().open_calls {
            calls if calls <= before => Ok(()),
            calls => Err(format!("{calls}, not {before}")),
        }
    })
    .await;
}
