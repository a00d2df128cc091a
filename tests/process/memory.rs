//! What the real program takes of the machine's memory, as the kernel counts it. Never asks ditto how much that is.

use bytes::Bytes;
use devstore::store::{Expected, Proposed, Store};
use devstore::{Fault, FaultKind};
use uuid::Uuid;

use super::support::{Ditto, Servers, seed, until};

const MIB: u64 = 1024 * 1024;

/// Beside the budget: the reserve for repairs, looks and undelivered events, what lies between sockets and queues (windows of
/// connections, messages that are encoded and decoded), and what an allocator keeps.
const BESIDE: u64 = 24 * MIB;

fn write(store: &Store, stream: &str, count: u64, data: &Bytes) {
    let event = || Proposed {
        id: Uuid::new_v4(),
        event_type: "customer_renamed".into(),
        is_json: false,
        data: data.clone(),
        metadata: Bytes::new(),
    };
    let events = (0..count).map(|_| event()).collect();
    let written = store.append(stream, Expected::Any, events);
    assert!(written.is_ok());
}

/// A ditto that has joined and has nothing to do yet, with so much to hold; and the most memory that it took until then.
async fn idle(servers: &Servers, budget: &str) -> (Ditto, u64) {
    let keys = format!("\n[daemon]\nmax_buffered_bytes = \"{budget}\"\n");
    let ditto = Ditto::start(&(servers.configuration(&["g"]) + &keys));
    ditto.until_logged("joined the subscription").await;
    let before = ditto.most_memory();
    (ditto, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_events_take_no_more_memory_than_the_budget() {
    let servers = Servers::start().await;
    let slow = Fault::new(FaultKind::SlowAppend { ms: 400 });
    servers.destination.faults().add(slow);
    let (ditto, before) = idle(&servers, "8MiB").await;
    // 200 MiB; at the source they are one piece of memory.
    let data = Bytes::from(vec![b'x'; 1_000_000]);
    let streams: Vec<String> = (0..20).map(|number| format!("customer-{number}")).collect();
    for _ in 0..10 {
        for stream in &streams {
            write(servers.source.store(), stream, 1, &data);
        }
    }
    servers.until_copied(&streams).await;
    let taken = ditto.most_memory() - before;
    println!("{} MiB", taken / MIB);
    assert!(taken <= 8 * MIB + BESIDE, "{} MiB", taken / MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_200_000_events_takes_bounded_memory() {
    let servers = Servers::start().await;
    let (ditto, before) = idle(&servers, "1MiB").await;
    // The category does not link these, so that all of them must be read: 120 MB.
    let data = Bytes::from(vec![b'x'; 600]);
    let unlinked = Proposed {
        id: Uuid::nil(),
        event_type: "customer_renamed".into(),
        is_json: true,
        data,
        metadata: Bytes::new(),
    };
    for _ in 0..20 {
        let next = || Proposed {
            id: Uuid::new_v4(),
            ..unlinked.clone()
        };
        let events = (0..10_000).map(|_| next()).collect();
        let written = servers
            .source
            .store()
            .append("customer-long", Expected::Any, events);
        assert!(written.is_ok());
    }
    seed(servers.source.store(), "customer-long", 1);
    // Each part has a deadline of its own: a busy machine takes its time, and still gets on.
    for part in 1..=20 {
        until("the next 10,000 are copied", || {
            let last = servers
                .destination
                .store()
                .stream_info("customer-long")
                .last;
            last.filter(|last| *last >= part * 10_000).map(|_| ())
        })
        .await;
    }
    let taken = ditto.most_memory() - before;
    println!("{} MiB", taken / MIB);
    assert!(taken <= MIB + BESIDE, "{} MiB", taken / MIB);
}
