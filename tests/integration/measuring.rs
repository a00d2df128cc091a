//! Prints how fast a backlog is copied, and with how many appends. Measures; asserts only that all is copied.

use std::time::Instant;

use crate::support::servers::seed_interleaved;
use crate::support::{Copying, Servers, subscription, until};

const STREAMS: usize = 100;
const EVENTS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_events_over_a_hundred_streams() {
    let servers = Servers::start().await;
    let streams: Vec<String> = (0..STREAMS)
        .map(|number| format!("customer-{number}"))
        .collect();
    seed_interleaved(servers.source.store(), &streams, EVENTS);
    let began = Instant::now();
    let _copying = Copying::start(&servers, subscription("$ce-customer", "ditto"));
    let expected = STREAMS as u64 * EVENTS;
    until("all is written", || {
        match servers.destination.counters().appended_events {
            events if events == expected => Ok(()),
            events => Err(events),
        }
    })
    .await;
    let seconds = began.elapsed().as_secs_f64();
    let counters = servers.destination.counters();
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or("unknown")
        .trim();
    servers.until_equal().await;
    println!(
        "{} events in {seconds:.2} s: {:.0} events/s, {} appends; peak memory of both servers and the pipeline {peak}",
        counters.appended_events,
        f64::from(u32::try_from(counters.appended_events).unwrap_or(u32::MAX)) / seconds,
        counters.appends,
    );
}
